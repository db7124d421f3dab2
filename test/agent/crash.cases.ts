/**
 * The agent is killed at every moment of a story and comes back; what a framework sees is the
 * same story: no task twice, no update lost, none under a second uuid.
 */
import t from "tap";
import { FAULT_POINTS, type FaultPoint, withFaultPoint } from "#actors/agent";
import { encodePlain } from "#protocol";
import type { ActorPorts } from "#runtime";
import { FRAMEWORK, framework, task, TestNode } from "./a-node.ts";

const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  well: ["TASK_RUNNING", "TASK_FINISHED 0"],
  bad: ["TASK_RUNNING", "TASK_FAILED 7"],
  killed: ["TASK_RUNNING", "TASK_KILLED 143"],
  one: ["TASK_RUNNING", "TASK_FAILED 3"],
  two: ["TASK_RUNNING", "TASK_KILLED 143"],
};
const COMMANDS: Readonly<Record<string, string>> = {
  well: "sleep 0.4",
  bad: "sleep 0.2; exit 7",
  killed: "sleep 601",
  one: "sleep 0.3; exit 3",
  two: "sleep 602",
};

/** Ports that end the process at their `at`-th call; from then on they do nothing. */
class Trap {
  calls = 0;
  over = false;
  /** Where the ports know by themselves when it is time. */
  faulty: (ports: ActorPorts) => ActorPorts = (ports) => ports;
  readonly #at: number;
  readonly #when: "before" | "after";
  readonly #crash: () => void;

  constructor(at: number, when: "before" | "after", crash: () => void) {
    this.#at = at;
    this.#when = when;
    this.#crash = crash;
  }

  ports(given: ActorPorts): ActorPorts {
    const ports = this.faulty(given);
    const { bus, disk, launcher } = ports;
    return {
      ...ports,
      bus: this.#wrap(bus, ["publish"], "dropped"),
      ...(disk === undefined ? {} : { disk: this.#wrap(disk, ["replace", "append", "remove"]) }),
      ...(launcher === undefined
        ? {}
        : { launcher: this.#wrap(launcher, ["launch", "destroy", "forget", "recover"]) }),
    };
  }

  #wrap<Port extends object>(port: Port, names: readonly string[], dead?: unknown): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        const counted = names.includes(String(name));
        return (...given: unknown[]): unknown => {
          if (this.over) return dead;
          if (counted && this.#isDue("before")) return dead;
          const answer: unknown = Reflect.apply(value, target, given);
          if (counted) this.#isDue("after");
          return answer;
        };
      },
    });
  }

  #isDue(when: "before" | "after"): boolean {
    if (when === "before") this.calls += 1;
    if (when !== this.#when || this.calls !== this.#at) return false;
    this.over = true;
    this.#crash();
    return true;
  }
}

interface Run {
  readonly node: TestNode;
  readonly crashed: boolean;
  readonly calls: number;
}

/** Every call of a port is a place to die, counted; or one of the numbered points is. */
type Place = { readonly at: number; readonly when: "before" | "after" } | FaultPoint;

function trapAt(place: Place, crash: () => void): Trap {
  if (!("number" in place)) return new Trap(place.at, place.when, crash);
  const trap = new Trap(Number.POSITIVE_INFINITY, "before", crash);
  trap.faulty = (ports) => {
    const { disk, launcher } = ports;
    if (disk === undefined || launcher === undefined) throw new Error("no disk, no launcher");
    return withFaultPoint({ ...ports, disk, launcher }, { point: place, times: 1 }, () => {
      trap.over = true;
      crash();
    });
  };
  return trap;
}

function play(place: Place): Run {
  let trap: Trap | undefined;
  const node: TestNode = new TestNode({
    seed: "number" in place ? `point ${place.number}` : `${place.at}`,
    // Sandboxes go at once, so that their removal is passed as well.
    ...("number" in place ? { config: { gcDelayMs: 0, gcIntervalMs: 200 } } : {}),
    ports: (ports) => {
      if (trap !== undefined) return ports;
      trap = trapAt(place, () => {
        node.crash();
        node.world.after(700, () => node.start());
      });
      return trap.ports(ports);
    },
  });
  node.start();
  node.until(() => node.leader.registered > 0, "registers");
  for (const id of ["well", "bad", "killed"]) node.runTask(task(id, COMMANDS[id] ?? ""));
  const tasks = ["one", "two"].map((id) => task(id, COMMANDS[id] ?? ""));
  const executor = { executorId: "group" as never, type: "DEFAULT" as const, resources: [] };
  const group = { frameworkId: FRAMEWORK, framework: framework(), executor, taskGroup: { tasks } };
  node.order({ kind: "RunTaskGroup", body: group });
  node.until(() => node.story("killed").length > 0, "runs");
  node.kill("killed");
  const ended = (): boolean =>
    Object.keys(EXPECTED).every((id) => /FINISHED|FAILED|KILLED/.test(node.story(id).at(-1) ?? ""));
  node.until(ended, `all end after a crash at ${JSON.stringify(place)}`);
  node.run(2_000);
  return { node, crashed: trap?.over === true, calls: trap?.calls ?? 0 };
}

function faults({ node }: Run): string[] {
  const found: string[] = [];
  for (const [id, story] of Object.entries(EXPECTED)) {
    const seen = node.story(id);
    if (seen.join() !== story.join()) found.push(`${id}: ${seen.join(", ")}`);
    const starts = node.starts(`/bin/sh -c ${COMMANDS[id]}`);
    if (starts !== 1) found.push(`${id} was started ${starts} times`);
  }
  const states = new Map<string, string>();
  for (const { status } of node.leader.updates) {
    if (status.uuid === undefined) continue;
    const said = `${status.taskId} ${status.state} ${status.timestampMs}`;
    const before = states.get(status.uuid) ?? said;
    if (before !== said) found.push(`${status.uuid}: ${before}, then ${said}`);
    states.set(status.uuid, said);
  }
  if (node.machine.containers.size > 0) found.push(`${node.machine.containers.size} are left`);
  const kept = node.running?.agent.state.model.tasks.size;
  if (kept !== 0) found.push(`${kept} tasks are kept`);
  return found;
}

for (const when of ["before", "after"] as const) {
  t.test(`a crash ${when} each call of a port changes nothing that a framework sees`, async (t) => {
    let crashes = 0;
    for (let at = 1; ; at++) {
      const run = play({ at, when });
      const found = faults(run);
      if (found.length > 0) t.fail(`call ${at}: ${found.join("; ")}`);
      if (!run.crashed) break;
      crashes += 1;
    }
    t.ok(crashes > 40, `${crashes} crashes`);
  });
}

const isResize = (place: FaultPoint["place"]): boolean =>
  ("journal" in place && place.journal === "resized") ||
  ("launcher" in place && place.launcher === "update");

t.test("a crash at each numbered point changes nothing that a framework sees", async (t) => {
  const passed: number[] = [];
  for (const point of FAULT_POINTS) {
    if ("native" in point.place) continue;
    const run = play(point);
    const found = faults(run);
    if (found.length > 0) t.fail(`${point.number}: ${found.join("; ")}`);
    if (run.crashed) passed.push(point.number);
  }
  // The story resizes no task; the journal is written anew in the first start already.
  const expected = FAULT_POINTS.filter(({ place }) => !("native" in place) && !isResize(place));
  t.same(
    passed,
    expected.map(({ number }) => number),
  );
});

t.test(
  "twenty tasks run on through kill -9 of their agent, and all exit codes arrive",
  async (t) => {
    const node = new TestNode();
    node.start();
    node.untilRegistered();
    const ids = Array.from({ length: 20 }, (_, index) => `t${index}`);
    for (const [index, id] of ids.entries()) {
      node.runTask(task(id, `sleep ${1 + index * 0.3}; exit ${index}`));
    }
    node.until(() => ids.every((id) => node.story(id).length > 0), "all run");
    node.crash();
    // Half of them end while nobody looks.
    node.run(4_000);
    node.start();
    node.until(() => ids.every((id) => node.story(id).length === 2), "all end");
    for (const [index, id] of ids.entries()) {
      const end = index === 0 ? "TASK_FINISHED 0" : `TASK_FAILED ${index}`;
      t.same(node.story(id), ["TASK_RUNNING", end]);
    }
    t.equal(node.leader.registrations.at(-1)?.incarnation, 2);
    t.equal(node.leader.registrations.at(-1)?.tasks.length, 20);
  },
);

t.test("after a reboot of the machine its tasks have failed, none runs again", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  for (const id of ["a", "b"]) node.runTask(task(id, "hang"));
  node.until(() => node.story("b").length === 1, "runs");
  node.crash();
  node.machine.reboot();
  node.start();
  node.until(() => ["a", "b"].every((id) => node.story(id).length === 2), "is told");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_FAILED REASON_EXECUTOR_TERMINATED"]);
  t.equal(node.starts("/bin/sh -c hang"), 2);
});

t.test("a container that no journal names is ended, and nobody is told", async (t) => {
  const node = new TestNode();
  node.start();
  node.untilRegistered();
  node.runTask(task("a", "hang"));
  node.until(() => node.story("a").length === 1, "runs");
  node.crash();
  // A work directory restored from before the task.
  node.disk.files.delete("agent/journal");
  node.start();
  node.until(() => node.machine.containers.size === 0, "is swept");
  t.same(node.story("a"), ["TASK_RUNNING"]);
});

t.test(
  "what a crash left of a framework's shutdown ends, though nobody says it again",
  async (t) => {
    const node = new TestNode();
    node.start();
    node.untilRegistered();
    for (const id of ["a", "b"]) node.runTask(task(id, "hang"));
    node.until(() => node.story("b").length === 1, "runs");
    // The record of the framework is written, those of its tasks are not.
    const record = encodePlain({ k: "framework-shutdown", frameworkId: FRAMEWORK });
    node.running?.agent.state.journal.add(record);
    const before = node.disk.files.get("agent/journal")?.length ?? 0;
    node.until(() => (node.disk.files.get("agent/journal")?.length ?? 0) > before, "is written");
    node.crash();
    node.start();
    node.until(() => node.machine.containers.size === 0, "ends");
    node.run(1_000);
    t.equal(node.running?.agent.state.model.frameworks.size, 0);
    t.equal(node.starts("hang"), 2, "none ran again");
  },
);

t.test("the launcher's death is nobody's: tasks go on, requests are asked again", async (t) => {
  const launchers: { die(): void }[] = [];
  const node = new TestNode({
    ports: (ports) => {
      if (ports.launcher !== undefined && "die" in ports.launcher) {
        launchers.push(ports.launcher as { die(): void });
      }
      return ports;
    },
  });
  node.start();
  node.untilRegistered();
  const ids = Array.from({ length: 12 }, (_, index) => `t${index}`);
  for (const id of ids) node.runTask(task(id, "sleep 1; exit 4"));
  node.run(2);
  for (let i = 0; i < 6; i++) {
    launchers[0]?.die();
    node.run(150);
  }
  node.until(() => ids.every((id) => node.story(id).length === 2), "all end");
  for (const id of ids) t.same(node.story(id), ["TASK_RUNNING", "TASK_FAILED 4"]);
  t.equal(node.starts("/bin/sh -c sleep 1; exit 4"), 12);
});
