/** Reconciliation: the six cases in order, as a table and as a story. */
import t from "tap";
import { type Knowledge, reconciled } from "../../src/actors/master/reconcile.ts";
import { UPDATES_PER_DRAIN } from "../../src/actors/master/tell.ts";
import {
  accept,
  agentId,
  frameworkOf,
  launch,
  register,
  subscribe,
  task,
  taskId,
  update,
} from "./cluster.ts";
import { Stage } from "./stage.ts";

const NOTHING: Knowledge = { known: undefined, agent: "unnamed", anyAbsent: false };

const CASES: readonly (readonly [
  title: string,
  of: Partial<Knowledge>,
  answer: string | undefined,
])[] = [
  ["a known task says its state", { known: "TASK_RUNNING", agent: "absent" }, "TASK_RUNNING"],
  ["an agent that has not come back is no evidence", { agent: "absent" }, undefined],
  ["a registered agent does not have it", { agent: "registered" }, "TASK_GONE"],
  ["nor does one whose session is over", { agent: "disconnected" }, "TASK_GONE"],
  ["an unreachable agent may have it", { agent: "unreachable" }, "TASK_UNREACHABLE"],
  ["an agent that is gone", { agent: "gone" }, "TASK_GONE_BY_OPERATOR"],
  ["an agent nobody knows", { agent: "unknown" }, "TASK_UNKNOWN"],
  ["no agent named", {}, "TASK_UNKNOWN"],
  ["no agent named while some are away", { anyAbsent: true }, undefined],
];

t.test("each case of reconciliation has its answer", async (t) => {
  for (const [title, of, answer] of CASES)
    t.equal(reconciled({ ...NOTHING, ...of }), answer, title);
});

t.test("a framework asks for tasks by name and for all of them", async (t) => {
  const stage = new Stage().lead();
  register(stage, "a1");
  const framework = subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"), task("t2", "a1"))]);
  update(stage, "a1", "f", "t1", "TASK_RUNNING");
  stage.take();
  const ask = (
    ...tasks: { taskId: ReturnType<typeof taskId>; agentId?: ReturnType<typeof agentId> }[]
  ) => {
    stage.mail(frameworkOf("f"), "RECONCILE", { tasks });
    return stage.take();
  };
  const said = (line: string) => `${framework} ← UPDATE ${line}`;
  t.same(ask(), [
    said("t1 TASK_RUNNING REASON_RECONCILIATION"),
    said("t2 TASK_STAGING REASON_RECONCILIATION"),
  ]);
  t.same(ask({ taskId: taskId("t1") }), [said("t1 TASK_RUNNING REASON_RECONCILIATION")]);
  t.match(ask({ taskId: taskId("x"), agentId: agentId("a1") }), [said("x TASK_GONE")]);
  t.match(ask({ taskId: taskId("x"), agentId: agentId("a9") }), [said("x TASK_UNKNOWN")]);
  t.match(ask({ taskId: taskId("x") }), [said("x TASK_UNKNOWN")]);
});

t.test("who asks for very many tasks is answered over several drains", async (t) => {
  const stage = new Stage().lead();
  const framework = subscribe(stage, "f");
  stage.take();
  const link = stage.links.get(framework);
  if (link === undefined) throw new Error("no link");
  link.room = 10_000;
  const tasks = Array.from({ length: 1_200 }, (_, n) => ({
    taskId: taskId(`x${n}`),
    agentId: agentId("a9"),
  }));
  stage.mail(framework, "RECONCILE", { tasks });
  const first = stage.taken("UPDATE").length;
  t.ok(first >= UPDATES_PER_DRAIN && first <= UPDATES_PER_DRAIN + 1, `${first} at once`);
  stage.elapse(1);
  t.equal(first + stage.taken("UPDATE").length, tasks.length, "and the rest without a pause");
});

t.test("a full window keeps the latest state of each task until there is room", async (t) => {
  const stage = new Stage().lead();
  register(stage, "a1");
  const framework = subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"), task("t2", "a1"))]);
  stage.take();
  const link = stage.links.get(framework);
  if (link === undefined) throw new Error("no link");
  link.room = 0;
  update(stage, "a1", "f", "t1", "TASK_RUNNING", { n: 1 });
  update(stage, "a1", "f", "t1", "TASK_RUNNING", { n: 2 });
  update(stage, "a1", "f", "t2", "TASK_RUNNING", { n: 3 });
  stage.mail(framework, "RECONCILE", { tasks: [] });
  t.same(stage.taken("UPDATE"), []);
  link.room = 100;
  stage.elapse(100);
  t.same(stage.taken("UPDATE"), [
    `${framework} ← UPDATE t1 TASK_RUNNING uuid`,
    `${framework} ← UPDATE t2 TASK_RUNNING uuid`,
  ]);
});

t.test("an answer knows no less of an end than the update that it stands for", async (t) => {
  const stage = new Stage().lead();
  register(stage, "a1");
  const framework = subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))]);
  update(stage, "a1", "f", "t1", "TASK_FAILED", { n: 1, exitCode: 7 });
  stage.take();
  stage.mail(framework, "RECONCILE", { tasks: [] });
  stage.mail(framework, "RECONCILE", { tasks: [{ taskId: taskId("t1") }] });
  t.match(stage.taken("UPDATE"), [/t1 TASK_FAILED REASON_RECONCILIATION.*exit 7/]);
});
