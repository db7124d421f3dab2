/** Door of the resources floor: values, their algebra, text grammar, roles and attributes. */
export type { Attribute, Disk, Label, Reservation, Resource } from "#protocol";
export { parseAgentResources } from "./agent-resources.ts";
export {
  equalAttributes,
  formatAttribute,
  formatAttributes,
  parseAttributes,
} from "./attributes.ts";
export {
  checkpointedFault,
  checkpointedPart,
  type Converted,
  conversionOf,
  conversionFault,
  withCheckpointed,
} from "./conversions.ts";
export type { Pick, Traits } from "./entries.ts";
export { type Flaw, type Parsed, parseValue, TEXT_LENGTH_MAX, type Value } from "./grammar.ts";
export type { Kind } from "./kinds.ts";
export { Limits, Quantities } from "./quantities.ts";
export {
  addRanges,
  coalesceRanges,
  containsRanges,
  countRanges,
  formatRanges,
  RANGE_BOUND_MAX,
  type Range,
  type RangeList,
  subtractRanges,
} from "./ranges.ts";
export {
  formatReservation,
  invalidReservations,
  isAllocatableTo,
  isRefined,
  reservationRole,
} from "./reservations.ts";
export {
  formatResource,
  invalidResource,
  isIndivisible,
  isPersistentVolume,
  isRevocable,
  isShared,
  quantityMilli,
} from "./resource.ts";
export { Resources } from "./resources.ts";
export {
  ancestorsOf,
  DEFAULT_ROLE,
  invalidRole,
  isHierarchical,
  isStrictSubrole,
  parentOf,
} from "./roles.ts";
export { formatScalar, readScalar, readScalarNumber, SCALAR_MILLI_MAX } from "./scalar.ts";
export { compareText } from "./sets.ts";
export {
  addAt,
  addInto,
  at,
  containsVector,
  dominantShare,
  isZero,
  type Measure,
  type ReadonlyVector,
  ResourceNames,
  subtractFrom,
  type Vector,
} from "./vector.ts";
