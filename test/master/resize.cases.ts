/** Other cpus and memory for a task that runs: what is counted, what is refused, what is undone. */
import t from "tap";
import { asId } from "#protocol";
import {
  AT,
  ROOT,
  accept,
  agentId,
  frameworkIdOf,
  launch,
  offersOf,
  register,
  subscribe,
  task,
  taskId,
  update,
} from "./cluster.ts";
import { Stage } from "./stage.ts";

const F = frameworkIdOf("f");

/** A task of one cpu and 64 MiB on an agent of four and 1024, all the rest of it on offer. */
function set(): Stage {
  const stage = new Stage().lead();
  register(stage, "a1");
  subscribe(stage, "f");
  accept(stage, "f", [launch(task("t1", "a1"))], { refuseMs: 0 });
  update(stage, "a1", "f", "t1", "TASK_RUNNING");
  stage.elapse(2_000);
  stage.take();
  return stage;
}

function resize(stage: Stage, amounts: readonly [name: string, milli: number][]): string[] {
  const body = { frameworkId: F, taskId: taskId("t1"), amounts: wire(amounts) };
  stage.mail(ROOT, "OPERATOR_UPDATE_TASK", body, AT);
  return stage.take();
}

const wire = (amounts: readonly [string, number][]) =>
  amounts.map(([name, milli]) => ({ name, milli }));

const free = (stage: Stage): string => `${stage.state.allocator.free(agentId("a1"))}`;
const held = (stage: Stage): string =>
  `${stage.state.allocator.held(F, agentId("a1")).unallocate()}`;

t.test("a task grows into what is on offer, and the offers are taken back", async (t) => {
  const stage = set();
  t.equal(offersOf(stage, "f").length, 1);
  const said = resize(stage, [["mem", 512_000]]);
  t.match(said.join("\n"), /RESCIND.*\n(.*\n)*.*agent.a1 ← UpdateTask/);
  t.match(said.join("\n"), /"accepted":true/);
  t.match(`${stage.state.frameworks.get(F)?.tasks.get(taskId("t1"))?.resources}`, /mem.*:512/);
  t.match(said.join("\n"), /OFFERS .*cpus 3000 mem 512000/, "the rest is offered again");
});

t.test("a task that shrinks frees at once what it gives up", async (t) => {
  const stage = set();
  const said = resize(stage, [
    ["cpus", 500],
    ["mem", 32_000],
  ]);
  t.match(said.join("\n"), /OFFERS .*cpus 3500 mem 992000/);
});

t.test("what the agent has not is refused with numbers, and nothing changes", async (t) => {
  const stage = set();
  const before = [free(stage), held(stage)];
  t.match(resize(stage, [["mem", 2_000_000]]), [
    /"accepted":false.*mem:2000.* is asked for beside .*mem:960.* that is free/,
  ]);
  t.match(resize(stage, [["disk", 1_000]]), [/disk: only cpus and mem are resized/]);
  const nobody = { frameworkId: F, taskId: taskId("t9"), amounts: wire([["mem", 1_000]]) };
  stage.mail(ROOT, "OPERATOR_UPDATE_TASK", nobody, AT);
  t.match(stage.take(), [/not-found.*t9/]);
  t.same([free(stage), held(stage)], before);
  t.equal(offersOf(stage, "f").length, 1, "the offer stands");
});

t.test("a resize that never reached the agent did not happen", async (t) => {
  const stage = set();
  resize(stage, [["mem", 512_000]]);
  const info = task("t1", "a1");
  const reported = {
    info,
    frameworkId: F,
    executorId: asId<never>("t1"),
    containerId: asId<never>("c1"),
    state: "TASK_RUNNING" as const,
    statusUpdateState: "TASK_RUNNING" as const,
  };
  register(stage, "a1", { incarnation: 2, tasks: [reported] });
  stage.elapse(2_000);
  t.match(held(stage), /mem.*:1024/, "64 of the task and 960 on offer");
  t.match(`${stage.state.frameworks.get(F)?.tasks.get(taskId("t1"))?.resources}`, /mem.*:64/);
});
