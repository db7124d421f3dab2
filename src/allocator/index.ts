/** Door of the allocator floor: who is offered what. */
export type {
  AgentExplanation,
  AgentSpec,
  Allocator,
  AllocatorOptions,
  Conversion,
  ExplainQuery,
  Explanation,
  FrameworkShare,
  FrameworkSpec,
  OfferCandidate,
  Placement,
  PlannedChange,
  Reclaim,
  RefusalFilter,
  RoleShare,
  Shares,
  Shortage,
  Sorter,
  SubscriptionExplanation,
} from "./contract.ts";
export type {
  Constraint,
  ConstraintPredicate,
  ConstraintSelector,
  Domain,
  OfferConstraints,
} from "./constraints.ts";
export type { InverseOfferCandidate, Unavailability } from "./inverse.ts";
export { PATTERN_LENGTH_MAX, PATTERN_STATES_MAX } from "./pattern.ts";
export { RECOVERED_PART_MIN, RECOVERY_PAUSE_MS_MAX } from "./recovery.ts";
export type { Quota } from "./role-tree.ts";
export { createAllocator } from "./allocator.ts";
export { FILTERS_PER_CLIENT_MAX, REFUSE_MS_MAX } from "./filters.ts";
