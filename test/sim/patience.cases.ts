/** What a leader may give up and when, and whom a process hears no more: seen from the log and from deaths. */
import t from "tap";
import { type AnyMessage, asId, type MasterId, type Peer } from "#protocol";
import { type RegistryOperation, seal } from "#replication";
import type { CheckedWorld, MakeChecker } from "../../sim/checkers/checker.ts";
import { deadlineChecker } from "../../sim/checkers/deadlines.ts";
import { poisonChecker } from "../../sim/checkers/deaths.ts";
import { returnChecker } from "../../sim/checkers/return.ts";
import { removalChecker } from "../../sim/checkers/removals.ts";
import { agentInfo } from "../master/cluster.ts";
import { aWorld } from "./a-world.ts";

/** A checker beside a log to which the case appends. */
function beside(make: MakeChecker) {
  const said: string[] = [];
  const records: Uint8Array[] = [];
  const log = {
    get end() {
      return records.length;
    },
    get wholeEnd() {
      return records.length;
    },
    first: 1,
    acknowledged: new Map<number, Uint8Array>(),
    record: (position: number) => records[position - 1],
  };
  // These checkers look at the log alone, or at nothing of the world.
  const checker = make({ log } as Partial<CheckedWorld> as CheckedWorld, (id) => said.push(id));
  const append = (clusterTimeMs: number, epoch: number, ...operations: unknown[]): void => {
    const writer = asId<MasterId>("m1");
    const base = { v: 1, id: "r", previous: "", writer, wallMs: 0, epoch, clusterTimeMs };
    records.push(seal({ ...base, operations: operations as RegistryOperation[] }).bytes);
    checker.recount?.();
  };
  return { said, checker, append };
}

const admitted = (n: number) =>
  Array.from({ length: n }, (_, i) => ({
    kind: "AgentAdmitted",
    agentId: `a${i}`,
    principal: `p${i}`,
    incarnation: 1,
    bootId: "b",
    info: agentInfo(`a${i}`),
  }));
const lost = (i: number) => ({ kind: "AgentMarkedUnreachable", agentId: `a${i}`, atMs: 0 });

t.test("A2 sees more agents given up than a minute allows, of one leader", async (t) => {
  const { said, append } = beside(removalChecker);
  append(0, 1, ...admitted(8));
  append(1_000, 1, lost(0), lost(1), lost(2));
  append(20_000, 2, lost(3), lost(4), lost(5));
  append(80_000, 2, lost(6), lost(7));
  t.same(said, [], "another leader, another minute");
  append(85_000, 2, lost(0), lost(1));
  t.same(said, ["A2"]);
});

t.test("A2 allows a tenth of many", async (t) => {
  const { said, append } = beside(removalChecker);
  append(0, 1, ...admitted(60));
  append(1_000, 1, ...[0, 1, 2, 3, 4, 5].map(lost));
  t.same(said, []);
  append(1_500, 1, lost(6));
  t.same(said, ["A2"]);
});

t.test("F2 sees a framework that is given up before its time", async (t) => {
  const framework = (frameworkId: string) => ({
    kind: "FrameworkAdmitted",
    frameworkId,
    principal: "p",
    nonce: "00000000-0000-4000-8000-000000000001",
    info: {
      name: "f",
      user: "u",
      roles: ["*"],
      failoverTimeoutMs: 60_000,
      checkpoint: true,
      capabilities: [],
    },
  });
  const away = { kind: "FrameworkDisconnected", frameworkId: "f1" };
  const back = { kind: "FrameworkReturned", frameworkId: "f1" };
  const over = (why: string) => ({ kind: "FrameworkCompleted", frameworkId: "f1", why });
  const story = (...then: [number, unknown][]): string[] => {
    const { said, append } = beside(deadlineChecker);
    append(0, 1, framework("f1"));
    for (const [atMs, operation] of then) append(atMs, 1, operation);
    return said;
  };
  t.same(story([1_000, away], [61_000, over("failover-timeout")]), []);
  t.same(story([1_000, away], [60_999, over("failover-timeout")]), ["F2"]);
  t.same(story([1_000, away], [50_000, back], [61_000, over("failover-timeout")]), ["F2"]);
  t.same(story([1_000, away], [2_000, over("operator")]), []);
  t.same(story([1_000, over("failover-timeout")]), ["F2"], "it was never away");
});

t.test("X3 sees a sender that is heard again after two deaths", async (t) => {
  const { node } = aWorld();
  const { said, checker } = beside(poisonChecker);
  const master = node("master-1");
  const dies = (by?: string): void =>
    checker.on({
      what: "actor-ended",
      node: master,
      kind: "died",
      why: "poison",
      ...(by === undefined ? {} : { by: by as Peer }),
    });
  for (const by of ["framework.a.i", "framework.b.i", "framework.a.i", undefined, undefined]) {
    dies(by);
  }
  t.same(said, []);
  dies("framework.a.i");
  t.same(said, ["X3"]);
});

t.test("F1 sees a task denied that an agent has, unless its framework is shut down", async (t) => {
  const told = (...before: unknown[]): string[] => {
    const { said, checker } = beside(returnChecker);
    const node = { name: "m1", life: 1 };
    const seen = (what: "said" | "heard", peer: string, messages: unknown[]): void => {
      const subject = "meseta.c.agent.one";
      const header = {
        subject,
        bytes: 1,
        epoch: 1,
        session: "s",
        number: 1,
        count: messages.length,
      };
      const frame = { ...header, speaker: peer as Peer, messages: messages as AnyMessage[] };
      checker.on({ what, node, frame });
    };
    const task = { info: { taskId: "t1" }, frameworkId: "f1", state: "TASK_RUNNING" };
    const agent = { agentId: "a1" };
    seen("said", "master", [{ kind: "Beacon", body: {} }]);
    seen("heard", "agent.one", [
      { kind: "RegisterAgent", body: { agent, part: 0, tasks: [task] } },
    ]);
    seen("said", "master", [{ kind: "AgentRegistered", body: agent }, ...before]);
    const status = { taskId: "t1", state: "TASK_GONE", source: "SOURCE_MASTER" };
    seen("said", "master", [{ kind: "UPDATE", body: { status } }]);
    return said;
  };
  t.same(told(), ["F1"]);
  t.same(told({ kind: "ShutdownFramework", body: { frameworkId: "f2" } }), ["F1"]);
  t.same(told({ kind: "ShutdownFramework", body: { frameworkId: "f1" } }), []);
});
