/**
 * How much a master's process may allocate before the collector looks at it. What a master makes
 * lives either for a moment (messages, judgements) or long (tasks, what agents hold): with Node's
 * 16 MiB the long-lived half of a run over thousands of agents is copied twice, with 64 MiB mostly
 * once or never. A bound, not a reserve: a small cluster never comes near it (decision 0024).
 */
export const YOUNG_GENERATION_MIB_MAX = 64;

const FLAG = "--max-semi-space-size";

/** Arguments for Node; none where whoever started us has chosen another size. */
export function youngGenerationFlags(env: NodeJS.ProcessEnv): readonly string[] {
  if (env["NODE_OPTIONS"]?.includes(FLAG) === true) return [];
  return [`${FLAG}=${YOUNG_GENERATION_MIB_MAX}`];
}
