/** Door of the daemon floor: brokers, trust, and what starts processes. */
export * from "./broker.ts";
export * from "./broker-binary.ts";
export { BrokerUnavailable } from "./broker-provision.ts";
export * from "./broker-sources.ts";
export * from "./credentials.ts";
export * from "./probe-machine.ts";
export * from "./process-mark.ts";
