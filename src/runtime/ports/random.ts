/** Chance. In the simulator a named stream of the seed. */
import type { Uuid } from "#protocol";

export interface Random {
  /** Uniform integer from 0 up to but not including `bound` (1 to 2^32). */
  below(bound: number): number;
  /** Version 4 UUID. */
  uuid(): Uuid;
  /** `length` characters of a-z and 0-9, beginning with a letter. */
  token(length: number): string;
}
