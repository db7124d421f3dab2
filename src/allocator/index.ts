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
} from "./contract.ts";
