/** Finding a leader, staying with it, and never going back to an older one. */
import t from "tap";
import { readRecords } from "#actors/agent";
import { decodeValue } from "#protocol";
import type { ActorPorts } from "#runtime";
import { task, TestNode } from "./a-node.ts";

function aNode(options: ConstructorParameters<typeof TestNode>[0] = {}): TestNode {
  const node = new TestNode(options);
  node.start();
  node.untilRegistered();
  return node;
}

function epochOnDisk(node: TestNode): unknown {
  const bytes = node.disk.files.get("agent/meta") ?? new Uint8Array(0);
  const [payload] = readRecords(bytes).payloads;
  if (payload === undefined) return undefined;
  return (decodeValue(payload) as { value?: { epoch?: number } }).value?.epoch;
}

t.test("the highest epoch is on disk before the leader hears of any task", async (t) => {
  const node = aNode();
  t.equal(epochOnDisk(node), 5);
});

t.test("a new leader is found, and told everything", async (t) => {
  const node = aNode();
  node.runTask(task("a", "hang"));
  node.until(() => node.story("a").length === 1, "runs");
  node.restartLeader(9);
  node.until(() => node.leader.registered === 2, "registers again");
  t.match(node.leader.registrations.at(-1)?.tasks, [
    { info: { taskId: "a" }, state: "TASK_RUNNING" },
  ]);
  t.match(node.leader.registrations.at(-1)?.frameworks, [{ frameworkId: "fw" }]);
  t.equal(epochOnDisk(node), 9);
});

t.test("a lower epoch is never obeyed again, not even after a restart", async (t) => {
  const node = aNode();
  node.restartLeader(9);
  node.until(() => node.leader.registered === 2, "registers");
  node.crash();
  node.restartLeader(8);
  node.start();
  const { hellos } = node.leader;
  node.run(20_000);
  t.equal(node.leader.hellos, hellos);
  // The host of the agent refuses it, before the agent would.
  t.ok((node.running?.agent.counters.get("dropped", "lower-epoch") ?? 0) > 0);
});

t.test("a leader of another log is not obeyed", async (t) => {
  const node = aNode();
  t.equal(node.lifecycle, "running");
  node.leader.logId = "other";
  node.leader.epoch = 50;
  node.run(3_000);
  t.equal(epochOnDisk(node), 5);
  t.ok((node.running?.agent.counters.get("beacon-refused", "wrong-cluster") ?? 0) > 0);
});

t.test("a leader that is silent for 75 s is left", async (t) => {
  const node = aNode();
  node.leader.beacons = false;
  node.leaderNode.halt("pause");
  node.run(70_000);
  t.equal(node.lifecycle, "running");
  node.run(12_000);
  t.equal(node.lifecycle, "detecting");
});

t.test("silence is not judged by one whose own bus was away", async (t) => {
  const node = aNode();
  node.network.stopBroker("n1");
  node.run(200_000);
  t.not(node.running?.agent.counters.get("leader-lost", "silent"), 1);
});

t.test("where nobody lets it come it asks again, ever more rarely", async (t) => {
  const node = new TestNode();
  node.leader.admits = false;
  node.start();
  node.run(30_000);
  const early = node.leader.hellos;
  node.run(300_000);
  const later = node.leader.hellos - early;
  t.ok(early >= 2, `${early} at first`);
  t.ok(later > 0 && later < 200, `${later} in five minutes`);
});

t.test("an agent of more than 256 tasks registers in parts", async (t) => {
  const node = aNode();
  const resources = [{ name: "cpus", type: "SCALAR" as const, scalar: { milli: 10 } }];
  for (let index = 0; index < 300; index++) {
    node.runTask(task(`t${index}`, "hang", { resources }));
  }
  node.until(() => node.leader.updates.length === 300, "all run");
  node.restartLeader(6);
  node.until(() => node.leader.registered === 2, "registers again");
  const last = node.leader.registrations.slice(-2);
  t.same(
    last.map(({ part, parts, tasks }) => [part, parts, tasks.length]),
    [
      [0, 2, 256],
      [1, 2, 44],
    ],
  );
});

t.test("an agent that is stopped lets its tasks run on", async (t) => {
  const node = aNode();
  node.runTask(task("a", "sleep 4; exit 5"));
  node.until(() => node.story("a").length === 1, "runs");
  let stopped = false;
  node.running?.stop(() => {
    stopped = true;
  });
  node.until(() => stopped, "stops");
  node.crash();
  node.run(6_000);
  node.start();
  node.until(() => node.story("a").length === 2, "is told");
  t.same(node.story("a"), ["TASK_RUNNING", "TASK_FAILED 5"]);
});

t.test("parts are bounded by their bytes too", async (t) => {
  const node = aNode();
  for (let index = 0; index < 8; index++) {
    const command = {
      shell: false,
      value: "sleep",
      arguments: ["sleep", "900", "x".repeat(60_000)],
    };
    node.runTask(task(`t${index}`, "", { command }));
  }
  node.until(() => node.leader.updates.length === 8, "all run");
  node.restartLeader(6);
  node.until(() => node.leader.registered === 2, "registers again");
  const last = node.leader.registrations.filter(({ parts }) => parts > 1);
  t.same(
    last.map(({ part, tasks }) => [part, tasks.length]),
    [
      [0, 2],
      [1, 2],
      [2, 2],
      [3, 2],
    ],
  );
});

t.test("an agent hears nobody before its checkpoints are read (P-3.8)", async (t) => {
  const begun: string[] = [];
  const node: TestNode = new TestNode({
    ports: (ports) => {
      const { bus } = ports;
      const noting: ActorPorts["bus"] = {
        publish: (...given) => bus.publish(...given),
        subscribe: (...given) => {
          begun.push(node.running?.agent.lifecycle() ?? "making");
          return bus.subscribe(...given);
        },
        request: (...given) => bus.request(...given),
        flush: (done) => bus.flush(done),
        onStatus: (listener) => bus.onStatus(listener),
        get connected() {
          return bus.connected;
        },
        get dropped() {
          return bus.dropped;
        },
        close: (done) => bus.close(done),
      };
      return { ...ports, bus: noting };
    },
  });
  node.start();
  node.untilRegistered();
  node.crash();
  node.start();
  node.untilRegistered(2);
  t.ok(begun.length >= 6);
  t.notOk(begun.includes("recovering"), begun.join(" "));
});

t.test("the first Hello comes somewhere in the window that the leader has announced", async (t) => {
  const afterMs = new Set<number>();
  for (const seed of ["1", "2", "3", "4", "5"]) {
    const node = new TestNode({ seed });
    node.start();
    node.until(() => node.lifecycle === "registering", "finds its leader");
    const foundMs = node.world.nowMs;
    node.until(() => node.leader.hellos > 0, "says Hello");
    afterMs.add(node.world.nowMs - foundMs);
  }
  t.ok(Math.max(...afterMs) > 20, `${[...afterMs]} ms after the beacon`);
  t.ok(Math.max(...afterMs) < 200);
});

t.test("refused for good, an agent first ends what the leader had it shut down", async (t) => {
  const node = aNode();
  node.runTask(task("a", "ignore-term; hang"));
  node.until(() => node.story("a").length === 1, "runs");
  const { hellos } = node.leader;
  node.order({ kind: "ShutdownFramework", body: { frameworkId: node.frameworkId } });
  const body = { reason: "not-allowed", message: "it was marked gone", final: true } as const;
  node.order({ kind: "AgentRefused", body });
  node.until(() => node.lifecycle === "detecting", "it has left its leader");
  node.run(1_000);
  t.equal(node.lifecycle, "detecting", "its task has a grace");
  node.until(() => node.lifecycle === "failed", "it ends", 30_000);
  t.notOk([...node.machine.containers.values()].some(({ running }) => running));
  t.equal(node.leader.hellos, hellos, "and it did not come back");
});

t.test("refused for good with nothing to end, an agent ends at once", async (t) => {
  const node = aNode();
  const body = { reason: "not-allowed", message: "it was marked gone", final: true } as const;
  node.order({ kind: "AgentRefused", body });
  node.run(200);
  t.equal(node.lifecycle, "failed");
});
