/** Tasks that have ended and that the leader has forgotten: the last ones, bounded. */
import type { TaskObject } from "#api";

/** Ended tasks that are kept for people. */
export const TASK_HISTORY_TASKS_MAX = 10_000;

export class TaskHistory {
  readonly #tasks = new Map<string, TaskObject>();

  /** The same task again replaces what was known of it. */
  add(task: TaskObject): void {
    const key = `${task.frameworkId}/${task.id}`;
    this.#tasks.delete(key);
    this.#tasks.set(key, task);
    if (this.#tasks.size <= TASK_HISTORY_TASKS_MAX) return;
    for (const oldest of this.#tasks.keys()) {
      this.#tasks.delete(oldest);
      return;
    }
  }

  all(): TaskObject[] {
    return [...this.#tasks.values()];
  }
}
