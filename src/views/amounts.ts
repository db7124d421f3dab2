/** Resources as people read them: units instead of thousandths, ports as text. */
import type { Amounts } from "#api";
import type { Resource } from "#protocol";
import { formatRanges, Resources } from "#resources";

export const NO_AMOUNTS: Amounts = { cpus: 0, memMib: 0, diskMib: 0, gpus: 0 };

export function amountsOf(resources: readonly Resource[]): Amounts {
  const bag = Resources.fromWire(resources);
  const ports = bag.ports();
  const amounts: Amounts = {
    cpus: bag.cpusMilli / 1000,
    memMib: bag.memMilli / 1000,
    diskMib: bag.diskMilli / 1000,
    gpus: bag.gpusMilli / 1000,
  };
  if (ports.length > 0) amounts.ports = formatRanges(ports);
  return amounts;
}

/** Sum without ports; exact to thousandths. */
export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const sum = (x: number, y: number): number => Math.round((x + y) * 1000) / 1000;
  return {
    cpus: sum(a.cpus, b.cpus),
    memMib: sum(a.memMib, b.memMib),
    diskMib: sum(a.diskMib, b.diskMib),
    gpus: sum(a.gpus, b.gpus),
  };
}
