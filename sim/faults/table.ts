/** All faults, as a table: a new one is one row in one of these lists. */
import { BUS_FAULTS } from "./bus.ts";
import { CLUSTER_FAULTS } from "./cluster.ts";
import { DISK_FAULTS } from "./disk.ts";
import type { Fault } from "./fault.ts";
import { FRAMEWORK_FAULTS } from "./frameworks.ts";
import { LOG_FAULTS } from "./log.ts";
import { NETWORK_FAULTS } from "./network.ts";
import { OPERATOR_FAULTS } from "./operator.ts";
import { PROCESS_FAULTS } from "./process.ts";
import { TIME_FAULTS } from "./time.ts";

export const FAULTS: readonly Fault[] = [
  ...PROCESS_FAULTS,
  ...TIME_FAULTS,
  ...NETWORK_FAULTS,
  ...BUS_FAULTS,
  ...DISK_FAULTS,
  ...LOG_FAULTS,
  ...CLUSTER_FAULTS,
  ...FRAMEWORK_FAULTS,
  ...OPERATOR_FAULTS,
];

const BY_NAME: ReadonlyMap<string, Fault> = new Map(FAULTS.map((fault) => [fault.name, fault]));

/** @throws where there is none of that name. */
export function faultNamed(name: string): Fault {
  const fault = BY_NAME.get(name);
  if (fault === undefined) throw new Error(`there is no fault ${name}`);
  return fault;
}
