/**
 * How the tasks of a run ended, whoever tells it first: the stream of events, which is prompt and
 * may have holes, or the run itself, which is asked now and then and misses nothing.
 */
import type { RunObject, TaskEnd, TaskObject } from "#api";
import { isTerminal, type TaskState, type TaskStatus } from "#protocol";

/** What is known of a task after an event. */
type Told = Omit<TaskEnd, "atMs">;

export class TaskEnds {
  readonly #open: Set<string>;
  readonly #ended: Told[] = [];
  readonly #running: (taskId: string) => void;

  /** `running` is told of each task that has begun to run, perhaps more than once. */
  constructor(run: RunObject, running: (taskId: string) => void) {
    this.#open = new Set(run.taskIds);
    this.#running = running;
  }

  get complete(): boolean {
    return this.#open.size === 0;
  }

  /** In the order in which they were heard of. */
  get ended(): readonly Told[] {
    return this.#ended;
  }

  /** An event of the stream. */
  event(event: string, data: string): void {
    for (const told of toldIn(event, data)) this.#tell(told);
  }

  /** The run as it is now. */
  run({ ended }: RunObject): void {
    for (const end of ended) this.#tell(end);
  }

  #tell(told: Told): void {
    if (!this.#open.has(told.taskId)) return;
    const hasEnded = isTerminal(told.state);
    if (told.state === "TASK_RUNNING" || hasEnded) this.#running(told.taskId);
    if (!hasEnded) return;
    this.#open.delete(told.taskId);
    this.#ended.push(told);
  }
}

function toldIn(event: string, data: string): Told[] {
  switch (event) {
    case "snapshot": {
      const { tasks } = JSON.parse(data) as { tasks: TaskObject[] };
      return tasks.filter(({ history }) => history.length > 0).map(ofTask);
    }
    case "TASK_UPDATED": {
      const { status } = JSON.parse(data) as { status: TaskStatus & { state: TaskState } };
      return [status];
    }
    case "TASK_ADDED": {
      const { task } = JSON.parse(data) as { task: { statuses: TaskStatus[] } };
      return task.statuses;
    }
    default:
      return [];
  }
}

/** A task of the snapshot by the last status that it had. */
function ofTask({ id, state, reason, message, exitCode, limitation }: TaskObject): Told {
  return {
    taskId: id,
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(limitation === undefined ? {} : { limitation }),
  };
}
