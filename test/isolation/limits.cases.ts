/**
 * What real containers do and may not do, on the real launcher with real cgroups: limits that
 * bite, daemons that die, logs that stay bounded, doors that stay shut.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import t, { type Test as Tap } from "tap";
import { oomVerdict } from "#isolation";
import { type Inside, NOTHING_INSIDE } from "#runtime";
import type { ContainerUsage, LaunchPlan, LauncherAnswer, LauncherLoss, PidFacts } from "#runtime";
import { ask, collectExits, destroyAndForget, recover } from "../contracts/launcher.cases.ts";
import { show } from "./acceptance.ts";
import {
  dropRig,
  machine,
  makeRig,
  nativePrograms,
  NO_LIMITS,
  type RealRig,
  type RigKind,
  settle,
  shell,
  shellPrograms,
  until,
} from "./rig.ts";

const isVm = process.env["MESETA_VM"] === "1";
/** Emulation makes everything some fifty times slower; figures are asserted on real machines only. */
const SLOWNESS = isVm ? 60 : 1;
const MIB = 1024 * 1024;

const enforced: RigKind = { programs: nativePrograms, enforced: true };
const unenforced: RigKind = { programs: nativePrograms, enforced: false };
const scripts: RigKind = { programs: shellPrograms, enforced: true };
const noCgroups = machine.unenforcedBecause ?? false;
const noCompiler = nativePrograms.kind === "native" ? false : "no C compiler on this machine";
const notRoot = machine.isRoot ? false : "needs root to become another user";

function test(
  title: string,
  kind: RigKind,
  run: (t: Tap, rig: RealRig) => Promise<void>,
  skip: string | false = false,
): void {
  const why = skip || (kind.enforced && noCgroups) || false;
  void t.test(title, { skip: why, timeout: 600_000 }, async (t) => {
    const rig = await makeRig(kind);
    t.teardown(() => dropRig(rig));
    await run(t, rig);
  });
}

async function launch(rig: RealRig, plan: LaunchPlan): Promise<PidFacts> {
  const answer = await ask<{ readonly pids: PidFacts }>(rig, (done) =>
    rig.launcher.launch(plan, done),
  );
  if (!answer.ok) throw new Error(`${answer.reason}: ${answer.message}`);
  return answer.pids;
}

async function usageOf(rig: RealRig, containerId: string): Promise<ContainerUsage | undefined> {
  const answer = await ask<{ readonly usages: readonly ContainerUsage[] }>(rig, (done) =>
    rig.launcher.usage([containerId], done),
  );
  return answer.ok ? answer.usages[0] : undefined;
}

const output = (plan: LaunchPlan, name = "stdout"): string =>
  readFileSync(join(plan.sandbox, name), "utf8");

/** Processes of this launch, by the mark in their environment. */
function survivors(nonce: string): number {
  const mark = `MESETA_LAUNCH=${nonce}`;
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(mark);
    } catch (error) {
      if (error instanceof Error && "code" in error) return false;
      throw error;
    }
  }).length;
}

const HOG = "head -c 300000000 /dev/zero | tail > /dev/null; exit 3";

for (const kind of isVm ? [enforced] : [enforced, scripts]) {
  test(
    `a hog is killed by its limit and reported by the kernel's counter (${kind.programs.kind})`,
    kind,
    async (t, rig) => {
      const { exitOf } = collectExits(rig);
      const hardBytes = 48 * MIB;
      const values = { ...NO_LIMITS, memory: { softBytes: hardBytes, hardBytes } };
      const plan = rig.planWith({ argv: shell(HOG) }, values);
      await launch(rig, plan);
      const exit = await exitOf(plan.containerId);
      t.equal(exit.code, 3, "the exit code alone tells nothing");
      t.ok(exit.oomKills >= 1, `oomKills ${exit.oomKills}`);
      const peak = exit.memoryPeakBytes ?? hardBytes;
      t.ok(peak > 40 * MIB && peak <= hardBytes, `peak ${peak}`);
      const message = oomVerdict(exit, hardBytes)?.message ?? "";
      t.match(message, /^Memory limit exceeded: limit 48\.0 MiB, peak /);
      await destroyAndForget(rig, plan.containerId);
    },
  );
}

const CROWD = isVm ? 50 : 500;
for (const kind of isVm ? [enforced] : [enforced, unenforced, scripts]) {
  const how = `${kind.programs.kind}, ${kind.enforced ? "cgroups" : "no cgroups"}`;
  test(
    `${CROWD} daemons that ignore SIGTERM are gone within 2 s of the grace (${how})`,
    kind,
    async (t, rig) => {
      const script = `trap '' TERM; i=0; while [ $i -lt ${CROWD} ]; do
      setsid sleep 1000 & i=$((i+1)); done; echo all; while :; do sleep 1000; done`;
      const plan = rig.planWith({ argv: shell(script) });
      await launch(rig, plan);
      await until("all have started", () => output(plan) === "all\n");
      await until("all carry the mark", () => survivors(plan.nonce) > CROWD);
      const graceMs = 300;
      const begun = performance.now();
      const answer = await ask(rig, (done) =>
        rig.launcher.destroy(plan.containerId, graceMs, done),
      );
      const took = performance.now() - begun;
      t.ok(answer.ok);
      t.ok(took < (graceMs + 2_000) * SLOWNESS, `took ${took.toFixed(0)} ms`);
      t.equal(survivors(plan.nonce), 0);
      await ask(rig, (done) => rig.launcher.forget(plan.containerId, done));
    },
  );
}

test("what a task leaves running ends with it", enforced, async (t, rig) => {
  const { exitOf } = collectExits(rig);
  const plan = rig.planWith({ argv: shell("setsid sleep 1000 & exit 0") });
  await launch(rig, plan);
  t.equal((await exitOf(plan.containerId)).code, 0);
  t.equal(survivors(plan.nonce), 0, "before the exit is told");
  await destroyAndForget(rig, plan.containerId);
});

test("cpu quota throttles and pids.max holds a fork bomb", enforced, async (t, rig) => {
  const values = {
    cpu: { cpuMilli: 100, revocable: false, limitMilli: 200 },
    memory: null,
    pids: { max: 20 },
  };
  const bomb = "while :; do sleep 1000 & done 2>/dev/null";
  const plan = rig.planWith({ argv: shell(bomb) }, values);
  await launch(rig, plan);
  const counted = (containerId: string, name: string): Partial<ContainerUsage> => {
    const file = rig.driver.usageFiles(containerId).find(({ path }) => path.endsWith(name));
    return file === undefined ? {} : file.parse(readFileSync(file.path, "utf8"));
  };
  await until("forks are refused", () => {
    return (counted(plan.containerId, "pids.events").pidsRefused ?? 0) > 0;
  });
  const usage = await usageOf(rig, plan.containerId);
  t.ok((usage?.pidsRefused ?? 0) > 0, "forks were refused");
  t.ok((usage?.pids ?? 99) <= 20, `pids ${usage?.pids}`);
  const held = `${usage?.pids} of 20 processes, ${usage?.pidsRefused} forks refused`;
  const busy = rig.planWith({ argv: shell("while :; do :; done") }, values);
  await launch(rig, busy);
  await until("throttled", () => {
    return (counted(busy.containerId, "cpu.stat").cpuPeriodsThrottled ?? 0) > 2;
  });
  show("a fork bomb is held, others are unharmed", `${held}; another task was launched beside it`);
  await destroyAndForget(rig, busy.containerId);
  await destroyAndForget(rig, plan.containerId);
});

test(
  "an update raises a live container's limits and never lowers the hard one",
  enforced,
  async (t, rig) => {
    const at = (mib: number) => ({
      ...NO_LIMITS,
      memory: { softBytes: mib * MIB, hardBytes: mib * MIB },
    });
    const plan = rig.planWith({ argv: rig.commands.runs }, at(64));
    await launch(rig, plan);
    const written = rig.driver
      .plan(plan.containerId, at(64))
      .steps.find(
        (step) => step.kind === "write" && /memory\.(max|limit_in_bytes)$/.test(step.path),
      );
    const hard = (): number => Number(readFileSync(written?.path ?? "", "utf8"));
    t.equal(hard(), 64 * MIB);
    for (const [before, next, expected] of [
      [64, 96, 96],
      [96, 48, 96],
    ] as const) {
      const steps = rig.driver.update(plan.containerId, at(before), at(next));
      t.ok((await ask(rig, (done) => rig.launcher.update(plan.containerId, steps, done))).ok);
      t.equal(hard(), expected * MIB);
    }
    await destroyAndForget(rig, plan.containerId);
  },
);

for (const kind of isVm ? [] : [enforced, scripts]) {
  test(
    `logs stay within their bound and keep the last bytes (${kind.programs.kind})`,
    kind,
    async (t, rig) => {
      const { exitOf } = collectExits(rig);
      const script =
        "i=0; while [ $i -lt 6000 ]; do echo line-$i-0123456789; i=$((i+1)); done; echo oops >&2";
      const plan = rig.planWith({ argv: shell(script), logs: { bytes: 8_192, files: 2 } });
      await launch(rig, plan);
      await exitOf(plan.containerId);
      const names = ["stdout.2", "stdout.1", "stdout"];
      const sizes = names.map((name) => statSync(join(plan.sandbox, name)).size);
      t.same(sizes.slice(0, 2), [8_192, 8_192]);
      t.ok((sizes[2] ?? 0) <= 8_192);
      const kept = names.map((name) => output(plan, name)).join("");
      t.ok(kept.endsWith("line-5999-0123456789\n"));
      t.notOk(existsSync(join(plan.sandbox, "stdout.3")));
      t.equal(output(plan, "stderr"), "oops\n");
      await destroyAndForget(rig, plan.containerId);
    },
  );

  test(
    `a log name turned into a link writes nothing elsewhere (${kind.programs.kind})`,
    kind,
    async (t, rig) => {
      const { exitOf } = collectExits(rig);
      const victim = join(rig.directory, "victim");
      writeFileSync(victim, "untouched");
      const script = `ln -sf ${victim} stdout.new; mv -f stdout.new stdout; ln -sf ${victim} stdout.1
      i=0; while [ $i -lt 2000 ]; do echo line-$i-0123456789; i=$((i+1)); done`;
      const plan = rig.planWith({ argv: shell(script), logs: { bytes: 4_096, files: 1 } });
      await launch(rig, plan);
      await exitOf(plan.containerId);
      t.equal(readFileSync(victim, "utf8"), "untouched");
      t.ok(lstatSync(join(plan.sandbox, "stdout")).isFile());
      await destroyAndForget(rig, plan.containerId);
    },
  );

  test(
    `a task has its plan's user, environment, directory and no stray descriptor (${kind.programs.kind})`,
    kind,
    async (t, rig) => {
      const { exitOf } = collectExits(rig);
      chmodSync(rig.directory, 0o755);
      const script =
        "id -u; id -g; id -G; pwd; echo $$ $(cut -d' ' -f6 /proc/$$/stat); ls -m /proc/$$/fd; env | sort";
      const env = { PATH: "/usr/bin:/bin", TRICKY: "a b'c\"d\\n$(id)\nsecond" };
      const user = { uid: 65_534, gid: 65_534, groups: [65_533] };
      const plan = rig.planWith({ argv: shell(script), env, user });
      await launch(rig, plan);
      await exitOf(plan.containerId);
      const lines = output(plan).split("\n");
      t.same(lines.slice(0, 4), ["65534", "65534", "65534 65533", plan.sandbox]);
      const [pid, session] = (lines[4] ?? "").split(" ");
      t.equal(pid, session, "leads its own session");
      // A shell cannot close what has two digits and was open before the agent itself.
      const few = (lines[5] ?? "").trim().split(", ").map(Number);
      const own =
        kind.programs.kind === "native" ? few : few.filter((descriptor) => descriptor < 10);
      t.same(own, [0, 1, 2]);
      const rest = lines.slice(6).join("\n");
      t.match(rest, "TRICKY=a b'c\"d\\n$(id)\nsecond");
      t.notMatch(rest, "M_");
      const { uid, mode } = statSync(plan.sandbox);
      t.same([uid, mode & 0o777], [65_534, 0o750]);
      await destroyAndForget(rig, plan.containerId);
    },
    notRoot,
  );
}

for (const kind of isVm ? [enforced] : [enforced, scripts]) {
  test(
    `a plan that asks for what the launcher does not know is refused (${kind.programs.kind})`,
    kind,
    async (t, rig) => {
      const plan = rig.planWith({ argv: shell("true") });
      // As an agent of a later version would say it; the types of this one cannot.
      const later = { ...NOTHING_INSIDE, namespaces: ["later"] } as unknown as Inside;
      const answer = await ask(rig, (done) =>
        rig.launcher.launch({ ...plan, inside: later }, done),
      );
      t.match(answer, { ok: false, reason: "invalid" });
      t.same((await recover(rig)).containers, [], "nothing is left behind");
    },
  );
}

test("cgroup paths that are not this agent's are refused", enforced, async (t, rig) => {
  const bad = rig.driver.directories.map((path) => `${path}/../../outside`);
  const above = (rig.driver.directories[0] ?? "").split("/").slice(0, -2).join("/");
  for (const path of [...bad, `${above}/outside`, "/etc/meseta"]) {
    const answer = await ask(rig, (done) => rig.launcher.prepare([{ kind: "make", path }], done));
    t.match(answer, { ok: false, reason: "invalid" });
    t.notOk(existsSync(path));
  }
});

test(
  "another user is refused at the launcher's socket",
  enforced,
  async (t, rig) => {
    const runtime = join(rig.directory, "runtime");
    t.equal(statSync(runtime).mode & 0o777, 0o700);
    // The directory alone would keep others out: open it, so that the credential check stands alone.
    for (const path of [rig.directory, runtime, join(runtime, "launcher.sock")])
      chmodSync(path, 0o777);
    const program = `const s = require("net").connect("${runtime}/launcher.sock");
    s.on("close", () => process.exit(9)); s.on("error", () => undefined);
    s.on("data", () => process.exit(0)); s.write(Buffer.from([5, 0, 0, 0, 1, 0, 0, 0, 5]));`;
    const args = [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      // Or tap would have it load a file of this project, which they may not be able to read.
      "env",
      "-i",
      process.execPath,
      "-e",
      program,
    ];
    const result = spawnSync("setpriv", args, { timeout: 20_000 });
    t.equal(result.status, 9, "closed without an answer");
    await until("it was said", () => rig.messages.some((line) => line.includes("user 65534")));
  },
  notRoot || noCompiler || (isVm && "shown on the host") || false,
);

test(
  "hostile bytes at the socket end that connection, and others are served on",
  unenforced,
  async (t, rig) => {
    const path = join(rig.directory, "runtime", "launcher.sock");
    const hostile = [
      Buffer.from([255, 255, 255, 255, 1]),
      Buffer.from([0, 0, 0, 0]),
      Buffer.from([11, 0, 0, 0, 7, 0, 0, 0, 1, 67, 255, 255, 255, 127, 0]),
      Buffer.alloc(300_000, 0x41),
    ];
    for (const bytes of hostile) {
      const answer = new Promise<Buffer>((resolve) => {
        const chunks: Buffer[] = [];
        const socket = connect(path, () => socket.end(bytes));
        socket.on("data", (chunk) => chunks.push(chunk));
        socket.on("error", (error) => chunks.push(Buffer.from(error.message)));
        socket.on("close", () => resolve(Buffer.concat(chunks)));
      });
      const text = (await settle(answer)).toString("latin1");
      t.ok(
        text === "" || text.includes("not a request") || text.includes("E"),
        JSON.stringify(text),
      );
    }
    const { exitOf } = collectExits(rig);
    const plan = rig.planWith({ argv: shell("exit 4") });
    await launch(rig, plan);
    t.equal((await exitOf(plan.containerId)).code, 4);
  },
  noCompiler,
);

for (const kind of isVm ? [enforced] : [enforced, scripts]) {
  test(
    `the launcher's death is told and harms no container (${kind.programs.kind})`,
    kind,
    async (t, rig) => {
      const { exitOf } = collectExits(rig);
      const losses: LauncherLoss[] = [];
      rig.launcher.onLoss((loss) => losses.push(loss));
      const plan = rig.planWith({ argv: rig.commands.runs });
      const { pid } = await launch(rig, plan);
      const file = join(rig.directory, "runtime");
      const launcher = readdirSync("/proc").find((name) => {
        if (!/^\d+$/.test(name)) return false;
        try {
          const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
          const stat = readFileSync(`/proc/${name}/stat`, "utf8");
          return words.includes(file) && new RegExp(`\\) [A-Z] ${process.pid} `).test(stat);
        } catch (error) {
          if (error instanceof Error && "code" in error) return false;
          throw error;
        }
      });
      process.kill(Number(launcher), "SIGKILL");
      await until("it is told", () => losses.length > 0);
      t.match(losses, [{ restarts: 1, retryInMs: 100 }]);
      t.ok(existsSync(`/proc/${pid}`), "the container goes on");
      const next = rig.planWith({ argv: shell("exit 6") });
      await launch(rig, next);
      t.equal((await exitOf(next.containerId)).code, 6);
      await destroyAndForget(rig, plan.containerId);
      t.equal((await exitOf(plan.containerId)).signal, 9);
    },
    kind.programs.kind === "native" ? noCompiler : false,
  );
}

for (const kind of isVm ? [enforced] : [enforced, unenforced]) {
  test(
    `a killed shim leaves a lost container that can be destroyed (${kind.enforced ? "cgroups" : "no cgroups"})`,
    kind,
    async (t, rig) => {
      const { exitOf } = collectExits(rig);
      const plan = rig.planWith({ argv: rig.commands.runs });
      const { shimPid } = await launch(rig, plan);
      process.kill(shimPid, "SIGKILL");
      t.match(await exitOf(plan.containerId), { outcome: "lost", code: null, signal: null });
      const [facts] = (await recover(rig)).containers;
      t.match(facts, { alive: false, exit: null });
      t.ok((await ask(rig, (done) => rig.launcher.destroy(plan.containerId, 0, done))).ok);
      t.equal(survivors(plan.nonce), 0);
      t.ok((await ask(rig, (done) => rig.launcher.forget(plan.containerId, done))).ok);
    },
    noCompiler,
  );
}

/** Its environment cannot be read while it executes, which is most of the time. */
const SELF_EXECUTOR = `export AGAIN='exec /bin/sh -c "$AGAIN"'; eval "$AGAIN"`;

test(
  "a task that executes itself is found though its shim is dead (no cgroups)",
  unenforced,
  async (t, rig) => {
    for (let round = 0; round < 8; round++) {
      const plan = rig.planWith({ argv: shell(SELF_EXECUTOR) });
      const { shimPid, pid } = await launch(rig, plan);
      process.kill(shimPid, "SIGKILL");
      await ask(rig, (done) => rig.launcher.destroy(plan.containerId, 0, done));
      t.notOk(existsSync(`/proc/${pid}`) && !isZombie(pid), `round ${round}`);
      await ask(rig, (done) => rig.launcher.forget(plan.containerId, done));
    }
  },
  noCompiler,
);

const isZombie = (pid: number): boolean =>
  /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));

test("a cgroup without a checkpoint is found and destroyed", enforced, async (t, rig) => {
  const steps = rig.driver.plan("stranger", NO_LIMITS).steps;
  t.ok((await ask(rig, (done) => rig.launcher.prepare(steps, done))).ok);
  t.match((await recover(rig)).cgroups, [{ containerId: "stranger" }]);
  const answer: LauncherAnswer = await ask(rig, (done) =>
    rig.launcher.destroy("stranger", 0, done),
  );
  t.ok(answer.ok);
  t.same((await recover(rig)).cgroups, []);
});
