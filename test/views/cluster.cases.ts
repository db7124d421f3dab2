/** The fold of operator events into what people see. */
import t from "tap";
import { asId, type EventBatch, type OperatorEvent, type TaskId, type Uuid } from "#protocol";
import { Resources } from "#resources";
import { ClusterView, EventRing, quotasOf, weightsOf } from "#views";

const cpus2 = Resources.of("cpus:2;mem:64").toWire();
const agent = {
  info: {
    agentId: asId<never>("a1"),
    hostname: "host1",
    resources: cpus2,
    attributes: [{ name: "rack", type: "TEXT" as const, text: "r1" }],
    capabilities: [],
    version: "1",
    isolation: "v2",
  },
  principal: asId<never>("p1"),
  condition: "registered" as const,
  registeredAtMs: 1,
  reregisteredAtMs: 4,
  used: Resources.of("cpus:1;mem:32").toWire(),
  offered: [],
};
const added = (id: string): OperatorEvent => ({
  type: "TASK_ADDED",
  task: {
    info: {
      name: "n",
      taskId: asId<TaskId>(id),
      agentId: asId<never>("a1"),
      resources: Resources.of("cpus:1;mem:32").toWire(),
    },
    frameworkId: asId<never>("f1"),
    role: "*",
    state: "TASK_STAGING",
    statuses: [],
    launchedAtMs: 5,
  },
});
const updated = (
  id: string,
  state: "TASK_RUNNING" | "TASK_FINISHED" | "TASK_FAILED",
  n: number,
): OperatorEvent => ({
  type: "TASK_UPDATED",
  frameworkId: asId<never>("f1"),
  taskId: asId<TaskId>(id),
  state,
  status: {
    taskId: asId<TaskId>(id),
    state,
    source: "SOURCE_EXECUTOR",
    timestampMs: n,
    uuid: `00000000-0000-4000-8000-00000000000${n}` as Uuid,
    ...(state === "TASK_FAILED" ? { exitCode: 7 } : {}),
  },
});
const batch = (epoch: number, first: number, ...events: OperatorEvent[]): EventBatch => ({
  epoch,
  first,
  atMs: 0,
  events,
});
const begin = (epoch: number, ...events: OperatorEvent[]): EventBatch =>
  batch(epoch, 1, { type: "RESET", leader: `m${epoch}` }, ...events, { type: "SNAPSHOT_END" });

t.test("events become objects with units, names and a history", async (t) => {
  const view = new ClusterView();
  t.equal(view.apply(begin(3, { type: "AGENT_ADDED", agent }, added("t1"))), "applied");
  view.apply(batch(3, 5, updated("t1", "TASK_RUNNING", 1), updated("t1", "TASK_FAILED", 2)));
  t.match(view.allTasks(), [
    {
      id: "t1",
      hostname: "host1",
      state: "TASK_FAILED",
      exitCode: 7,
      startedAtMs: 1,
      endedAtMs: 2,
      resources: { cpus: 1, memMib: 32 },
      history: [{ state: "TASK_RUNNING" }, { state: "TASK_FAILED" }],
      version: "3.6",
    },
  ]);
  t.match(view.allAgents(), [
    { id: "a1", tasks: 0, attributes: { rack: "r1" }, registeredAtMs: 1, reregisteredAtMs: 4 },
  ]);
  t.match(view.sums(), { total: { cpus: 2 }, used: { cpus: 1, memMib: 32 } });
  t.match(view.leader, { masterId: "m3", epoch: 3 });
});

t.test(
  "what a task uses is shown while it lives, and stays as it was when it has ended",
  async (t) => {
    const view = new ClusterView();
    view.apply(begin(1, added("t1")));
    const used = (memBytes: number): OperatorEvent => ({
      type: "USAGE_UPDATED",
      containers: [
        {
          containerId: asId<never>("c1"),
          taskId: asId<TaskId>("t1"),
          frameworkId: asId<never>("f1"),
          cpuUsageMs: 12.4,
          memBytes,
          pids: 2,
        },
      ],
    });
    view.apply(batch(1, 4, used(1024 ** 2), updated("t1", "TASK_FINISHED", 1), used(0)));
    t.match(view.allTasks(), [{ usage: { cpuMs: 12, memMib: 1, pids: 2 } }]);
  },
);

t.test("the same update again does not lengthen the history, and an end stays", async (t) => {
  const view = new ClusterView();
  view.apply(begin(1, added("t1")));
  const end = updated("t1", "TASK_FINISHED", 2);
  view.apply(batch(1, 4, end, end, updated("t1", "TASK_RUNNING", 3)));
  const [task] = view.allTasks();
  t.equal(task?.state, "TASK_FINISHED");
  t.equal(task?.history.length, 2);
});

t.test("a missing number makes the view stale until a snapshot is whole", async (t) => {
  const view = new ClusterView();
  view.apply(begin(1, added("t1")));
  t.equal(view.apply(batch(1, 5, added("t2"))), "stale");
  t.equal(view.stale, true);
  t.equal(view.apply(batch(1, 6, added("t3"))), "stale", "nothing is applied behind the gap");
  view.apply(batch(1, 7, { type: "RESET", leader: "m1" }, added("t2")));
  t.same([...view.tasks.keys()], ["f1/t1"], "half a snapshot is not shown");
  view.apply(batch(1, 9, { type: "SNAPSHOT_END" }));
  t.same([...view.tasks.keys()], ["f1/t2"]);
  t.equal(view.stale, false);
});

t.test("a task that ended unseen under the earlier leader stays in the history", async (t) => {
  const view = new ClusterView();
  view.apply(begin(1, { type: "AGENT_ADDED", agent }, added("t1")));
  view.apply(begin(2, { type: "AGENT_ADDED", agent }));
  t.equal(view.tasks.size, 0);
  t.match(view.allTasks(), [{ id: "t1", hostname: "host1" }]);
  t.equal(view.apply(batch(1, 5, added("t9"))), "old");
});

t.test(
  "a task whose agent comes late to a new leader is shown once, before and after",
  async (t) => {
    const view = new ClusterView();
    view.apply(begin(1, { type: "AGENT_ADDED", agent }, added("t1")));
    view.apply(batch(1, 5, updated("t1", "TASK_RUNNING", 1)));
    view.apply(begin(2, { type: "AGENT_ADDED", agent }));
    t.match(view.allTasks(), [{ id: "t1", state: "TASK_UNKNOWN" }]);
    view.apply(batch(2, 4, added("t1"), updated("t1", "TASK_RUNNING", 1)));
    t.match(view.allTasks(), [{ id: "t1", state: "TASK_RUNNING" }]);
    t.equal(view.allTasks().length, 1);
  },
);

t.test("a removed task goes to the history with the names it had", async (t) => {
  const view = new ClusterView();
  view.apply(begin(1, { type: "AGENT_ADDED", agent }, added("t1")));
  view.apply(
    batch(1, 5, updated("t1", "TASK_FINISHED", 1), {
      type: "TASK_REMOVED",
      frameworkId: asId<never>("f1"),
      taskId: asId<TaskId>("t1"),
    }),
  );
  t.match(view.history.all(), [{ id: "t1", state: "TASK_FINISHED", hostname: "host1" }]);
});

t.test("a reader goes on behind the id it saw, or is told that it cannot", async (t) => {
  const ring = new EventRing(4);
  ring.push(batch(1, 1, added("a"), added("b"), added("c")));
  t.same(
    ring.after("1.1")?.map(({ id }) => id),
    ["1.2", "1.3"],
  );
  t.same(ring.after("1.3"), []);
  ring.push(batch(2, 1, added("d"), added("e")));
  t.equal(ring.after("1.1"), undefined, "it has left the ring");
  t.same(
    ring.after("1.2")?.map(({ id }) => id),
    ["1.3", "2.1", "2.2"],
  );
  t.equal(ring.last, "2.2");
});

t.test("an end that fell into a hole of the events comes with the snapshot", async (t) => {
  const view = new ClusterView();
  const removed: OperatorEvent = {
    type: "TASK_REMOVED",
    frameworkId: asId<never>("f1"),
    taskId: asId<TaskId>("t1"),
  };
  view.apply(begin(1, added("t1"), added("t2")));
  view.apply(batch(1, 5, updated("t1", "TASK_RUNNING", 1), updated("t2", "TASK_RUNNING", 1)));
  t.equal(view.apply(batch(1, 9, removed)), "stale", "numbers 7 and 8 were lost");
  const told = added("t1");
  if (told.type === "TASK_ADDED") {
    const end = updated("t1", "TASK_FAILED", 2);
    if (end.type === "TASK_UPDATED") told.task.statuses.push(end.status);
  }
  view.apply(batch(1, 10, { type: "RESET", leader: "m1" }, told, removed));
  view.apply(batch(1, 13, { type: "SNAPSHOT_END" }));
  const byId = new Map(view.allTasks().map((task) => [task.id, task]));
  t.match(byId.get("t1"), { state: "TASK_FAILED", exitCode: 7 });
  t.match(
    byId.get("t2"),
    { state: "TASK_UNKNOWN", message: /^last seen as TASK_RUNNING; its end was missed/ },
    "what nobody tells of any more is not shown as running for ever",
  );
});

t.test(
  "a role is shown with its quota while it has one, and goes when nothing is left",
  async (t) => {
    const view = new ClusterView();
    const role = { role: "eng", weight: 2, share: 0.5, frameworks: [], used: cpus2, offered: [] };
    const quota = { guarantee: [{ name: "cpus", milli: 1500 }], limit: [], lends: true };
    const consumed = [{ name: "mem", milli: 64_000 }];
    view.apply(begin(1, { type: "ROLE_UPDATED", role: { ...role, quota, consumed } }));
    t.match(view.roles.get("eng"), {
      weightedShare: 0.25,
      used: { cpus: 2 },
      consumed: { mem: 64 },
    });
    const shown = { name: "eng", guarantee: { cpus: 1.5 }, limit: {}, lends: true, version: "1.2" };
    t.same(quotasOf(view.roles.values()), [{ ...shown, consumed: { mem: 64 } }]);
    t.same(weightsOf(view.roles.values()), [{ name: "eng", weight: 2, version: "1.2" }]);
    view.apply(batch(1, 4, { type: "ROLE_UPDATED", role: { ...role, weight: 1 } }));
    t.same([quotasOf(view.roles.values()), weightsOf(view.roles.values())], [[], []]);
    view.apply(batch(1, 5, { type: "ROLE_REMOVED", role: "eng" }));
    t.equal(view.roles.size, 0);
  },
);
