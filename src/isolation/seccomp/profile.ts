/**
 * Seccomp profiles in the shape that OCI runtimes and Docker share: what they may say, and which
 * of their rules hold for a container. Compiles nothing; knows no numbers of system calls.
 */
import { type Static, Type } from "@sinclair/typebox";

export const SECCOMP_ACTIONS = [
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_LOG",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_TRAP",
] as const;
export type SeccompAction = (typeof SECCOMP_ACTIONS)[number];

export const SECCOMP_OPERATORS = [
  "SCMP_CMP_EQ",
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_GT",
  "SCMP_CMP_GE",
  /** `(argument & value) == valueTwo`. */
  "SCMP_CMP_MASKED_EQ",
] as const;

const words = <Word extends string>(list: readonly Word[]) =>
  Type.Unsafe<Word>(Type.Union(list.map((word) => Type.Literal(word))));

const Word64 = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Errno = Type.Integer({ minimum: 0, maximum: 4_095 });
const Names = Type.Array(Type.String({ pattern: "^[a-z0-9_]+$", maxLength: 64 }), {
  minItems: 1,
  maxItems: 1_024,
});
const Caps = Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 });
const Condition = Type.Object(
  {
    caps: Type.Optional(Caps),
    arches: Type.Optional(Type.Array(Type.String({ maxLength: 32 }), { maxItems: 32 })),
    minKernel: Type.Optional(Type.String({ pattern: "^\\d+\\.\\d+$" })),
  },
  { additionalProperties: false },
);

const Argument = Type.Object(
  {
    index: Type.Integer({ minimum: 0, maximum: 5 }),
    value: Word64,
    valueTwo: Type.Optional(Word64),
    op: words(SECCOMP_OPERATORS),
  },
  { additionalProperties: false },
);
export type SeccompArgument = Static<typeof Argument>;

const Rule = Type.Object(
  {
    names: Names,
    action: words(SECCOMP_ACTIONS),
    errnoRet: Type.Optional(Errno),
    args: Type.Optional(Type.Union([Type.Array(Argument, { maxItems: 6 }), Type.Null()])),
    includes: Type.Optional(Condition),
    excludes: Type.Optional(Condition),
    comment: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);
export type SeccompRule = Static<typeof Rule>;

export const SeccompProfileSchema = Type.Object(
  {
    defaultAction: words(SECCOMP_ACTIONS),
    defaultErrnoRet: Type.Optional(Errno),
    /** Read and not needed: a program is made for the machine that it runs on. */
    architectures: Type.Optional(Type.Array(Type.String({ maxLength: 32 }), { maxItems: 32 })),
    archMap: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 32 })),
    syscalls: Type.Array(Rule, { maxItems: 512 }),
  },
  { additionalProperties: false },
);
export type SeccompProfile = Static<typeof SeccompProfileSchema>;

/** For whom a profile is compiled. */
export interface SeccompSubject {
  readonly arch: "x86-64" | "arm64";
  /** Names with `CAP_`, as the profile says them. */
  readonly capabilities: ReadonlySet<string>;
}

const ARCH_NAMES = { "x86-64": "amd64", arm64: "arm64" } as const;
/** Older kernels cannot run what the launcher needs, so they need not be told apart. */
const KERNEL_OLDEST = 5 * 1_000 + 12;

function kernelHolds(minKernel: string): boolean {
  const [major = 0, minor = 0] = minKernel.split(".").map(Number);
  return major * 1_000 + minor <= KERNEL_OLDEST;
}

/** Whether a rule is part of the profile for this container. */
export function ruleHolds(rule: SeccompRule, subject: SeccompSubject): boolean {
  const arch = ARCH_NAMES[subject.arch];
  const { includes = {}, excludes = {} } = rule;
  const has = (name: string): boolean => subject.capabilities.has(name);
  if (includes.caps !== undefined && !includes.caps.every(has)) return false;
  if (includes.arches !== undefined && !includes.arches.includes(arch)) return false;
  if (includes.minKernel !== undefined && !kernelHolds(includes.minKernel)) return false;
  if (excludes.caps?.some(has) === true || excludes.arches?.includes(arch) === true) return false;
  return excludes.minKernel === undefined || !kernelHolds(excludes.minKernel);
}
