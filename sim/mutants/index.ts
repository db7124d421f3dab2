/** All mutants, as a table. A guard that is added to the product gets its row here. */
export type { Attempted, Mutant, SuiteMutant, SwarmMutant } from "./mutant.ts";
import { AGENT_MUTANTS } from "./agent.ts";
import { EXECUTOR_MUTANTS } from "./executors.ts";
import { HOST_MUTANTS } from "./host.ts";
import { LEAD_MUTANTS } from "./lead.ts";
import { MASTER_MUTANTS } from "./master.ts";
import { IDENTITY_MUTANTS } from "./identity.ts";
import { LOG_MUTANTS } from "./log.ts";
import type { Mutant } from "./mutant.ts";
import { OPERATION_MUTANTS } from "./operations.ts";
import { REAL_MUTANTS } from "./real.ts";

export const MUTANTS: readonly Mutant[] = [
  ...HOST_MUTANTS,
  ...LEAD_MUTANTS,
  ...LOG_MUTANTS,
  ...IDENTITY_MUTANTS,
  ...AGENT_MUTANTS,
  ...MASTER_MUTANTS,
  ...OPERATION_MUTANTS,
  ...REAL_MUTANTS,
  ...EXECUTOR_MUTANTS,
];
