/** Seccomp: what the compiled program answers is what a slow reading of the profile says. */
import fc from "fast-check";
import t from "tap";
import {
  AUDIT_ARCH,
  ARM64,
  BPF,
  compileSeccomp,
  DEFAULT_SECCOMP_PROFILE,
  encodeProgram,
  type Instruction,
  type SeccompProfile,
  type SeccompRule,
  SECCOMP_OPERATORS,
  type SeccompArgument,
  X86_64,
} from "#isolation";

interface Call {
  readonly number: number;
  readonly args: readonly number[];
  readonly arch?: number;
}

/** `struct seccomp_data`, word by word. */
function wordAt(call: Call, at: number): number {
  if (at === 0) return call.number;
  if (at === 4) return call.arch ?? AUDIT_ARCH["x86-64"];
  const value = call.args[Math.floor((at - 16) / 8)] ?? 0;
  return (at - 16) % 8 === 0 ? value % 2 ** 32 : Math.floor(value / 2 ** 32);
}

/** The kernel's machine, as far as the compiler uses it. */
function run(program: readonly Instruction[], call: Call): number {
  let word = 0;
  for (let at = 0; at < program.length; at += 1) {
    const { code, jt, jf, k } = program[at] ?? { code: BPF.ret, jt: 0, jf: 0, k: -1 };
    if (code === BPF.ret) return k;
    if (code === BPF.load) word = wordAt(call, k);
    else if (code === BPF.and) word = (word & k) >>> 0;
    else if (code === BPF.ja) at += k;
    else if (code === BPF.jeq) at += word === k ? jt : jf;
    else if (code === BPF.jgt) at += word > k ? jt : jf;
    else if (code === BPF.jge) at += word >= k ? jt : jf;
    else throw new Error(`code ${code} at ${at}`);
  }
  throw new Error("it fell off the end");
}

const ALLOW = 0x7fff0000;
const errno = (number: number): number => 0x00050000 | number;
const subject = { arch: "x86-64", capabilities: new Set<string>() } as const;

function holds({ index, op, value, valueTwo = 0 }: SeccompArgument, args: readonly number[]) {
  const have = args[index] ?? 0;
  switch (op) {
    case "SCMP_CMP_EQ":
      return have === value;
    case "SCMP_CMP_NE":
      return have !== value;
    case "SCMP_CMP_LT":
      return have < value;
    case "SCMP_CMP_LE":
      return have <= value;
    case "SCMP_CMP_GT":
      return have > value;
    case "SCMP_CMP_GE":
      return have >= value;
    case "SCMP_CMP_MASKED_EQ":
      return (BigInt(have) & BigInt(value)) === BigInt(valueTwo);
  }
}

const matches = (rule: SeccompRule, args: readonly number[]): boolean =>
  (rule.args ?? []).every((argument) => holds(argument, args));

function slowly(profile: SeccompProfile, name: string, args: readonly number[]): number {
  const rule = profile.syscalls.find((one) => one.names.includes(name) && matches(one, args));
  const action = rule?.action ?? profile.defaultAction;
  return action === "SCMP_ACT_ALLOW" ? ALLOW : errno(rule?.errnoRet ?? 1);
}

const NAMES = [...X86_64.keys()];
// Few values near each other, and some above 32 bits, so that comparisons are often equal.
const word = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 2 ** 32 - 2, max: 2 ** 32 + 2 }),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
);
const rule = fc.record({
  names: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 60 }),
  action: fc.constantFrom("SCMP_ACT_ALLOW" as const, "SCMP_ACT_ERRNO" as const),
  errnoRet: fc.integer({ min: 1, max: 200 }),
  args: fc.array(
    fc.record({
      index: fc.integer({ min: 0, max: 5 }),
      value: word,
      valueTwo: word,
      op: fc.constantFrom(...SECCOMP_OPERATORS),
    }),
    { maxLength: 3 },
  ),
});

t.test("the program answers as its profile reads", async () => {
  const profiles = fc.record({
    defaultAction: fc.constantFrom("SCMP_ACT_ALLOW" as const, "SCMP_ACT_ERRNO" as const),
    syscalls: fc.array(rule, { maxLength: 12 }),
  });
  const calls = fc.array(
    fc.tuple(fc.constantFrom(...NAMES), fc.array(word, { minLength: 6, maxLength: 6 })),
    {
      minLength: 20,
    },
  );
  fc.assert(
    fc.property(profiles, calls, (profile, asked) => {
      const { program } = compileSeccomp(profile, subject);
      const named = profile.syscalls.flatMap(({ names }) => names);
      const all = [...asked, ...named.map((name) => [name, [0, 1, 2, 3, 2 ** 32, 1]] as const)];
      return all.every(([name, args]) => {
        const number = X86_64.get(name) ?? -1;
        return run(program, { number, args }) === slowly(profile, name, args);
      });
    }),
  );
});

t.test("the default profile: what is denied, what falls back, what is let through", async (t) => {
  const { program, unknown } = compileSeccomp(DEFAULT_SECCOMP_PROFILE, subject);
  const answer = (name: string, ...args: number[]): number =>
    run(program, { number: X86_64.get(name) ?? -1, args });
  for (const name of [
    "keyctl",
    "mount",
    "unshare",
    "bpf",
    "ptrace",
    "io_uring_setup",
    "kexec_load",
  ]) {
    t.equal(answer(name), errno(1), name);
  }
  for (const name of ["read", "execve", "futex", "openat", "epoll_wait", "rseq", "close_range"]) {
    t.equal(answer(name), ALLOW, name);
  }
  t.equal(answer("clone3"), errno(38), "falls back to clone");
  t.equal(answer("clone", 0x3d0f00), ALLOW, "a thread");
  for (const bit of [17, 25, 26, 27, 28, 29, 30]) t.equal(answer("clone", 2 ** bit + 17), errno(1));
  t.same(
    [answer("socket", 1), answer("socket", 38), answer("socket", 40)],
    [ALLOW, errno(1), errno(1)],
  );
  t.same([answer("personality", 0), answer("personality", 0x0040000)], [ALLOW, errno(1)]);
  t.equal(run(program, { number: 9_999, args: [] }), errno(38), "a call of a later kernel");
  t.equal(run(program, { number: 2 ** 30, args: [] }), errno(38), "x32");
  t.equal(run(program, { number: 0, args: [], arch: 0x40000003 }), 0x80000000, "i386 is killed");
  t.ok(program.length < 300, `${program.length} words`);
  t.same(unknown, [], "every name of it is one of the machine's or of the other machine's");
  const grant = { arch: "x86-64", capabilities: new Set(["CAP_SYS_ADMIN"]) } as const;
  const granted = compileSeccomp(DEFAULT_SECCOMP_PROFILE, grant).program;
  t.equal(run(granted, { number: X86_64.get("mount") ?? -1, args: [] }), ALLOW);
  t.equal(run(granted, { number: X86_64.get("clone3") ?? -1, args: [] }), ALLOW);
});

t.test("both machines have the numbers of the kernel's headers", async (t) => {
  const pairs = (table: ReadonlyMap<string, number>) =>
    ["read", "clone", "execve", "mount", "keyctl", "clone3", "mseal"].map((name) =>
      table.get(name),
    );
  t.same(pairs(X86_64), [0, 56, 59, 165, 250, 435, 462]);
  t.same(pairs(ARM64), [63, 220, 221, 40, 219, 435, 462]);
  const arm = compileSeccomp(DEFAULT_SECCOMP_PROFILE, { arch: "arm64", capabilities: new Set() });
  const call = { number: ARM64.get("mount") ?? -1, args: [], arch: AUDIT_ARCH.arm64 };
  t.equal(run(arm.program, call), errno(1));
});

t.test("rules hold for machines, kernels and capabilities as they say", async (t) => {
  const one = (change: Partial<SeccompRule>): number => {
    const rules: SeccompRule[] = [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", ...change }];
    const profile: SeccompProfile = { defaultAction: "SCMP_ACT_ALLOW", syscalls: rules };
    const { program } = compileSeccomp(profile, { ...subject, capabilities: new Set(["CAP_A"]) });
    return run(program, { number: X86_64.get("mkdir") ?? -1, args: [] });
  };
  t.equal(one({}), errno(1));
  t.same(
    [
      one({ includes: { caps: ["CAP_A"] } }),
      one({ includes: { caps: ["CAP_B"] } }),
      one({ excludes: { caps: ["CAP_A"] } }),
      one({ includes: { arches: ["arm64"] } }),
      one({ includes: { minKernel: "4.8" } }),
      one({ includes: { minKernel: "9.0" } }),
    ],
    [errno(1), ALLOW, ALLOW, ALLOW, errno(1), ALLOW],
  );
  const text = encodeProgram([{ code: BPF.ret, jt: 1, jf: 2, k: ALLOW }]);
  t.equal(Buffer.from(text, "base64").toString("hex"), "060001020000ff7f");
});
