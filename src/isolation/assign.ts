/**
 * Hands out what a machine has whole pieces of: cpus for those who want them alone, and GPUs.
 * Pure: what others hold comes in, a choice or the reason for none goes out.
 */
import type { Assigned, ContainerSpec } from "./container.ts";
import type { Hardware, Machine } from "./isolator.ts";

export type Assignment =
  | { readonly ok: true; readonly assigned: Assigned | undefined }
  | { readonly ok: false; readonly message: string };

const refused = (message: string): Assignment => ({ ok: false, message });

const MILLI = 1_000;
const UNKNOWN = "this agent has not looked at its hardware";

/**
 * @param taken what the containers that are there hold
 */
export function assign(
  { resources, limits }: Pick<ContainerSpec, "resources" | "limits">,
  machine: Machine,
  taken: () => readonly Assigned[],
): Assignment {
  const wantsCpus = limits.exclusiveCpus === true;
  const gpus = resources.gpus ?? 0;
  if (!wantsCpus && gpus === 0) return { ok: true, assigned: undefined };
  const { hardware } = machine;
  if (hardware === undefined) {
    return refused(`${wantsCpus ? "exclusive cpus" : "gpus"}: ${UNKNOWN}`);
  }
  const cpuMilli = resources.cpuMilli + resources.cpuMilliRevocable;
  const held = taken();
  const pinned = wantsCpus ? pin(hardware, cpuMilli, held) : { cpus: [], mems: [] };
  if (typeof pinned === "string") return refused(pinned);
  const indices = pickGpus(hardware, gpus, held);
  if (typeof indices === "string") return refused(indices);
  return { ok: true, assigned: { ...{}, ...pinned, gpus: indices } };
}

/** All of one memory node where one has enough: the fullest that fits, so that large ones stay. */
function pin(
  { nodes }: Hardware,
  cpuMilli: number,
  taken: readonly Assigned[],
): Omit<Assigned, "gpus"> | string {
  if (cpuMilli === 0 || cpuMilli % MILLI !== 0) {
    return `cpus: ${cpuMilli / MILLI} cannot be exclusive; ask for a whole number`;
  }
  const count = cpuMilli / MILLI;
  const held = new Set(taken.flatMap(({ cpus }) => cpus));
  const free = nodes
    .map(({ node, cpus }) => ({ node, cpus: cpus.filter((cpu) => !held.has(cpu)) }))
    .filter(({ cpus }) => cpus.length > 0)
    .sort((a, b) => a.cpus.length - b.cpus.length || a.node - b.node);
  const one = free.find(({ cpus }) => cpus.length >= count);
  if (one !== undefined) return { cpus: one.cpus.slice(0, count), mems: [one.node] };
  const total = free.reduce((sum, { cpus }) => sum + cpus.length, 0);
  if (total < count) {
    return `cpus: ${count} are to be exclusive, ${total} of this agent are not pinned yet`;
  }
  const cpus: number[] = [];
  const mems: number[] = [];
  for (const { node, cpus: some } of free.reverse()) {
    const part = some.slice(0, count - cpus.length);
    if (part.length === 0) break;
    cpus.push(...part);
    mems.push(node);
  }
  return { cpus: cpus.sort((a, b) => a - b), mems: mems.sort((a, b) => a - b) };
}

function pickGpus(
  { gpus }: Hardware,
  count: number,
  taken: readonly Assigned[],
): number[] | string {
  const held = new Set(taken.flatMap((one) => one.gpus));
  const free = gpus.map(({ index }) => index).filter((index) => !held.has(index));
  if (free.length >= count) return free.slice(0, count);
  return `gpus: ${count} are asked for, ${free.length} of this agent's ${gpus.length} are free`;
}
