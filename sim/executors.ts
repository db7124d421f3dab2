/**
 * Custom executors in the simulated cluster: the program `batch-executor` on a machine is a
 * process of its own in the world, made by `createExecutor`, and runs the scripts of its tasks.
 */
import { type Identity, inboxOf, mayPublish, maySubscribe, permissionsOf } from "#access";
import {
  createExecutor,
  type ExecutorDriver,
  type ExecutorLibraryEvent,
  type TaskUpdate,
} from "#actors/executor";
import {
  asId,
  type ContainerId,
  type ExecutorId,
  type FrameworkId,
  isTerminal,
  type Principal,
  type TaskId,
  type TaskInfo,
} from "#protocol";
import type { LaunchPlan } from "#runtime";
import type { SimNode, SimTimer } from "./kernel/node.ts";
import type { Around } from "./members.ts";
import { clockOf, loggerOf, randomOf } from "./ports/clock.ts";
import type { Program, ProgramStart, SimMachine } from "./ports/machine.ts";
import { scriptOf } from "./ports/script.ts";
import { EXECUTOR_PROGRAM } from "./workloads/batch.ts";

/** After its last task an executor waits a little for another. */
const IDLE_MS = 500;
/** How long its author waits before an update that was refused is said again. */
const REFUSED_AGAIN_MS = 100;
/** Program of an executor that stays until it is told to shut down. */
export const RESIDENT_PROGRAM = "resident-executor";

/** Lets the executors of the batch framework run on a machine. */
export function installExecutors(around: Around, machine: SimMachine): void {
  machine.programs.set(EXECUTOR_PROGRAM, (plan, ended) =>
    start(around, machine, { plan, idleMs: IDLE_MS }, ended),
  );
  machine.programs.set(RESIDENT_PROGRAM, (plan, ended) =>
    start(around, machine, { plan, idleMs: undefined }, ended),
  );
}

/** What the author of the executor does with its tasks. */
class Author {
  readonly #node: SimNode;
  readonly #idleMs: number | undefined;
  readonly #running = new Map<TaskId, SimTimer | undefined>();

  /** @param idleMs how long it waits for another task; undefined: until it is shut down. */
  constructor(node: SimNode, idleMs: number | undefined) {
    this.#node = node;
    this.#idleMs = idleMs;
  }

  on(event: ExecutorLibraryEvent, driver: ExecutorDriver): void {
    if (event.kind === "launch") return this.#launch(event.task, driver);
    if (event.kind === "kill") return this.#end(event.taskId, "TASK_KILLED", driver);
    if (event.kind === "refused") return this.#sayAgain(event.update, driver);
    if (event.kind !== "shutdown") return;
    for (const taskId of [...this.#running.keys()]) this.#end(taskId, "TASK_KILLED", driver);
    driver.finish();
  }

  /** There was no room for it; of a task that has ended meanwhile its end alone is news. */
  #sayAgain(update: TaskUpdate, driver: ExecutorDriver): void {
    this.#node.timer(REFUSED_AGAIN_MS, () => {
      if (isTerminal(update.state) || this.#running.has(update.taskId)) driver.update(update);
    });
  }

  /** Of a script only its sleeps and its exit count here. */
  #launch({ taskId, data }: TaskInfo, driver: ExecutorDriver): void {
    const script = scriptOf(["sh", "-c", new TextDecoder().decode(data ?? new Uint8Array(0))]);
    let inMs = 0;
    let state: "TASK_FINISHED" | "TASK_FAILED" = "TASK_FINISHED";
    for (const act of script?.acts ?? []) {
      if (act.kind === "sleep") inMs += act.ms;
      if (act.kind === "hang") inMs = Number.POSITIVE_INFINITY;
      if (act.kind === "oom" || (act.kind === "exit" && act.code !== 0)) state = "TASK_FAILED";
    }
    driver.update({ taskId, state: "TASK_RUNNING" });
    for (const act of script?.acts ?? []) {
      for (let said = act.kind === "flood" ? act.count : 0; said > 0; said--) {
        driver.update({ taskId, state: "TASK_RUNNING", message: `said ${said} times more` });
      }
    }
    const timer = Number.isFinite(inMs)
      ? this.#node.timer(inMs, () => this.#end(taskId, state, driver))
      : undefined;
    this.#running.set(taskId, timer);
  }

  #end(
    taskId: TaskId,
    state: "TASK_FINISHED" | "TASK_FAILED" | "TASK_KILLED",
    driver: ExecutorDriver,
  ): void {
    if (!this.#running.has(taskId)) return;
    this.#running.get(taskId)?.cancel();
    this.#running.delete(taskId);
    driver.update({ taskId, state });
    if (this.#idleMs === undefined) return;
    this.#node.timer(this.#idleMs, () => {
      if (this.#running.size === 0) driver.finish();
    });
  }
}

function start(
  around: Around,
  machine: SimMachine,
  { plan, idleMs }: { readonly plan: LaunchPlan; readonly idleMs: number | undefined },
  ended: Parameters<ProgramStart>[1],
): Program {
  const { world, network, subjects } = around;
  const principal = asId<Principal>(machine.name);
  const containerId = asId<ContainerId>(plan.containerId);
  const identity: Identity = { role: "executor", principal, containerId };
  const permissions = permissionsOf(subjects, identity);
  const node = world.addNode(`executor-${plan.containerId}`);
  const end = (code: number | null, signal: number | null): void => {
    if (!node.up) return;
    node.crash();
    world.removeNode(node);
    ended({ code, signal });
  };
  node.start(() => {
    const ports = {
      bus: network.connect(node, {
        inbox: inboxOf(identity),
        permissions: {
          mayPublish: (subject) => mayPublish(permissions, subject),
          maySubscribe: (subject) => maySubscribe(permissions, subject),
        },
      }),
      clock: clockOf(node),
      random: randomOf(world, node),
      logger: loggerOf(world, node),
    };
    const config = {
      agent: principal,
      containerId,
      frameworkId: asId<FrameworkId>(plan.env["MESOS_FRAMEWORK_ID"] ?? ""),
      executorId: asId<ExecutorId>(plan.env["MESOS_EXECUTOR_ID"] ?? ""),
    };
    const author = new Author(node, idleMs);
    const running = createExecutor(ports, subjects, config, (event, driver) =>
      author.on(event, driver),
    );
    running.actor.onEnd(({ kind, why }) => {
      around.observe({ what: "actor-ended", node, kind, why });
      // The process ends after the turn that ends its actor.
      world.after(1, () => end(kind === "ended" ? 0 : 1, null));
    });
  });
  return { signal: (signal) => end(null, signal) };
}
