/** What a mutant is: the production code without one of its guards, and who must notice. */
import type { Edited } from "./copy.ts";

export interface Mutant extends Edited {
  /** What the code does without the guard. */
  readonly statement: string;
  /** Statements of which one must be violated. */
  readonly noticedBy: readonly string[];
  readonly profile: "nats" | "hostile";
  /** Faults that provoke it; absent: whatever each seed draws. */
  readonly faults?: readonly string[];
}
