/**
 * How what several isolators want inside of a container becomes one: lists are put together, and
 * each thing that may be said once has a name by which two that differ are found.
 */
import { type Inside, type InsideMount, NOTHING_INSIDE } from "#runtime";

/** Fields that are added up instead of being said by one isolator alone. */
const LISTS = ["namespaces", "networks", "mounts", "rlimits", "secrets"] as const;

/** What may be said once, as names and values: `inside.hostname`, `inside.mounts./proc`. */
export function insideFacts(inside: Partial<Inside>): [string, unknown][] {
  const { namespaces: _namespaces, networks = [], mounts = [], ...others } = inside;
  const { rlimits = [], secrets = [], ...single } = others;
  return [
    ...Object.entries(single).map(([key, value]): [string, unknown] => [`inside.${key}`, value]),
    // Flags of what is there already add up; a place cannot be two things.
    ...mounts
      .filter(({ kind }) => kind !== "attr")
      .map((mount): [string, unknown] => [`inside.mounts.${mount.target}`, mount]),
    ...networks.map((one): [string, unknown] => [`inside.networks.${one.interface}`, one]),
    ...secrets.map((secret): [string, unknown] => [`env.${secret.name}`, secret]),
    ...rlimits.map((limit): [string, unknown] => [`inside.rlimits.${limit.resource}`, limit]),
  ];
}

/** Undefined when nobody wants anything. What two say alike is said once. */
export function mergeInside(parts: readonly Partial<Inside>[]): Inside | undefined {
  if (parts.length === 0) return undefined;
  let merged: Inside = NOTHING_INSIDE;
  for (const part of parts) merged = { ...{}, ...merged, ...part };
  for (const list of LISTS) {
    const said = parts.flatMap((part) => (part[list] === undefined ? [] : [part[list]]));
    // Most lists are one isolator's alone: nothing to compare, which would cost every launch.
    if (said.length < 2) continue;
    const seen = new Map<string, unknown>();
    for (const one of said.flat()) seen.set(JSON.stringify(one), one);
    merged = { ...{}, ...merged, [list]: [...seen.values()] };
  }
  return merged;
}

function printMount(mount: InsideMount): string {
  const flags = mount.flags.length === 0 ? "" : ` (${mount.flags.join(" ")})`;
  const what = "source" in mount ? `${mount.kind} ${mount.source}` : mount.kind;
  return `inside: ${what} on ${mount.target}${flags}`;
}

/** As lines for people. */
export function printInside(inside: Inside): string[] {
  const { namespaces, hostname, root, capabilities, seccomp, idMap } = inside;
  const lines: string[] = [];
  if (namespaces.length > 0) lines.push(`inside: own ${namespaces.join(" ")}`);
  if (inside.netNamespace !== null) lines.push(`inside: network of ${inside.netNamespace}`);
  for (const { name, interface: on } of inside.networks) lines.push(`inside: ${on} on ${name}`);
  if (inside.imageBytes !== null) lines.push(`inside: sandbox of ${inside.imageBytes} bytes`);
  if (idMap !== null) lines.push(`inside: id ${idMap.inside} is ${idMap.outside} outside`);
  if (hostname !== null) lines.push(`inside: hostname ${hostname}`);
  if (root !== null) lines.push(`inside: root ${root === "tmpfs" ? root : root.path}`);
  lines.push(...inside.mounts.map(printMount));
  if (inside.workingDirectory !== null) lines.push(`inside: in ${inside.workingDirectory}`);
  if (capabilities !== null) {
    lines.push(`inside: capabilities ${capabilities.effective} of ${capabilities.bounding}`);
  }
  if (inside.noNewPrivileges) lines.push("inside: no new privileges");
  if (seccomp !== null) lines.push(`inside: seccomp program of ${seccomp.length} characters`);
  for (const { name, source } of inside.secrets) lines.push(`inside: ${name} from ${source}`);
  for (const { resource, soft, hard } of inside.rlimits) {
    lines.push(`inside: rlimit ${resource} ${soft} ${hard}`);
  }
  return lines;
}
