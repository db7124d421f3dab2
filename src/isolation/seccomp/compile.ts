/**
 * From a profile to the program that the kernel runs before each system call: a binary search
 * over the numbers, and behind it what the arguments must be. The first rule that matches counts.
 * Pure; the numbers of `struct seccomp_data` and of the actions are the kernel's.
 */
import { ARM64 } from "./arm64.ts";
import {
  ruleHolds,
  type SeccompAction,
  type SeccompArgument,
  type SeccompProfile,
  type SeccompRule,
  type SeccompSubject,
} from "./profile.ts";
import type { SyscallTable } from "./table.ts";
import { X86_64 } from "./x86-64.ts";

/** One `struct sock_filter`. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** Words of the program that the kernel takes at most (BPF_MAXINSNS). */
export const SECCOMP_INSTRUCTIONS_MAX = 4_096;

export const BPF = { load: 0x20, ja: 0x05, jeq: 0x15, jgt: 0x25, jge: 0x35, and: 0x54, ret: 0x06 };

const TABLES: Readonly<Record<SeccompSubject["arch"], SyscallTable>> = {
  "x86-64": X86_64,
  arm64: ARM64,
};
export const AUDIT_ARCH = { "x86-64": 0xc000003e, arm64: 0xc00000b7 } as const;
/** Numbers from here on are x32's, another name for the same calls: none of them is let through. */
const X32_BIT = 0x40000000;

const RET = {
  killProcess: 0x80000000,
  killThread: 0,
  trap: 0x00030000,
  errno: 0x00050000,
  trace: 0x7ff00000,
  log: 0x7ffc0000,
  allow: 0x7fff0000,
};
const EPERM = 1;
const ENOSYS = 38;

function returnOf(action: SeccompAction, errno: number | undefined): number {
  switch (action) {
    case "SCMP_ACT_ALLOW":
      return RET.allow;
    case "SCMP_ACT_ERRNO":
      return RET.errno | (errno ?? EPERM);
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return RET.killThread;
    case "SCMP_ACT_KILL_PROCESS":
      return RET.killProcess;
    case "SCMP_ACT_LOG":
      return RET.log;
    case "SCMP_ACT_TRACE":
      return RET.trace | (errno ?? EPERM);
    case "SCMP_ACT_TRAP":
      return RET.trap;
  }
}

const stmt = (code: number, k: number): Instruction => ({ code, jt: 0, jf: 0, k: k >>> 0 });
const jump = (code: number, k: number, jt: number, jf: number): Instruction => ({
  code,
  jt,
  jf,
  k: k >>> 0,
});
const give = (value: number): Instruction => stmt(BPF.ret, value);

/** Where a jump of a comparison leads: on, to the end of the comparison, or of the whole rule. */
type Way = "on" | "ok" | "fail";
type Step =
  | Instruction
  | { readonly code: number; readonly k: number; readonly yes: Way; readonly no: Way };

const test = (code: number, k: number, yes: Way, no: Way): Step => ({ code, k: k >>> 0, yes, no });

/** Arguments have 64 bits and the program's words 32: high word first, both machines are little. */
function comparison({ index, op, value, valueTwo = 0 }: SeccompArgument): Step[] {
  const [high, low] = [Math.floor(value / 2 ** 32), value % 2 ** 32];
  const loadHigh = stmt(BPF.load, 16 + 8 * index + 4);
  const loadLow = stmt(BPF.load, 16 + 8 * index);
  switch (op) {
    case "SCMP_CMP_EQ":
      return [
        loadHigh,
        test(BPF.jeq, high, "on", "fail"),
        loadLow,
        test(BPF.jeq, low, "ok", "fail"),
      ];
    case "SCMP_CMP_NE":
      return [loadHigh, test(BPF.jeq, high, "on", "ok"), loadLow, test(BPF.jeq, low, "fail", "ok")];
    case "SCMP_CMP_GT":
    case "SCMP_CMP_GE": {
      const last = op === "SCMP_CMP_GT" ? BPF.jgt : BPF.jge;
      return [
        loadHigh,
        test(BPF.jgt, high, "ok", "on"),
        test(BPF.jeq, high, "on", "fail"),
        loadLow,
        test(last, low, "ok", "fail"),
      ];
    }
    case "SCMP_CMP_LT":
    case "SCMP_CMP_LE": {
      const last = op === "SCMP_CMP_LT" ? BPF.jge : BPF.jgt;
      return [
        loadHigh,
        test(BPF.jgt, high, "fail", "on"),
        test(BPF.jeq, high, "on", "ok"),
        loadLow,
        test(last, low, "fail", "ok"),
      ];
    }
    case "SCMP_CMP_MASKED_EQ":
      return [
        loadHigh,
        stmt(BPF.and, high),
        test(BPF.jeq, Math.floor(valueTwo / 2 ** 32), "on", "fail"),
        loadLow,
        stmt(BPF.and, low),
        test(BPF.jeq, valueTwo % 2 ** 32, "ok", "fail"),
      ];
  }
}

/** All arguments must match; whoever fails goes on behind the rule. */
function ruleCode(rule: SeccompRule): Instruction[] {
  const parts = (rule.args ?? []).map(comparison);
  const length = parts.reduce((sum, part) => sum + part.length, 0) + 1;
  const code: Instruction[] = [];
  for (const part of parts) {
    const end = code.length + part.length;
    for (const step of part) {
      if (!("yes" in step)) {
        code.push(step);
        continue;
      }
      const next = code.length + 1;
      const far = (way: Way): number =>
        way === "on" ? 0 : way === "ok" ? end - next : length - next;
      code.push(jump(step.code, step.k, far(step.yes), far(step.no)));
    }
  }
  return [...code, give(returnOf(rule.action, rule.errnoRet))];
}

/** What is done for the numbers from `first` on, up to the next one. */
interface Interval {
  readonly first: number;
  readonly code: readonly Instruction[];
}

function search(intervals: readonly Interval[]): Instruction[] {
  const [only] = intervals;
  if (only === undefined) return [];
  if (intervals.length === 1) return [...only.code];
  const middle = intervals.length >> 1;
  const left = search(intervals.slice(0, middle));
  const right = intervals.slice(middle);
  const first = right[0]?.first ?? 0;
  const branch =
    left.length <= 255
      ? [jump(BPF.jge, first, left.length, 0)]
      : [jump(BPF.jge, first, 0, 1), stmt(BPF.ja, left.length)];
  return [...branch, ...left, ...search(right)];
}

export interface Compiled {
  readonly program: readonly Instruction[];
  /** Names that this machine has no call for: they are never called, so nothing is done. */
  readonly unknown: readonly string[];
}

export function compileSeccomp(profile: SeccompProfile, subject: SeccompSubject): Compiled {
  const table = TABLES[subject.arch];
  const byNumber = new Map<number, SeccompRule[]>();
  const unknown = new Set<string>();
  for (const rule of profile.syscalls.filter((one) => ruleHolds(one, subject))) {
    for (const name of rule.names) {
      const number = table.get(name);
      if (number === undefined) unknown.add(name);
      else byNumber.set(number, [...(byNumber.get(number) ?? []), rule]);
    }
  }
  const otherwise = [give(returnOf(profile.defaultAction, profile.defaultErrnoRet))];
  const intervals: Interval[] = [{ first: 0, code: otherwise }];
  const add = (first: number, code: readonly Instruction[]): void => {
    const last = intervals.at(-1);
    if (last?.first === first) intervals.pop();
    const before = intervals.at(-1);
    if (before === undefined || !isSame(before.code, code)) intervals.push({ first, code });
  };
  for (const [number, rules] of [...byNumber].sort(([a], [b]) => a - b)) {
    const plain = rules.findIndex(({ args }) => (args ?? []).length === 0);
    const judged = plain < 0 ? rules : rules.slice(0, plain + 1);
    add(number, [...judged.flatMap(ruleCode), ...(plain < 0 ? otherwise : [])]);
    add(number + 1, otherwise);
  }
  if (subject.arch === "x86-64") add(X32_BIT, [give(RET.errno | ENOSYS)]);
  const program = [
    stmt(BPF.load, 4),
    jump(BPF.jeq, AUDIT_ARCH[subject.arch], 1, 0),
    give(RET.killProcess),
    stmt(BPF.load, 0),
    ...search(intervals),
  ];
  return { program, unknown: [...unknown] };
}

function isSame(a: readonly Instruction[], b: readonly Instruction[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** As the kernel reads it, in base64. */
export function encodeProgram(program: readonly Instruction[]): string {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k, true);
  }
  return toBase64(bytes);
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(at, at + 3);
    const bits = (a << 16) | (b << 8) | c;
    for (const shift of [18, 12, 6, 0]) text += DIGITS[(bits >> shift) & 63];
  }
  const padding = (3 - (bytes.length % 3)) % 3;
  return text.slice(0, text.length - padding) + "=".repeat(padding);
}
