/** Door of the allocator floor: who is offered what. */
export type {
  AgentExplanation,
  AgentSpec,
  Allocator,
  AllocatorOptions,
  Conversion,
  Domain,
  ExplainQuery,
  Explanation,
  FrameworkShare,
  FrameworkSpec,
  OfferCandidate,
  RefusalFilter,
  RoleShare,
  Shares,
  Shortage,
  Sorter,
} from "./contract.ts";
export type { Quota } from "./role-tree.ts";
export { createAllocator } from "./allocator.ts";
export { FILTERS_PER_CLIENT_MAX, REFUSE_MS_MAX } from "./filters.ts";
