/**
 * The states of a task, as in Mesos v1, and the one table of moves between them. Everybody who
 * changes a task's state asks `taskMove` first; nobody else knows which states follow which.
 */

/** Names and numbers are those of the Mesos v1 API. */
export const TASK_STATES = {
  TASK_STARTING: 0,
  TASK_RUNNING: 1,
  TASK_FINISHED: 2,
  TASK_FAILED: 3,
  TASK_KILLED: 4,
  TASK_LOST: 5,
  TASK_STAGING: 6,
  TASK_ERROR: 7,
  TASK_KILLING: 8,
  TASK_DROPPED: 9,
  TASK_UNREACHABLE: 10,
  TASK_GONE: 11,
  TASK_GONE_BY_OPERATOR: 12,
  TASK_UNKNOWN: 13,
} as const;

export type TaskState = keyof typeof TASK_STATES;

export const TASK_STATE_NAMES = Object.keys(TASK_STATES) as readonly TaskState[];

const TERMINAL: ReadonlySet<TaskState> = new Set<TaskState>([
  "TASK_FINISHED",
  "TASK_FAILED",
  "TASK_KILLED",
  "TASK_ERROR",
  "TASK_LOST",
  "TASK_DROPPED",
  "TASK_GONE",
  "TASK_GONE_BY_OPERATOR",
]);

/** States after which a task has no resources any more. UNREACHABLE frees them too, see below. */
export function isTerminal(state: TaskState): boolean {
  return TERMINAL.has(state);
}

/** The master frees a task's resources in these states (Mesos: terminal, or unreachable). */
export function holdsResources(state: TaskState): boolean {
  return !TERMINAL.has(state) && state !== "TASK_UNREACHABLE" && state !== "TASK_UNKNOWN";
}

/** States that only frameworks with the capability PARTITION_AWARE are told (mesos.md §8). */
const PARTITION_AWARE_ONLY: ReadonlySet<TaskState> = new Set<TaskState>([
  "TASK_DROPPED",
  "TASK_UNREACHABLE",
  "TASK_GONE",
  "TASK_GONE_BY_OPERATOR",
  "TASK_UNKNOWN",
]);

/** What a framework is told: TASK_LOST stands for the partition-aware states where it is not. */
export function stateFor(state: TaskState, partitionAware: boolean): TaskState {
  return !partitionAware && PARTITION_AWARE_ONLY.has(state) ? "TASK_LOST" : state;
}

const ENDS: readonly TaskState[] = [...TERMINAL];

/**
 * From each live state, where a task may go. A repeated state is a move too: health and reasons
 * change while a task runs. UNREACHABLE goes back to what the returned agent says.
 */
const MOVES: Readonly<Record<TaskState, readonly TaskState[]>> = {
  TASK_STAGING: ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_UNREACHABLE", ...ENDS],
  TASK_STARTING: ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_UNREACHABLE", ...ENDS],
  TASK_RUNNING: ["TASK_RUNNING", "TASK_KILLING", "TASK_UNREACHABLE", ...ENDS],
  TASK_KILLING: ["TASK_KILLING", "TASK_UNREACHABLE", ...ENDS],
  TASK_UNREACHABLE: ["TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", ...ENDS],
  TASK_UNKNOWN: [
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_UNREACHABLE",
    ...ENDS,
  ],
  TASK_FINISHED: [],
  TASK_FAILED: [],
  TASK_KILLED: [],
  TASK_ERROR: [],
  TASK_LOST: [],
  TASK_DROPPED: [],
  TASK_GONE: [],
  TASK_GONE_BY_OPERATOR: [],
};

/** Whether the table allows the move; a terminal state never changes. */
export function taskMove(from: TaskState, to: TaskState): boolean {
  return MOVES[from].includes(to);
}

/** The table, for documents and tests. */
export function taskMoves(): Readonly<Record<TaskState, readonly TaskState[]>> {
  return MOVES;
}
