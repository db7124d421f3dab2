/**
 * The bytes and lines between agent and launcher: the mirror of `isolation/native/contract.h`.
 * Turns requests into lists of tagged fields, and those into a frame (C launcher) or into lines
 * (shell launcher). Values keep their borders by length or by escape, so none becomes two.
 */
import {
  type CgroupPlan,
  type CgroupStep,
  type Inside,
  type InsideMount,
  LISTENERS_MAX,
  type LauncherRefusal,
  type LaunchPlan,
  type Listener,
  type Measure,
  type MeasureWish,
  type Quotas,
} from "#runtime";

export const OPERATIONS = {
  launch: 1,
  steps: 2,
  signal: 3,
  destroy: 4,
  forget: 5,
  measure: 6,
} as const;
export type Operation = keyof typeof OPERATIONS;

/** Id of what the launcher says unasked: `container\nstatus` of a shim that has ended. */
export const EXIT_ID = 0;
/** Ends the answer of a launch whose exit the launcher will say on this connection. */
export const EXIT_PROMISE = " told";

/** One tagged value; the tags are those of `contract.h`. */
export type Field = readonly [tag: string, value: string];

/** The answer codes of `contract.h`, by number; 0 is success. */
const REFUSALS: readonly LauncherRefusal[] = [
  "system",
  "invalid",
  "exists",
  "unknown",
  "exec",
  "system",
  "notEmpty",
  "busy",
];

export function refusalOf(code: number): LauncherRefusal {
  return REFUSALS[code] ?? "system";
}

export function stepFields(steps: readonly CgroupStep[]): Field[] {
  return steps.flatMap((step): Field[] => {
    if (step.kind === "make") return [["M", step.path]];
    const [tag, value] =
      step.kind === "write"
        ? [step.optional ? "w" : "W", step.value]
        : ["d", step.rules.join("\n")];
    return [
      [tag, step.path],
      ["V", value],
    ];
  });
}

/** How a container is killed and what is removed afterwards. */
export function endFields(cgroups: CgroupPlan): Field[] {
  const { kill } = cgroups;
  const reach: Field =
    kill.kind === "descendants" ? ["D", ""] : [kill.kind === "kill" ? "K" : "F", kill.path];
  return [reach, ...cgroups.remove.map((path): Field => ["R", path])];
}

/** What the kind of a mount needs besides its target: one text of its own. */
function mountText(mount: InsideMount): string | null {
  switch (mount.kind) {
    case "bind":
    case "secret":
      return mount.source;
    case "tmpfs":
      return mount.data;
    case "link":
      return mount.to;
    default:
      return null;
  }
}

function mountFields(mount: InsideMount): Field[] {
  const fields: Field[] = [
    ["m", [mount.kind, ...mount.flags].join(" ")],
    ["t", mount.target],
  ];
  const text = mountText(mount);
  if (text !== null) fields.push(["s", text]);
  const within = mount.kind === "bind" || mount.kind === "secret" ? mount.within : null;
  if (within !== null) fields.push(["b", within]);
  return fields;
}

const limit = (value: number | "infinite"): string => (value === "infinite" ? "-1" : `${value}`);

/** What lies between fork and program. A launcher that does not know one of them refuses all. */
export function insideFields(inside: Inside): Field[] {
  const { root, idMap, capabilities } = inside;
  const fields: Field[] = inside.namespaces.map((name): Field => ["n", name]);
  for (const network of inside.networks) {
    fields.push(["a", network.interface]);
    for (const { program, config } of network.plugins) fields.push(["x", program], ["y", config]);
  }
  if (inside.imageBytes !== null) fields.push(["i", String(inside.imageBytes)]);
  if (inside.netNamespace !== null) fields.push(["j", inside.netNamespace]);
  if (idMap !== null) fields.push(["u", `${idMap.inside} ${idMap.outside} ${idMap.length}`]);
  if (inside.hostname !== null) fields.push(["h", inside.hostname]);
  if (root !== null) fields.push(["r", root === "tmpfs" ? root : root.path]);
  if (root !== null && root !== "tmpfs" && root.within !== null) fields.push(["b", root.within]);
  fields.push(...inside.mounts.flatMap(mountFields));
  if (inside.workingDirectory !== null) fields.push(["k", inside.workingDirectory]);
  if (capabilities !== null) {
    fields.push(["c", `${capabilities.effective} ${capabilities.bounding}`]);
  }
  if (inside.noNewPrivileges) fields.push(["p", "1"]);
  if (inside.seccomp !== null) fields.push(["f", inside.seccomp]);
  for (const { name, source, within } of inside.secrets) {
    fields.push(["e", name], ["s", source], ["b", within]);
  }
  for (const { resource, soft, hard } of inside.rlimits) {
    fields.push(["l", `${resource} ${limit(soft)} ${limit(hard)}`]);
  }
  return fields;
}

function quotaFields({ first, last, directories }: Quotas): Field[] {
  const fields: Field[] = [["Q", `${first} ${last}`]];
  for (const { path, within, bytes } of directories) {
    fields.push(["g", String(bytes)], ["s", path]);
    if (within !== null) fields.push(["b", within]);
  }
  return fields;
}

export function launchFields(plan: LaunchPlan): Field[] {
  const { cgroups, user } = plan;
  const fields: Field[] = [
    ["C", plan.containerId],
    ["N", plan.nonce],
    ["S", plan.sandbox],
    ["B", String(plan.logs.bytes)],
    ["L", String(plan.logs.files)],
    ["G", String(plan.graceMs)],
    ["T", plan.config],
  ];
  if (user !== null) fields.push(["U", [user.uid, user.gid, ...user.groups].join(" ")]);
  if (plan.oomScoreAdj !== null) fields.push(["X", String(plan.oomScoreAdj)]);
  if (cgroups.counters.oomPath !== null) fields.push(["O", cgroups.counters.oomPath]);
  if (cgroups.counters.peakPath !== null) fields.push(["P", cgroups.counters.peakPath]);
  fields.push(...endFields(cgroups), ...stepFields(cgroups.steps));
  if (plan.quotas !== undefined) fields.push(...quotaFields(plan.quotas));
  if (plan.inside !== undefined) fields.push(...insideFields(plan.inside));
  for (const path of cgroups.join) fields.push(["J", path]);
  // The shell launcher hands them on in this order, as env(1) wants them.
  for (const [name, value] of Object.entries(plan.env)) fields.push(["E", `${name}=${value}`]);
  for (const word of plan.argv) fields.push(["A", word]);
  return fields;
}

export function measureFields({ containerId, directories, listeners }: MeasureWish): Field[] {
  const fields: Field[] = [["C", containerId]];
  fields.push(...directories.map((path): Field => ["q", path]));
  if (listeners) fields.push(["o", ""]);
  return fields;
}

/** The text of a measure: sums in one line, then a listener in each. */
export function parseMeasure(containerId: string, text: string): Measure {
  const [sums = "", ...lines] = text.split("\n");
  const listeners = lines.flatMap((line): Listener[] => {
    const match = /^(tcp6?) (\d+)$/.exec(line);
    return match === null ? [] : [{ protocol: match[1] as "tcp", port: Number(match[2]) }];
  });
  const bytes = sums.trim() === "" ? [] : sums.trim().split(" ").map(Number);
  return { containerId, bytes, listeners: listeners.slice(0, LISTENERS_MAX) };
}

export function encodeFrame(id: number, operation: Operation, fields: readonly Field[]): Buffer {
  const lengths = fields.map(([, value]) => Buffer.byteLength(value));
  const length = lengths.reduce((sum, bytes) => sum + bytes + 6, 5);
  const frame = Buffer.allocUnsafe(length + 4);
  frame.writeUInt32LE(length, 0);
  frame.writeUInt32LE(id, 4);
  frame.writeUInt8(OPERATIONS[operation], 8);
  let at = 9;
  for (const [index, [tag, value]] of fields.entries()) {
    const bytes = lengths[index] ?? 0;
    frame[at] = tag.charCodeAt(0);
    frame.writeUInt32LE(bytes, at + 1);
    frame.write(value, at + 5);
    at += bytes + 6;
    frame[at - 1] = 0;
  }
  return frame;
}

/** `printf %b` of a shell gives back exactly what went in: only these two are written as octal. */
const escapeLine = (value: string): string =>
  value.replaceAll("\\", "\\0134").replaceAll("\n", "\\0012");

/** `id operation`, a line `tag value` for each field, and a line with a dot. */
export function encodeLines(id: number, operation: Operation, fields: readonly Field[]): Buffer {
  const lines = fields.map(([tag, value]) => `${tag} ${escapeLine(value)}`);
  return Buffer.from(`${[`${id} ${operation}`, ...lines, "."].join("\n")}\n`, "utf8");
}

export interface Answer {
  readonly id: number;
  readonly code: number;
  readonly text: string;
}

/** Cuts a stream of bytes into answers; keeps what is not complete yet. */
export type AnswerReader = (chunk: Buffer) => readonly Answer[];

export function frameReader(): AnswerReader {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const answers: Answer[] = [];
    let at = 0;
    while (rest.length - at >= 9) {
      const end = at + 4 + rest.readUInt32LE(at);
      if (rest.length < end) break;
      answers.push({
        id: rest.readUInt32LE(at + 4),
        code: rest.readUInt8(at + 8),
        text: rest.toString("utf8", at + 9, end),
      });
      at = end;
    }
    rest = rest.subarray(at);
    return answers;
  };
}

/** Answers of the shell launcher: `id code text`, one line each. */
export function lineReader(): AnswerReader {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    return lines.flatMap((line) => {
      const match = /^(\d+) (\d+) ?(.*)$/.exec(line);
      return match === null
        ? []
        : [{ id: Number(match[1]), code: Number(match[2]), text: match[3] ?? "" }];
    });
  };
}
