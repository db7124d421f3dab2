/**
 * Why something was not done: one list for allocator, wire, API, metrics, command line and page.
 * Every refusal is counted under its word.
 */

/** Why an agent's resources were not offered, or a task was not placed. */
export const PLACEMENT_REASONS = [
  "role",
  "constraint",
  "cpus",
  "mem",
  "disk",
  "gpus",
  "ports",
  "scarce",
  "reservation",
  "filtered",
  "quota",
  "share",
  "draining",
  "backoff",
  "suppressed",
  "no-offers",
  "framework-slow",
  "agent-inactive",
  "recovering",
  "hoarding",
] as const;

export type PlacementReason = (typeof PLACEMENT_REASONS)[number];

/** Why bytes, frames or messages were dropped or answered with a refusal. */
export const WIRE_REASONS = [
  "too-large",
  "scan-failed",
  "decode-failed",
  "schema-failed",
  "unknown-kind",
  "not-said-by-this-peer",
  "unknown-version",
  "lower-epoch",
  "wrong-epoch",
  "wrong-cluster",
  "foreign-session",
  "old-session",
  "gap",
  "duplicate-frame",
  "window-exceeded",
  "mailbox-full",
  "not-handled-in-this-state",
  "no-session",
  "bad-subject",
  "bus-down",
  "fenced",
  "earlier-life",
  "mute",
  "poisonous-sender",
] as const;

export type WireReason = (typeof WIRE_REASONS)[number];

/** Why a call was refused by the one who understood it. */
export const CALL_REASONS = [
  "busy",
  "invalid",
  "not-found",
  "not-allowed",
  "not-leader",
  "displaced",
  "framework-completed",
  "identity-claimed",
  "stale-incarnation",
  "offer-not-outstanding",
  "offer-rescinded",
  "offer-expired",
  "task-known",
  "agent-not-connected",
  "disk-full",
  "overcommitted",
] as const;

export type CallReason = (typeof CALL_REASONS)[number];

export type Refusal = PlacementReason | WireReason | CallReason;
