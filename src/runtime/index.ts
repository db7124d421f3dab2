/** Door of the runtime floor: what an actor stands on. */
export type * from "./actor.ts";
export * from "./counters.ts";
export * from "./effects.ts";
export { BATCH_INPUTS_MAX, BATCH_WORK_MS_MAX, type HostOptions, startActor } from "./host.ts";
export type * from "./inputs.ts";
export { InvariantError, invariant } from "./invariant.ts";
export { type LinksOptions, PEERS_MAX, WINDOWS } from "./links.ts";
export { MAILBOX_MAIL_MAX, MAILBOX_UNSOLICITED_MAX } from "./mailbox.ts";
export * from "./ports/bus.ts";
export type * from "./ports/clock.ts";
export * from "./ports/disk.ts";
export * from "./ports/inside.ts";
export * from "./ports/launcher.ts";
export * from "./ports/log.ts";
export type * from "./ports/logger.ts";
export type * from "./ports/random.ts";
export * from "./ports/streams.ts";
export * from "./supervisor.ts";
export {
  type CanonicalRecord,
  canonicalRecord,
  TRACE_MARK_EVERY,
  TRACE_VERSION,
  type TraceFact,
  type TraceHeader,
  type TraceLine,
  type TraceMark,
  type TraceNode,
  type TraceRecord,
  type TraceState,
} from "./trace.ts";
