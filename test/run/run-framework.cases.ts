/** The framework behind `meseta run`, told events as the driver would tell them. */
import t from "tap";
import type { Driver, SchedulerEvent } from "#actors/framework";
import { ApiError, type RunObject, type RunRequest } from "#api";
import { RunFramework, RUNS_MAX, type SavedRun } from "#frameworks/run";
import {
  asId,
  type FrameworkId,
  type Offer,
  type OfferId,
  type TaskId,
  type TaskInfo,
  type TaskState,
  type TaskStatus,
  type Uuid,
} from "#protocol";
import { Resources } from "#resources";

/** A driver that writes down what it is told; its disk answers when the story says so. */
/** Calls that this framework has no use for. */
function uncalled(note: (call: string) => number) {
  return {
    acknowledgeOperation: () => note("acknowledge operation"),
    reconcileOperations: () => note("reconcile operations"),
    acceptInverseOffers: () => note("accept inverse offers"),
    declineInverseOffers: () => note("decline inverse offers"),
  };
}

function story(saved: readonly SavedRun[] = []) {
  const calls: string[] = [];
  const launched: TaskInfo[] = [];
  const waiting: ((fault: string | undefined) => void)[] = [];
  let disk: "at once" | "later" = "at once";
  let tokens = 0;
  let last: readonly SavedRun[] = [];
  const note = (call: string): number => calls.push(call);
  const driver: Driver = {
    accept(offerIds, operations) {
      for (const operation of operations) {
        if (operation.type === "LAUNCH") launched.push(...operation.taskInfos);
      }
      const ids = launched.map(({ taskId }) => taskId).join(" ");
      return note(`accept ${offerIds.join(" ")}: ${ids}`);
    },
    decline: (ids, options) => note(`decline ${ids.join(" ")} ${options?.refuseMs}`),
    kill: (taskId) => note(`kill ${taskId}`),
    acknowledge: () => note("acknowledge"),
    ...uncalled(note),
    reconcile: (tasks) => note(`reconcile ${tasks?.length ?? 0}`),
    suppress: (roles = []) => note(`suppress ${roles.join(" ")}`),
    revive: (roles = []) => note(`revive ${roles.join(" ")}`),
    message: () => note("message"),
    shutdownExecutor: () => note("shutdown"),
    updateFramework: (info) => {
      const borrows = info.capabilities.includes("REVOCABLE_RESOURCES") ? ", borrows" : "";
      return note(`roles ${info.roles.join(" ")}${borrows}`);
    },
    teardown: () => note("teardown"),
    stop: () => note("stop"),
    offers: new Map(),
  };
  const ports = {
    wallMs: () => 1_000,
    token: () => `tok${++tokens}`,
    save: (runs: readonly SavedRun[], done: (fault: string | undefined) => void) => {
      last = runs;
      if (disk === "at once") done(undefined);
      else waiting.push(done);
    },
  };
  const info = {
    name: "run",
    user: "root",
    roles: ["*"],
    failoverTimeoutMs: 0,
    checkpoint: true,
    capabilities: [],
  };
  const framework = new RunFramework(ports, info, saved);
  const tell = (event: SchedulerEvent): void => framework.event(event, driver);
  return {
    framework,
    calls,
    launched,
    tell,
    subscribe: () =>
      tell({
        kind: "subscribed",
        frameworkId: asId<FrameworkId>("f1"),
        epoch: 1,
        masterId: "m1",
      }),
    offer: (id: string, resources: string, role = "*") => {
      const offer: Offer = {
        offerId: asId<OfferId>(id),
        frameworkId: asId<FrameworkId>("f1"),
        agentId: asId<never>("a1"),
        hostname: "h",
        resources: Resources.of(resources).allocate(role).toWire(),
        attributes: [],
        allocationRole: role,
      };
      tell({ kind: "offers", offers: [offer] });
    },
    lend: (id: string, resources: string) => {
      const lent = Resources.of(resources).toWire();
      const bag = Resources.fromWire(lent.map((each) => ({ ...each, revocable: {} })));
      const offer: Offer = {
        offerId: asId<OfferId>(id),
        frameworkId: asId<FrameworkId>("f1"),
        agentId: asId<never>("a1"),
        hostname: "h",
        resources: bag.allocate("*").toWire(),
        attributes: [],
        allocationRole: "*",
      };
      tell({ kind: "offers", offers: [offer] });
    },
    update: (taskId: string, state: TaskState, more: Partial<TaskStatus> = {}) =>
      tell({
        kind: "update",
        status: {
          taskId: asId<TaskId>(taskId),
          state,
          source: "SOURCE_EXECUTOR",
          timestampMs: 1,
          ...more,
        },
      }),
    create(request: Partial<RunRequest>): RunObject {
      let result: RunObject | ApiError | undefined;
      framework.create({ argv: ["true"], ...request }, (answer) => {
        result = answer;
      });
      if (result === undefined || result instanceof ApiError) throw result ?? new Error("waits");
      return result;
    },
    saved: () => last,
    holdDisk: () => {
      disk = "later";
    },
    diskAnswers: (fault?: string) => {
      for (const done of waiting.splice(0)) done(fault);
    },
  };
}

t.test("as many instances are placed as fit, the rest wait, each is placed once", async (t) => {
  const { subscribe, create, offer, calls, launched, framework } = story();
  subscribe();
  const run = create({ instances: 3, cpus: 1, memMib: 10 });
  offer("o1", "cpus:2.5;mem:100");
  t.same(
    launched.map(({ taskId }) => taskId),
    run.taskIds.slice(0, 2),
  );
  offer("o2", "cpus:0.5;mem:100");
  offer("o3", "cpus:9;mem:100");
  t.same(calls, [
    "suppress *",
    "revive *",
    `accept o1: ${run.taskIds[0]} ${run.taskIds[1]}`,
    "decline o2 5000",
    `accept o3: ${run.taskIds.join(" ")}`,
    "suppress *",
  ]);
  t.match(framework.list(), [{ waiting: 0, placed: 3 }]);
});

t.test("nothing is launched before the intent is durable", async (t) => {
  const { subscribe, create, offer, holdDisk, diskAnswers, launched, calls } = story();
  subscribe();
  create({});
  holdDisk();
  offer("o1", "cpus:1;mem:100");
  t.same(launched, []);
  diskAnswers();
  t.equal(launched.length, 1);
  t.equal(calls.at(-1)?.startsWith("accept o1"), true);
});

t.test("a disk that fails gives the offer back and the instance waits on", async (t) => {
  const { subscribe, create, offer, holdDisk, diskAnswers, launched, framework } = story();
  subscribe();
  create({});
  holdDisk();
  offer("o1", "cpus:1;mem:100");
  diskAnswers("EIO");
  t.same(launched, []);
  t.match(framework.list(), [{ waiting: 1, placed: 0 }]);
});

t.test("a run that cannot be saved is not there", async (t) => {
  const { framework, holdDisk, diskAnswers } = story();
  let answer: RunObject | ApiError | undefined;
  holdDisk();
  framework.create({ argv: ["true"] }, (result) => {
    answer = result;
  });
  t.equal(answer, undefined, "no answer before it is durable");
  diskAnswers("ENOSPC");
  t.match(answer, { code: "failed", message: /ENOSPC/ });
  t.same(framework.list(), []);
});

t.test("ports are taken from the offer and told in the environment", async (t) => {
  const { subscribe, create, offer, launched } = story();
  subscribe();
  create({ ports: 2, env: { A: "b" } });
  offer("o1", "cpus:1;mem:100;ports:[31000-31000]");
  t.same(launched, [], "one port is not two");
  offer("o2", "cpus:1;mem:100;ports:[31000-31000,31005-31009]");
  const [task] = launched;
  t.equal(Resources.fromWire(task?.resources ?? []).ports().length, 2);
  t.same(task?.command?.environment?.variables, [
    { name: "A", value: "b" },
    { name: "PORT0", value: "31000" },
    { name: "PORT1", value: "31005" },
    { name: "PORT", value: "31000" },
  ]);
});

t.test("a launch that certainly never reached an agent is placed again", async (t) => {
  const { subscribe, create, offer, update, framework } = story();
  subscribe();
  const { id } = create({});
  offer("o1", "cpus:1;mem:100");
  update(id, "TASK_LOST", { reason: "REASON_INVALID_OFFERS" });
  t.match(framework.list(), [{ waiting: 1, failed: 0 }]);
  offer("o2", "cpus:1;mem:100");
  update(id, "TASK_LOST");
  t.match(framework.list(), [{ waiting: 0, failed: 1 }], "any other loss may have run");
});

t.test("an end is kept whole, and acknowledged only when it is durable", async (t) => {
  const { subscribe, create, offer, update, framework, calls, holdDisk, diskAnswers, saved } =
    story();
  subscribe();
  const { id } = create({});
  offer("o1", "cpus:1;mem:100");
  const uuid = "00000000-0000-4000-8000-000000000001" as Uuid;
  update(id, "TASK_RUNNING", { uuid });
  t.equal(calls.at(-1), "acknowledge", "what is no end needs no disk");
  const before = calls.length;
  holdDisk();
  update(id, "TASK_FAILED", { uuid, exitCode: 7, timestampMs: 9 });
  t.same(calls.slice(before), []);
  diskAnswers("ENOSPC");
  t.same(calls.slice(before), [], "what could not be saved comes again");
  update(id, "TASK_FAILED", { uuid, exitCode: 7, timestampMs: 9 });
  diskAnswers();
  t.same(calls.slice(before), ["acknowledge"]);
  const ended = [{ taskId: id, state: "TASK_FAILED", exitCode: 7, atMs: 9 }];
  t.match(framework.list(), [{ failed: 1, ended }]);
  t.match(story(saved()).framework.list(), [{ failed: 1, ended }], "also after a restart");
});

t.test("an instance that is cancelled while it waits has an end too", async (t) => {
  const { subscribe, create, framework } = story();
  subscribe();
  const { id } = create({});
  t.match(framework.cancel(id).ended, [{ taskId: id, state: "TASK_KILLED" }]);
});

t.test("a cancelled run launches nothing more and kills what runs", async (t) => {
  const { subscribe, create, offer, update, framework, calls } = story();
  subscribe();
  const run = create({ instances: 2, cpus: 1 });
  offer("o1", "cpus:1;mem:100");
  update(run.taskIds[0] ?? "", "TASK_RUNNING");
  framework.cancel(run.id);
  t.equal(calls.includes(`kill ${run.taskIds[0]}`), true);
  const before = calls.length;
  offer("o2", "cpus:1;mem:100");
  t.same(calls.slice(before), ["decline o2 60000"]);
});

t.test("a new role is subscribed to before its offers can come", async (t) => {
  const { subscribe, create, offer, calls, launched } = story();
  subscribe();
  create({ role: "ads" });
  t.same(calls.slice(-2), ["roles * ads", "revive ads"]);
  offer("o1", "cpus:1;mem:100");
  t.same(launched, [], "an offer of another role is not for it");
  offer("o2", "cpus:1;mem:100", "ads");
  t.equal(launched.length, 1);
});

t.test("a revocable run takes what is lent alone, and others never take that", async (t) => {
  const { subscribe, create, offer, lend, calls, launched } = story();
  subscribe();
  create({ cpus: 1, memMib: 64, revocable: true });
  t.same(calls.slice(-2), ["roles *, borrows", "revive *"]);
  offer("o1", "cpus:4;mem:1024");
  t.equal(calls.at(-1), "decline o1 5000");
  create({ cpus: 1, memMib: 32 });
  lend("o2", "cpus:1;mem:512");
  t.match(launched, [{ resources: [{ revocable: {} }, { revocable: {} }] }]);
  lend("o3", "cpus:4;mem:1024");
  t.equal(calls.at(-1), "decline o3 5000");
  offer("o4", "cpus:1;mem:32");
  t.equal(launched.length, 2);
  t.throws(() => create({ revocable: true, ports: 1 }), /ports: 1 of a revocable run/);
});

t.test("offers are wanted in roles where something waits, and in no others", async (t) => {
  const { subscribe, create, offer, calls } = story();
  subscribe();
  create({ role: "ads" });
  create({ role: "eng" });
  t.equal(calls.at(-1), "revive eng");
  offer("o1", "cpus:1;mem:100", "ads");
  t.equal(calls.at(-1), "suppress ads");
  offer("o2", "cpus:1;mem:100", "eng");
  t.equal(calls.at(-1), "suppress eng");
  create({ role: "ads" });
  t.equal(calls.at(-1), "revive ads");
});

t.test("after a restart what lives is asked for and what waits is placed", async (t) => {
  const saved: SavedRun = {
    id: "r1",
    name: "r",
    request: { argv: ["true"], instances: 2 },
    createdAtMs: 1,
    cancelled: false,
    instances: [
      { taskId: asId<TaskId>("r1-0"), state: "TASK_RUNNING" },
      { taskId: asId<TaskId>("r1-1"), state: "waiting" },
    ],
  };
  const { framework, subscribe, offer, launched } = story([saved]);
  t.same(framework.knownTasks(), [{ taskId: "r1-0" }]);
  subscribe();
  offer("o1", "cpus:1;mem:100");
  t.same(
    launched.map(({ taskId }) => taskId),
    ["r1-1"],
  );
});

t.test("names that are no ids and runs beyond the limit are refused with the limit", async (t) => {
  const { create, framework, update } = story();
  t.throws(() => create({ name: "a/b" }), { code: "invalid", message: /a\/b/ });
  for (let i = 0; i < RUNS_MAX; i += 1) create({});
  t.throws(() => create({}), { code: "busy", message: /2000 runs/ });
  const [oldest] = framework.list();
  update(oldest?.id ?? "", "TASK_FINISHED");
  create({});
  t.equal(
    framework.list().some(({ id }) => id === oldest?.id),
    false,
    "the oldest made room",
  );
});
