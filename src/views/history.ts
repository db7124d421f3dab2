/** Tasks that have ended and that the leader has forgotten: the last ones, bounded. */
import type { TaskObject } from "#api";

/** Ended tasks that are kept for people. */
export const TASK_HISTORY_TASKS_MAX = 10_000;

/** State of a task that the leader no longer tells of, and whose end nobody here has seen. */
export const UNSEEN = "TASK_UNKNOWN";

export class TaskHistory {
  readonly #tasks = new Map<string, TaskObject>();

  /** By framework and task: `<frameworkId>/<taskId>`. */
  get(key: string): TaskObject | undefined {
    return this.#tasks.get(key);
  }

  /** The same task again replaces what was known of it; a snapshot does not tell its usage. */
  add(task: TaskObject): void {
    const key = `${task.frameworkId}/${task.id}`;
    const usage = task.usage ?? this.#tasks.get(key)?.usage;
    this.#tasks.delete(key);
    this.#tasks.set(key, usage === undefined ? task : { ...{}, ...task, usage });
    if (this.#tasks.size <= TASK_HISTORY_TASKS_MAX) return;
    for (const oldest of this.#tasks.keys()) {
      this.#tasks.delete(oldest);
      return;
    }
  }

  /** The leader tells of the task: had its end only been missed, it is there once more, not twice. */
  recall(key: string): void {
    if (this.#tasks.get(key)?.state === UNSEEN) this.#tasks.delete(key);
  }

  all(): TaskObject[] {
    return [...this.#tasks.values()];
  }
}
