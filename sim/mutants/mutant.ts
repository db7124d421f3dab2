/** What a mutant is: the production code without one of its guards, and who must notice. */
import type { Violation } from "../checkers/index.ts";
import type { ClusterOptions } from "../cluster.ts";
import type { ScheduledFault } from "../faults/index.ts";
import type { Edited } from "./copy.ts";

interface Guarded extends Edited {
  /** What the code does without the guard. */
  readonly statement: string;
}

/** A guard that the simulator must miss. */
export interface SwarmMutant extends Guarded {
  /** Statements of which one must be violated. */
  readonly noticedBy: readonly string[];
  readonly profile: "nats" | "hostile";
  /** Faults that provoke it; absent: whatever each seed draws. */
  readonly faults?: readonly string[];
  /** These and no others, where chance would take too long to provoke it. */
  readonly scheduled?: readonly ScheduledFault[];
  /** What of the cluster must be otherwise for it. */
  readonly cluster?: Partial<
    Pick<ClusterOptions, "masters" | "agents" | "untilMs" | "items" | "workload">
  >;
}

/** A guard that only what is not simulated can break: tests of real adapters must miss it. */
export interface SuiteMutant extends Guarded {
  /** Below `dist/`: a folder's tests. */
  readonly suite: string;
  /** Words in the name of the test that must fail without the guard, and pass with it. */
  readonly test: string;
}

export type Mutant = SwarmMutant | SuiteMutant;

/** How one seed of a mutant ended. */
export interface Attempted {
  readonly seed: string;
  /** Statements that were violated, expected or not. */
  readonly ids: readonly string[];
  /** The first violation of an expected one. */
  readonly noticed: Violation | undefined;
}
