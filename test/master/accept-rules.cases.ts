/** The rules of ACCEPT as a table: one flaw each, and the sentence that it is answered with. */
import t from "tap";
import { asId, type ExecutorId, type ExecutorInfo, type TaskInfo } from "#protocol";
import { Resources } from "#resources";
import {
  groupFault,
  LAUNCH_BYTES_MAX,
  type LaunchContext,
  type LaunchGroup,
  taskFault,
  wanted,
} from "../../src/actors/master/accept-rules.ts";
import { agentInfo, resources, task } from "./cluster.ts";

const EXECUTOR: ExecutorInfo = {
  executorId: asId<ExecutorId>("e1"),
  type: "CUSTOM",
  command: { shell: true, value: "serve" },
  resources: resources("cpus:0.5;mem:32"),
};
const POD: ExecutorInfo = {
  executorId: asId<ExecutorId>("pod"),
  type: "DEFAULT",
  resources: resources("cpus:0.1;mem:32"),
};

function context(more: Partial<LaunchContext> = {}): LaunchContext {
  return {
    agent: agentInfo("a1"),
    role: "eng",
    remaining: Resources.of("cpus:2;mem:256;ports:[1-10];gpus:1").allocate("eng"),
    executor: () => undefined,
    refuseRoot: false,
    ...more,
  };
}

function withExecutor(change: Partial<ExecutorInfo>): Partial<TaskInfo> {
  const { command: _, ...rest } = task("t", "a1");
  return { ...rest, executor: { ...EXECUTOR, ...change } };
}

function without(field: "command"): TaskInfo {
  const { [field]: _, ...rest } = task("t", "a1");
  return rest;
}

const ALLOCATED_TO_OPS = resources("cpus:1").map((each) => {
  return { ...each, allocationInfo: { role: "ops" } };
});
const REVOCABLE = [
  ...resources("cpus:1"),
  ...resources("cpus:1").map((x) => ({ ...x, revocable: {} })),
];
const LONG = "x".repeat(LAUNCH_BYTES_MAX);

const TASKS: readonly (readonly [title: string, task: TaskInfo, fault: RegExp | undefined])[] = [
  ["a plain command", task("t", "a1"), undefined],
  ["a custom executor", { ...without("command"), ...withExecutor({}) }, undefined],
  ["another agent", task("t", "a2"), /agentId: the task names a2, the offers are of a1/],
  [
    "too long a command",
    task("t", "a1", { command: { shell: true, value: LONG + LONG } }),
    /limit is/,
  ],
  ["no resources", task("t", "a1", { resources: [] }), /a task must have some/],
  [
    "another role's resources",
    task("t", "a1", { resources: ALLOCATED_TO_OPS }),
    /allocated to ops/,
  ],
  ["revocable and not", task("t", "a1", { resources: REVOCABLE }), /both revocable and not/],
  [
    "half a gpu",
    task("t", "a1", { resources: [{ name: "gpus", type: "SCALAR", scalar: { milli: 500 } }] }),
    /whole number/,
  ],
  ["a limit of disk", task("t", "a1", { limits: { disk: 1 } }), /only cpus and mem do/],
  [
    "a limit unasked",
    task("t", "a1", { resources: resources("cpus:1"), limits: { mem: 1 } }),
    /not requested/,
  ],
  [
    "a limit too low",
    task("t", "a1", { limits: { cpus: 500 } }),
    /cpus 0.5 is below the requested 1/,
  ],
  ["no limit at all", task("t", "a1", { limits: { cpus: -1 } }), undefined],
  ["neither command nor executor", without("command"), /exactly one of command and executor/],
  ["command and executor", { ...task("t", "a1"), executor: EXECUTOR }, /exactly one of/],
  ["an empty command", task("t", "a1", { command: { shell: true, value: "" } }), /it is empty/],
  [
    "a default executor",
    { ...without("command"), ...withExecutor({ type: "DEFAULT" }) },
    /use LAUNCH_GROUP/,
  ],
  [
    "more cpus than offered",
    task("t", "a1", { resources: resources("cpus:3") }),
    /needs cpus:3.*left/,
  ],
  [
    "ports not offered",
    task("t", "a1", { resources: resources("ports:[9-11]") }),
    /left of the offers/,
  ],
  [
    "ports of its executor",
    {
      ...without("command"),
      resources: resources("ports:[1-2]"),
      ...{ executor: { ...EXECUTOR, resources: resources("ports:[2-3]") } },
    },
    /ports overlap/,
  ],
];

t.test("a task is refused by the first rule that it breaks", async (t) => {
  for (const [title, task, fault] of TASKS) {
    const found = taskFault(task, context());
    if (fault === undefined) t.equal(found, undefined, title);
    else t.match(found, fault, title);
  }
});

t.test("root is refused where the cluster says so", async (t) => {
  const root = task("t", "a1", { command: { shell: true, value: "id", user: "root" } });
  t.equal(taskFault(root, context()), undefined);
  t.match(taskFault(root, context({ refuseRoot: true })), /root is not allowed/);
});

t.test("an executor counts once, and must be what runs under its id", async (t) => {
  const info: TaskInfo = { ...without("command"), ...withExecutor({}) };
  const running = (executor: ExecutorInfo) => context({ executor: () => executor });
  t.equal(wanted([info, info], context()).cpusMilli, 2500, "two tasks, one executor");
  t.equal(wanted([info], running(EXECUTOR)).cpusMilli, 1000, "it runs already");
  t.equal(taskFault(info, running(EXECUTOR)), undefined);
  t.match(taskFault(info, running({ ...EXECUTOR, name: "x" })), /with another description/);
});

function group(change: Partial<ExecutorInfo>, ...tasks: TaskInfo[]): LaunchGroup {
  const executor = { ...POD, ...change };
  return { type: "LAUNCH_GROUP", executor, taskGroup: { tasks } };
}

const ONE = task("t1", "a1", { resources: resources("cpus:0.5;mem:32") });
const TWO = task("t2", "a1", { resources: resources("cpus:0.5;mem:32") });
const { type: _, ...UNTYPED } = POD;
const PORTS = { resources: resources("ports:[1-2]") };

const GROUPS: readonly (readonly [title: string, group: LaunchGroup, fault: RegExp | undefined])[] =
  [
    ["two tasks", group({}, ONE, TWO), undefined],
    ["no type", { ...group({}, ONE), executor: UNTYPED }, /must be DEFAULT or CUSTOM/],
    ["a default with a command", group({ command: { shell: true, value: "x" } }, ONE), /has none/],
    ["a custom one without", group({ type: "CUSTOM" }, ONE), /must have one/],
    [
      "too few cpus",
      group({ resources: resources("mem:32") }, ONE),
      /cpus 0 is below the minimum of 0.01/,
    ],
    ["too little memory", group({ resources: resources("cpus:1;mem:31") }, ONE), /mem 31 is below/],
    ["one bad task", group({}, ONE, { ...TWO, resources: [] }), /task t2: resources/],
    ["the same id twice", group({}, ONE, ONE), /twice in one group/],
    [
      "another's executor",
      group({}, { ...ONE, executor: EXECUTOR }),
      /another executor than its group/,
    ],
    ["the same ports", group({}, { ...ONE, ...PORTS }, { ...TWO, ...PORTS }), /ports overlap/],
    ["too much together", group({}, ONE, { ...TWO, resources: resources("cpus:1.5") }), /needs/],
  ];

t.test("a group is refused whole, by the first rule that it breaks", async (t) => {
  for (const [title, group, fault] of GROUPS) {
    const found = groupFault(group, context());
    if (fault === undefined) t.equal(found, undefined, title);
    else t.match(found, fault, title);
  }
});
