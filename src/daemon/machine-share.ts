/** What each of several agents on one machine offers, so that together they offer it once. */
import { Resources } from "#resources";

const MIB = 1024 * 1024;
/** Kept back for the system, as Mesos does: 1 GiB of memory, 5 GiB of disk, half of less. */
const MEM_KEPT_MIB = 1024;
const DISK_KEPT_MIB = 5 * 1024;
/** Ports that are offered, Mesos' default range. */
const PORT_FIRST = 31_000;
const PORT_LAST = 32_000;

export interface MachineSize {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskFreeBytes: number;
}

export interface Share {
  /** From 0. */
  readonly index: number;
  readonly of: number;
}

/** As text of resources. A share of one agent alone is the whole. */
export function shareOf(machine: MachineSize, share: Share): string {
  const cpusMilli = Math.floor((machine.cpus * 1000) / share.of);
  const mem = Math.floor(without(machine.memoryBytes, MEM_KEPT_MIB) / share.of);
  const disk = Math.floor(without(machine.diskFreeBytes, DISK_KEPT_MIB) / share.of);
  const ports = portsOf(PORT_FIRST, PORT_LAST, share);
  return `cpus:${cpusMilli / 1000};mem:${mem};disk:${disk};ports:[${ports}]`;
}

/**
 * Resources that somebody named for each agent: as they are, but for ports, which only one
 * agent can give away; each gets its part of every range.
 * @throws Error what the grammar says of the text.
 */
export function namedShareOf(text: string, share: Share): string {
  const parsed = Resources.parse(text);
  if (!parsed.ok) throw new Error(`--resources: ${parsed.error.message}`);
  const ranges = parsed.value.ports();
  const others = text.split(";").filter((part) => !part.trim().startsWith("ports"));
  const mine =
    ranges.length === 0
      ? [portsOf(PORT_FIRST, PORT_LAST, share)]
      : ranges.map(({ begin, end }) => portsOf(begin, end, share));
  const ports = mine.filter((range) => range !== "").join(",");
  return ports === "" ? others.join(";") : [...others, `ports:[${ports}]`].join(";");
}

function without(bytes: number, keptMib: number): number {
  const mib = Math.floor(bytes / MIB);
  return mib >= 2 * keptMib ? mib - keptMib : Math.floor(mib / 2);
}

function portsOf(first: number, last: number, { index, of }: Share): string {
  const count = last - first + 1;
  const begin = first + Math.floor((count * index) / of);
  const end = first + Math.floor((count * (index + 1)) / of) - 1;
  return end < begin ? "" : `${begin}-${end}`;
}
