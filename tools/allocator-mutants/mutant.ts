/** One broken rule of the allocator. */
import type { Edited } from "#sim";

export type RuleMutant = Edited & {
  /** What the code does without the rule. */
  readonly statement: string;
};

/** A compiled file of the allocator, below `dist/`. */
export function compiled(file: string): string {
  return `src/allocator/${file}.js`;
}

/** The test that each rule stands once in the code: it notices every mutant, and counts for none. */
export const STANDS_ONCE =
  "every rule that the mutants break stands once in the compiled allocator";
