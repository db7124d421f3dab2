/** All mutants, as a table. A guard that is added to the product gets its row here. */
export type { Attempted, Mutant } from "./mutant.ts";
import { AGENT_MUTANTS } from "./agent.ts";
import { HOST_MUTANTS } from "./host.ts";
import { LEAD_MUTANTS } from "./lead.ts";
import { MASTER_MUTANTS } from "./master.ts";
import type { Mutant } from "./mutant.ts";

export const MUTANTS: readonly Mutant[] = [
  ...HOST_MUTANTS,
  ...LEAD_MUTANTS,
  ...AGENT_MUTANTS,
  ...MASTER_MUTANTS,
];
