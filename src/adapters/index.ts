/** Door of the adapters: one file per real thing that a port stands for. */
export * from "./cgroup-reader.ts";
export * from "./container-logs.ts";
export * from "./credential-file.ts";
export * from "./durable-files.ts";
export * from "./exclusive-lock.ts";
export * from "./files-disk.ts";
export * from "./jetstream-log.ts";
export * from "./jetstream-stream.ts";
export * from "./launcher-client.ts";
export * from "./launcher-process.ts";
export * from "./log-owner.ts";
export { MemoryBroker, RECEIVER_BYTES_MAX, RECEIVER_MESSAGES_MAX } from "./memory-bus.ts";
export {
  BROKER_TLS_NAME,
  natsBus,
  type NatsBusOptions,
  OUTBOUND_BYTES_MAX,
} from "./nats-bus.ts";
export * from "./nkeys.ts";
export * from "./pino-logger.ts";
export * from "./sandbox-files.ts";
export {
  openRecordingPlace,
  processSecrecy,
  RECORDING_QUEUE_BYTES_MAX,
  RECORDING_SUFFIX,
  RecordingFile,
  type RecordingPlace,
} from "./recording-files.ts";
export { openSegmentLog, SEGMENT_BYTES_MAX, type SegmentLogOptions } from "./segment-log.ts";
export * from "./system-clock.ts";
export * from "./system-random.ts";
