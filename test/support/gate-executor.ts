/**
 * A custom executor for tests: each of its tasks runs until the framework says `NUMBER end TASK`. It
 * answers everything that it is told with what it has, so that a test sees one process.
 */
import { runExecutor, type TaskId } from "#sdk";

const running = new Set<TaskId>();

const executor = runExecutor({
  launch({ taskId }, driver) {
    running.add(taskId);
    driver.update({ taskId, state: "TASK_RUNNING", message: `in process ${process.pid}` });
  },
  kill({ taskId }, driver) {
    if (running.delete(taskId)) driver.update({ taskId, state: "TASK_KILLED" });
  },
  message(data, driver) {
    const [number, word, id = ""] = new TextDecoder().decode(data).split(" ");
    const taskId = [...running].find((one) => one === id);
    if (word === "end" && taskId !== undefined) {
      running.delete(taskId);
      driver.update({ taskId, state: "TASK_FINISHED", message: "as told" });
    }
    const me = { number: Number(number), pid: process.pid, uid: process.getuid?.() };
    const told = JSON.stringify({ ...me, running: [...running].sort() });
    driver.message(new TextEncoder().encode(told));
  },
  shutdown(_event, driver) {
    for (const taskId of running) driver.update({ taskId, state: "TASK_KILLED" });
    running.clear();
    driver.finish();
  },
});

await executor.ended;
process.stdout.write("ended\n");
