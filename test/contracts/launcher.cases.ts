/**
 * What every launcher promises, real or simulated: order, idempotence, refusals, recovery. A
 * harness says how to make one and which commands end how; the suite knows no operating system.
 */
import t, { type Test as Tap } from "tap";
import type {
  ContainerExit,
  LaunchPlan,
  Launcher,
  LauncherAnswer,
  Measure,
  MeasureWish,
  RecoveredFacts,
} from "#runtime";

/** Bound of a whole suite: an emulated machine is some fifty times slower. */
const TIMEOUT_MS = 900_000;

type Argv = LaunchPlan["argv"];

/** Commands with a known fate, in whatever form this launcher takes them. */
export interface KnownCommands {
  exits(code: number): Argv;
  /** Runs until a signal ends it. */
  readonly runs: Argv;
  /** Runs, and ignores SIGTERM. */
  readonly stubborn: Argv;
  /** Ends with code 5 when it gets SIGTERM. */
  readonly obedient: Argv;
  /** Names no program. */
  readonly missing: Argv;
  /** Leaves files of that many MiB in its sandbox, then runs. */
  fills(mib: number): Argv;
  /** Listens on that port of this machine and runs. */
  listens(port: number): Argv;
}

export interface LauncherRig {
  launcher: Launcher;
  readonly commands: KnownCommands;
  /** A plan that this launcher accepts, with a fresh container id. */
  plan(argv: Argv, containerId?: string): LaunchPlan;
  /** Closes the port and opens another on the same disk: what a restart of the agent does. */
  reopen(): Promise<void>;
  /** Settled when the command has set itself up to obey or ignore SIGTERM; absent: at once. */
  started?(plan: LaunchPlan): Promise<void>;
  /** Lets time pass, real or simulated, until the promise is settled; fails at a bound. */
  settle<T>(promise: Promise<T>): Promise<T>;
}

export interface LauncherSuite {
  readonly name: string;
  make(): Promise<LauncherRig>;
  teardown(rig: LauncherRig): Promise<void>;
  /** false: it cannot tell who listens; the shell's. */
  readonly listeners?: false;
  /** A reason to skip all of it; omitted when it runs. */
  readonly skip?: string;
}

type Done<T extends object> = (answer: LauncherAnswer<T>) => void;

/** Asks, and checks that the answer comes once and not within the call. */
export async function ask<T extends object>(
  rig: LauncherRig,
  call: (done: Done<T>) => void,
): Promise<LauncherAnswer<T>> {
  return rig.settle(
    new Promise((resolve, reject) => {
      let within = true;
      let times = 0;
      call((answer) => {
        times += 1;
        if (within) reject(new Error("the answer came within the call"));
        if (times > 1) reject(new Error("the answer came twice"));
        resolve(answer);
      });
      within = false;
    }),
  );
}

/** Every exit told, in order, and a way to wait for one. */
export function collectExits(rig: LauncherRig) {
  const exits: ContainerExit[] = [];
  const waiting = new Map<string, (exit: ContainerExit) => void>();
  rig.launcher.onExit((exit) => {
    exits.push(exit);
    waiting.get(exit.containerId)?.(exit);
  });
  const exitOf = (containerId: string): Promise<ContainerExit> => {
    const known = exits.find((exit) => exit.containerId === containerId);
    if (known !== undefined) return Promise.resolve(known);
    return rig.settle(new Promise((resolve) => waiting.set(containerId, resolve)));
  };
  return { exits, exitOf };
}

/** What is found on disk. */
export async function recover(rig: LauncherRig): Promise<RecoveredFacts> {
  const answer = await ask<{ readonly facts: RecoveredFacts }>(rig, (done) =>
    rig.launcher.recover(done),
  );
  if (!answer.ok) throw new Error(answer.message);
  return answer.facts;
}

const reasonOf = (answer: LauncherAnswer): string => (answer.ok ? "ok" : answer.reason);

export async function destroyAndForget(rig: LauncherRig, containerId: string): Promise<void> {
  await ask(rig, (done) => rig.launcher.destroy(containerId, 0, done));
  await ask(rig, (done) => rig.launcher.forget(containerId, done));
}

export function launcherContract(suite: LauncherSuite): void {
  t.test(
    `launcher contract: ${suite.name}`,
    { skip: suite.skip ?? false, timeout: TIMEOUT_MS },
    async (t) => {
      const test: Case = (title, run, skip = false) => {
        void t.test(title, { timeout: TIMEOUT_MS, skip }, async (t) => {
          const rig = await suite.make();
          t.teardown(() => suite.teardown(rig));
          await run(t, rig);
        });
      };
      fates(test);
      measures(test, suite);
      refusals(test);
      endings(test);
      restarts(test);
    },
  );
}

type Case = (
  title: string,
  run: (t: Tap, rig: LauncherRig) => Promise<void>,
  skip?: string | false,
) => void;

function fates(test: Case): void {
  test("an exit code is told once, after the launch was answered", async (t, rig) => {
    const { exits, exitOf } = collectExits(rig);
    const plan = rig.plan(rig.commands.exits(7));
    const before: number[] = [];
    const answer = await ask(rig, (done) =>
      rig.launcher.launch(plan, (launched) => {
        before.push(exits.length);
        done(launched);
      }),
    );
    t.equal(reasonOf(answer), "ok");
    t.same(before, [0]);
    t.match(await exitOf(plan.containerId), { outcome: "exited", code: 7, signal: null });
    await destroyAndForget(rig, plan.containerId);
    t.equal(exits.length, 1);
  });

  test("a signal reaches the task, and its number is told", async (t, rig) => {
    const { exitOf } = collectExits(rig);
    const plan = rig.plan(rig.commands.runs);
    await ask(rig, (done) => rig.launcher.launch(plan, done));
    const answer = await ask(rig, (done) => rig.launcher.signal(plan.containerId, 9, done));
    t.equal(reasonOf(answer), "ok");
    t.match(await exitOf(plan.containerId), { outcome: "signaled", signal: 9, code: null });
    const late = await ask(rig, (done) => rig.launcher.signal(plan.containerId, 9, done));
    t.equal(reasonOf(late), "ok", "an ended one is fine");
    await destroyAndForget(rig, plan.containerId);
  });

  test("usage is told of containers that run, and of no others", async (t, rig) => {
    const plan = rig.plan(rig.commands.runs);
    await ask(rig, (done) => rig.launcher.launch(plan, done));
    const ids = [plan.containerId, "nobody"];
    const answer = await ask<{ usages: readonly { containerId: string }[] }>(rig, (done) =>
      rig.launcher.usage(ids, done),
    );
    t.same(answer.ok ? answer.usages.map((usage) => usage.containerId) : answer, [
      plan.containerId,
    ]);
    await destroyAndForget(rig, plan.containerId);
  });
}

const MIB = 1024 * 1024;

/** Measures again and again until it is as wanted: a command takes its time to do what it does. */
async function measureUntil(
  rig: LauncherRig,
  wish: MeasureWish,
  holds: (measure: Measure) => boolean,
): Promise<LauncherAnswer<{ readonly measure: Measure }>> {
  for (let round = 0; ; round += 1) {
    const answer = await ask<{ readonly measure: Measure }>(rig, (done) =>
      rig.launcher.measure(wish, done),
    );
    if (!answer.ok || holds(answer.measure) || round === MEASURE_ROUNDS_MAX) return answer;
  }
}

const MEASURE_ROUNDS_MAX = 2_000;

function measures(test: Case, { listeners }: LauncherSuite): void {
  test("a measure counts the blocks of the sandbox", async (t, rig) => {
    const plan = rig.plan(rig.commands.fills(3));
    const { containerId, sandbox } = plan;
    const wish = { containerId, directories: [sandbox], listeners: false };
    const nobody = await ask(rig, (done) => rig.launcher.measure(wish, done));
    t.equal(reasonOf(nobody), "unknown");
    await ask(rig, (done) => rig.launcher.launch(plan, done));
    const full = await measureUntil(rig, wish, ({ bytes }) => (bytes[0] ?? 0) >= 3 * MIB);
    t.equal(full.ok && full.measure.bytes.length, 1);
    const bytes = full.ok ? (full.measure.bytes[0] ?? 0) : 0;
    t.ok(bytes >= 3 * MIB && bytes < 3.2 * MIB, `${bytes} bytes`);
    t.same(full.ok && full.measure.listeners, []);
    await destroyAndForget(rig, containerId);
  });

  const skip = listeners === false ? "this launcher cannot tell who listens" : false;
  test(
    "a measure names the ports on which its processes listen, and no others",
    async (t, rig) => {
      const port = 23_417;
      const [one, other] = [rig.plan(rig.commands.listens(port)), rig.plan(rig.commands.runs)];
      for (const plan of [one, other]) await ask(rig, (done) => rig.launcher.launch(plan, done));
      const wish = { containerId: one.containerId, directories: [], listeners: true };
      const found = await measureUntil(rig, wish, (measure) => measure.listeners.length > 0);
      t.match(found, { ok: true, measure: { listeners: [{ protocol: "tcp", port }] } });
      const quiet = await measureUntil(
        rig,
        { ...wish, containerId: other.containerId },
        () => true,
      );
      t.match(quiet, { ok: true, measure: { listeners: [], bytes: [] } });
      for (const plan of [one, other]) await destroyAndForget(rig, plan.containerId);
    },
    skip,
  );
}

function refusals(test: Case): void {
  test("a launch asked twice with one nonce is one launch, with another is refused", async (t, rig) => {
    const plan = rig.plan(rig.commands.runs);
    const first = await ask(rig, (done) => rig.launcher.launch(plan, done));
    const again = await ask(rig, (done) => rig.launcher.launch(plan, done));
    t.ok(first.ok);
    t.same(again, first);
    const other = { ...plan, nonce: `${plan.nonce}x` };
    t.equal(reasonOf(await ask(rig, (done) => rig.launcher.launch(other, done))), "exists");
    await destroyAndForget(rig, plan.containerId);
  });

  test("a program that is not there is refused and leaves nothing behind", async (t, rig) => {
    const { exits } = collectExits(rig);
    const plan = rig.plan(rig.commands.missing);
    t.equal(reasonOf(await ask(rig, (done) => rig.launcher.launch(plan, done))), "exec");
    const facts = await recover(rig);
    t.same([facts.containers, facts.cgroups], [[], []]);
    t.same(exits, []);
    const next = { ...rig.plan(rig.commands.exits(0), plan.containerId), nonce: "second" };
    t.equal(reasonOf(await ask(rig, (done) => rig.launcher.launch(next, done))), "ok");
    await destroyAndForget(rig, plan.containerId);
  });

  test("plans that name what may not be named are refused, with the field", async (t, rig) => {
    const good = rig.plan(rig.commands.exits(0));
    const bad: [string, Partial<LaunchPlan>][] = [
      ["containerId", { containerId: "../up" }],
      ["containerId", { containerId: "" }],
      ["nonce", { nonce: "a b" }],
      ["sandbox", { sandbox: "/tmp/../etc" }],
      ["sandbox", { sandbox: "here" }],
      ["logs.bytes", { logs: { bytes: 10, files: 1 } }],
      ["logs.files", { logs: { bytes: 10_000, files: 1_000 } }],
      ["env", { env: { "A=B": "c" } }],
      ["NUL", { argv: ["a\0b"] }],
    ];
    for (const [word, change] of bad) {
      const answer = await ask(rig, (done) => rig.launcher.launch({ ...good, ...change }, done));
      t.match(answer, { ok: false, reason: "invalid", message: word });
    }
    const large = { ...good, config: "x".repeat(300_000) };
    t.equal(reasonOf(await ask(rig, (done) => rig.launcher.launch(large, done))), "tooLarge");
  });

  test("what nobody launched is unknown", async (t, rig) => {
    t.equal(reasonOf(await ask(rig, (done) => rig.launcher.destroy("nobody", 0, done))), "unknown");
    t.equal(reasonOf(await ask(rig, (done) => rig.launcher.signal("nobody", 9, done))), "unknown");
    t.equal(reasonOf(await ask(rig, (done) => rig.launcher.forget("nobody", done))), "ok");
  });

  test("more open requests than the limit are refused busy, and all are answered", async (t, rig) => {
    const answers: Promise<LauncherAnswer>[] = [];
    for (let i = 0; i < 1_030; i++) {
      answers.push(ask(rig, (done) => rig.launcher.forget(`nobody-${i}`, done)));
    }
    const reasons = (await Promise.all(answers)).map(reasonOf);
    t.equal(reasons.filter((reason) => reason === "busy").length, 6);
    t.equal(reasons.filter((reason) => reason === "ok").length, 1_024);
  });

  test("a closed port refuses", async (t, rig) => {
    rig.launcher.close();
    t.equal(reasonOf(await ask(rig, (done) => rig.launcher.forget("nobody", done))), "closed");
    await rig.reopen();
  });
}

function endings(test: Case): void {
  test("destroy asks first: a task that obeys ends by its own code", async (t, rig) => {
    const { exits } = collectExits(rig);
    const plan = rig.plan(rig.commands.obedient);
    await ask(rig, (done) => rig.launcher.launch(plan, done));
    await rig.started?.(plan);
    const told: number[] = [];
    const answer = await ask(rig, (done) =>
      rig.launcher.destroy(plan.containerId, 30_000, (destroyed) => {
        told.push(exits.length);
        done(destroyed);
      }),
    );
    t.equal(reasonOf(answer), "ok");
    t.same(told, [1], "the exit is told before the destroy is answered");
    t.match(exits, [{ outcome: "exited", code: 5 }]);
    await ask(rig, (done) => rig.launcher.forget(plan.containerId, done));
  });

  test("destroy kills what ignores SIGTERM when the grace is over", async (t, rig) => {
    const { exits } = collectExits(rig);
    const plan = rig.plan(rig.commands.stubborn);
    await ask(rig, (done) => rig.launcher.launch(plan, done));
    await rig.started?.(plan);
    t.equal(
      reasonOf(await ask(rig, (done) => rig.launcher.destroy(plan.containerId, 200, done))),
      "ok",
    );
    t.match(exits, [{ outcome: "signaled", signal: 9 }]);
    t.equal(
      reasonOf(await ask(rig, (done) => rig.launcher.destroy(plan.containerId, 200, done))),
      "ok",
      "again",
    );
    t.equal(exits.length, 1);
    await ask(rig, (done) => rig.launcher.forget(plan.containerId, done));
    t.equal(
      reasonOf(await ask(rig, (done) => rig.launcher.destroy(plan.containerId, 0, done))),
      "unknown",
    );
  });

  test("of two graces the shorter one holds", async (t, rig) => {
    const { exitOf } = collectExits(rig);
    const plan = rig.plan(rig.commands.stubborn);
    await ask(rig, (done) => rig.launcher.launch(plan, done));
    await rig.started?.(plan);
    const long = ask(rig, (done) => rig.launcher.destroy(plan.containerId, 3_000_000, done));
    const short = ask(rig, (done) => rig.launcher.destroy(plan.containerId, 100, done));
    t.match(await exitOf(plan.containerId), { signal: 9 });
    t.equal(reasonOf(await short), "ok");
    t.equal(reasonOf(await long), "ok");
    await ask(rig, (done) => rig.launcher.forget(plan.containerId, done));
  });

  test("what is not destroyed cannot be forgotten", async (t, rig) => {
    const plan = rig.plan(rig.commands.runs);
    await ask(rig, (done) => rig.launcher.launch(plan, done));
    const forget = (): Promise<LauncherAnswer> =>
      ask(rig, (done) => rig.launcher.forget(plan.containerId, done));
    t.equal(reasonOf(await forget()), "notEmpty");
    await ask(rig, (done) => rig.launcher.destroy(plan.containerId, 0, done));
    t.equal(reasonOf(await forget()), "ok");
    t.equal(reasonOf(await forget()), "ok", "again");
  });

  test("requests for one container take effect in the order in which they were asked", async (t, rig) => {
    const { exits } = collectExits(rig);
    const plan = rig.plan(rig.commands.runs);
    const { containerId } = plan;
    const reasons = await Promise.all([
      ask(rig, (done) => rig.launcher.launch(plan, done)),
      ask(rig, (done) => rig.launcher.update(containerId, [], done)),
      ask(rig, (done) => rig.launcher.destroy(containerId, 0, done)),
    ]);
    t.same(reasons.map(reasonOf), ["ok", "ok", "ok"]);
    t.equal(exits.length, 1);
    await ask(rig, (done) => rig.launcher.forget(containerId, done));
  });
}

function restarts(test: Case): void {
  test("after a restart the running go on, and the ended tell how", async (t, rig) => {
    const runs = rig.plan(rig.commands.runs);
    const ends = rig.plan(rig.commands.exits(3));
    const before = collectExits(rig);
    await ask(rig, (done) => rig.launcher.launch(runs, done));
    await ask(rig, (done) => rig.launcher.launch(ends, done));
    await before.exitOf(ends.containerId);
    await rig.reopen();
    const { exits, exitOf } = collectExits(rig);
    const { bootId, containers } = await recover(rig);
    const byId = new Map(containers.map((facts) => [facts.containerId, facts]));
    t.match(byId.get(runs.containerId), { alive: true, exit: null, config: runs.config });
    t.match(byId.get(ends.containerId), { alive: false, exit: { code: 3 }, config: ends.config });
    t.type(bootId, "string");
    t.same(exits, [], "what ended before is in the answer, it is not told again");
    await ask(rig, (done) => rig.launcher.signal(runs.containerId, 15, done));
    t.match(await exitOf(runs.containerId), { signal: 15 });
    await destroyAndForget(rig, runs.containerId);
    await destroyAndForget(rig, ends.containerId);
  });

  test("what ends while no agent is there is known afterwards", async (t, rig) => {
    const plan = rig.plan(rig.commands.obedient);
    await ask(rig, (done) => rig.launcher.launch(plan, done));
    await rig.started?.(plan);
    await ask(rig, (done) => rig.launcher.signal(plan.containerId, 15, done));
    await rig.reopen();
    const { exitOf } = collectExits(rig);
    const found = (await recover(rig)).containers[0]?.exit;
    t.match(found ?? (await exitOf(plan.containerId)), { outcome: "exited", code: 5 });
    await destroyAndForget(rig, plan.containerId);
  });
}
