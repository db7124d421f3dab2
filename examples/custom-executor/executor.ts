/**
 * A custom executor: one process that looks for primes, for as many tasks as it is given. What it
 * has found for one task is there for the next, which is what a process of one's own is good for.
 */
import { runExecutor, type TaskId, type TaskInfo } from "meseta";

const primes = [2];

function countBelow(limit: number): number {
  for (let next = (primes.at(-1) ?? 2) + 1; next < limit; next += 1) {
    const isPrime = primes.every((prime) => prime * prime > next || next % prime !== 0);
    if (isPrime) primes.push(next);
  }
  return primes.filter((prime) => prime < limit).length;
}

const waiting = new Map<TaskId, TaskInfo>();

const executor = runExecutor({
  launch(task, driver) {
    const { taskId } = task;
    waiting.set(taskId, task);
    driver.update({ taskId, state: "TASK_RUNNING" });
    // Not at once: a kill may come before it is this task's turn.
    setImmediate(() => {
      if (!waiting.delete(taskId)) return;
      const limit = Number(new TextDecoder().decode(task.data));
      const known = primes.length;
      const message = `${countBelow(limit)} primes below ${limit}, ${known} were known before`;
      driver.update({ taskId, state: "TASK_FINISHED", message });
    });
  },
  kill({ taskId }, driver) {
    if (waiting.delete(taskId)) driver.update({ taskId, state: "TASK_KILLED" });
  },
  shutdown(_event, driver) {
    for (const taskId of waiting.keys()) driver.update({ taskId, state: "TASK_KILLED" });
    waiting.clear();
    driver.finish();
  },
});

await executor.ended;
