/** The simulated machine and its launcher: fates of commands, recovery, destroys. */
import t from "tap";
import type { LaunchPlan } from "#runtime";
import { SimLauncher, SimMachine } from "#sim";
import { scriptOf } from "../../sim/ports/script.ts";
import { aWorld } from "./a-world.ts";

function aPlan(containerId: string, script: string, graceMs = 1_000): LaunchPlan {
  return {
    containerId,
    nonce: `n-${containerId}`,
    argv: ["/bin/sh", "-c", script],
    env: {},
    sandbox: `/sandboxes/${containerId}`,
    user: null,
    cgroups: {
      steps: [],
      join: [],
      counters: { oomPath: null, peakPath: null },
      kill: { kind: "descendants" },
      remove: [],
    },
    oomScoreAdj: null,
    logs: { bytes: 65_536, files: 1 },
    graceMs,
    config: `{"id":"${containerId}"}`,
  };
}

function aMachine() {
  const { world, node } = aWorld();
  const machine = new SimMachine(world, "host");
  const agent = node("agent");
  const said: string[] = [];
  const open = (): SimLauncher => {
    const launcher = new SimLauncher(machine, agent);
    launcher.onExit((exit) => said.push(`exit ${exit.containerId} ${exit.code ?? exit.signal}`));
    launcher.onLoss((loss) => said.push(`loss ${loss.restarts}`));
    return launcher;
  };
  world.runUntil(1);
  const run = (launcher: SimLauncher, id: string, script: string, graceMs?: number): void =>
    launcher.launch(aPlan(id, script, graceMs), (answer) =>
      said.push(answer.ok ? `launched ${id}` : `${id} ${answer.reason}`),
    );
  return { world, machine, agent, said, open, run };
}

t.test("commands end as their words say", async (t) => {
  const { world, said, open, run } = aMachine();
  const launcher = open();
  const scripts = { a: "echo hi; exit 7", b: "sleep 2", c: "oom", d: "nonsense", e: "kill -9 $$" };
  for (const [id, script] of Object.entries(scripts)) run(launcher, id, script);
  launcher.launch({ ...aPlan("f", ""), argv: ["/no/such"] }, (answer) =>
    said.push(answer.ok ? "launched f" : `f ${answer.reason}`),
  );
  t.same(said, []);
  world.runUntil(5_000);
  for (const [id, exit] of Object.entries({ a: "7", b: "0", c: "9", d: "127", e: "9" })) {
    t.ok(said.indexOf(`exit ${id} ${exit}`) > said.indexOf(`launched ${id}`), `${id}: ${said}`);
  }
  t.ok(said.includes("f exec"));
});

t.test("containers outlive their agent, and recover tells what happened meanwhile", async (t) => {
  const { world, agent, said, open, run } = aMachine();
  const first = open();
  run(first, "short", "sleep 1; exit 3");
  run(first, "long", "sleep 5");
  world.runUntil(100);
  agent.crash();
  world.runUntil(2_000);
  agent.start(() => undefined);
  world.runUntil(2_001);
  const second = open();
  second.recover((answer) => {
    if (!answer.ok) return void t.fail(answer.message);
    const facts = answer.facts.containers.map((one) => [
      one.containerId,
      one.alive,
      one.exit?.code,
    ]);
    t.same(facts, [
      ["short", false, 3],
      ["long", true, undefined],
    ]);
  });
  world.runUntil(10_000);
  t.same(said, ["launched short", "launched long", "exit long 0"]);
});

t.test(
  "destroy waits its grace, kills what is left, and says so only when it is empty",
  async (t) => {
    const { world, machine, said, open, run } = aMachine();
    const launcher = open();
    run(launcher, "deaf", "ignore-term; fork 500; hang", 1_000);
    world.runUntil(100);
    launcher.forget("deaf", (answer) => said.push(answer.ok ? "forgotten" : answer.reason));
    machine.killIgnoredUntilMs = 9_000;
    const ask = (): void =>
      launcher.destroy("deaf", null, (answer) =>
        said.push(`${answer.ok ? "destroyed" : answer.reason} ${Math.round(world.nowMs / 1000)}`),
      );
    ask();
    world.runUntil(8_000);
    ask();
    world.runUntil(20_000);
    launcher.forget("deaf", (answer) => said.push(answer.ok ? "forgotten" : answer.reason));
    world.runUntil(21_000);
    const order = [
      "launched deaf",
      "notEmpty",
      "notEmpty 6",
      "exit deaf 9",
      "destroyed 9",
      "forgotten",
    ];
    t.same(said, order);
  },
);

t.test(
  "a launcher that ends takes no container along, and a repeated launch is one launch",
  async (t) => {
    const { world, machine, said, open, run } = aMachine();
    const launcher = open();
    run(launcher, "x", "sleep 3");
    launcher.die();
    world.runUntil(1_000);
    run(launcher, "x", "sleep 3");
    world.runUntil(10_000);
    t.same(said.slice(0, 3), ["x launcherGone", "loss 1", "launched x"]);
    t.equal(said.filter((line) => line.startsWith("exit")).length, 1);
    t.equal(machine.containers.size, 1);
  },
);

t.test("a reboot ends everything, and nobody knows how", async (t) => {
  const { world, machine, open, run } = aMachine();
  run(open(), "x", "sleep 300");
  world.runUntil(100);
  const before = machine.bootId;
  machine.reboot();
  open().recover((answer) => {
    if (!answer.ok) return void t.fail(answer.message);
    t.not(answer.facts.bootId, before);
    t.match(answer.facts.containers, [{ containerId: "x", alive: false, exit: null }]);
  });
  world.runUntil(200);
});

t.test("the words of scripts", async (t) => {
  const table: [string[], unknown][] = [
    [["sleep", "1.5"], [{ kind: "sleep", ms: 1_500 }]],
    [["/bin/true"], []],
    [
      ["sh", "-c", "trap '' TERM; exit 3"],
      [{ kind: "ignore-term" }, { kind: "exit", code: 3 }],
    ],
    [["sh", "-c", 'echo "a b" >&2'], [{ kind: "print", file: "stderr", text: "a b\n" }]],
  ];
  for (const [argv, acts] of table) t.same(scriptOf(argv)?.acts, acts, argv.join(" "));
  t.equal(scriptOf(["/no/such"]), undefined);
});
