/** What a mutant is: the production code without one of its guards, and who must notice. */
export interface Mutant {
  readonly name: string;
  /** What the code does without the guard. */
  readonly statement: string;
  /** Where the guard stands in the compiled code; each text must occur exactly once. */
  readonly edits: readonly {
    /** Below `dist/`. */
    readonly file: string;
    readonly find: string;
    readonly replace: string;
  }[];
  /** Statements of which one must be violated. */
  readonly noticedBy: readonly string[];
  readonly profile: "nats" | "hostile";
  /** Faults that provoke it; absent: whatever each seed draws. */
  readonly faults?: readonly string[];
}
