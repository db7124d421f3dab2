/**
 * A custom executor as a program of the simulated machine: the real library, on a node of its
 * own, with an author whose tasks run for a while and end.
 */
import {
  createExecutor,
  type ExecutorDriver,
  type ExecutorLibraryEvent,
  type RunningExecutor,
} from "#actors/executor";
import { asId, type TaskInfo } from "#protocol";
import { clockOf, loggerOf, type Program, randomOf, type SimNode } from "#sim";
import { AGENT, FRAMEWORK, subjects, task, TestNode } from "../agent/a-node.ts";

export interface Author {
  readonly events: ExecutorLibraryEvent[];
  readonly running: RunningExecutor;
  readonly node: SimNode;
}

/** Answers an event as a simple executor does: tasks run until they are killed. */
export type Behave = (event: ExecutorLibraryEvent, driver: ExecutorDriver) => void;

export const runsAll: Behave = (event, driver) => {
  if (event.kind === "launch") {
    driver.update({ taskId: event.task.taskId, state: "TASK_RUNNING" });
  }
  if (event.kind === "kill") driver.update({ taskId: event.taskId, state: "TASK_KILLED" });
  if (event.kind === "message") driver.message(event.data);
  if (event.kind === "shutdown") driver.finish();
};

export class ExecutorNode extends TestNode {
  readonly authors: Author[] = [];

  constructor(behave: Behave = runsAll, options: ConstructorParameters<typeof TestNode>[0] = {}) {
    super(options);
    let count = 0;
    this.machine.programs.set("my-executor", (plan, ended): Program => {
      count += 1;
      const node = this.world.addNode(`executor-${count}`);
      node.start(() => {
        const ports = {
          bus: this.network.connect(node),
          clock: clockOf(node),
          random: randomOf(this.world, node),
          logger: loggerOf(this.world, node),
        };
        const events: ExecutorLibraryEvent[] = [];
        const running = createExecutor(
          ports,
          subjects,
          {
            agent: asId("node1"),
            containerId: asId(plan.containerId),
            frameworkId: FRAMEWORK,
            executorId: asId(plan.env["MESOS_EXECUTOR_ID"] ?? "none"),
            recoveryTimeoutMs: 30_000,
          },
          (event, driver) => {
            events.push(event);
            behave(event, driver);
          },
        );
        running.actor.onEnd(() => {
          node.crash();
          ended({ code: 0, signal: null });
        });
        this.authors.push({ events, running, node });
      });
      return {
        signal: (signal) => {
          node.crash();
          ended({ code: null, signal });
        },
      };
    });
  }

  get author(): Author {
    const [author] = this.authors;
    if (author === undefined) throw new Error("no executor has started");
    return author;
  }
}

export function executorTask(id: string, program = "my-executor"): TaskInfo {
  const { command: _, ...rest } = task(id, "");
  return {
    ...rest,
    agentId: AGENT,
    executor: {
      executorId: asId("ex"),
      type: "CUSTOM",
      command: { shell: false, value: program },
      resources: [],
    },
  };
}

export function anExecutorNode(
  behave?: Behave,
  options?: ConstructorParameters<typeof TestNode>[0],
): ExecutorNode {
  const node = new ExecutorNode(behave, options);
  node.start();
  node.untilRegistered();
  return node;
}
