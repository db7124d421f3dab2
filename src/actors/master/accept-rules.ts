/**
 * What a task or a group must be to be launched on offered resources: tables of rules in the
 * order of mesos.md §3.4, of which the first failure is the message. Pure; what the schemas of
 * the protocol already refuse (negative times, empty groups, bad ids) is not asked again.
 */
import type {
  AgentInfo,
  BodyOf,
  ExecutorId,
  ExecutorInfo,
  OfferOperation,
  TaskInfo,
} from "#protocol";
import { formatScalar, Resources } from "#resources";

/** Least that a group's executor must have (mesos.md §2). */
export const EXECUTOR_CPUS_MILLI_MIN = 10;
export const EXECUTOR_MEM_MILLI_MIN = 32_000;
/** Longest texts and data of one launch, so that it fits into a frame with its framework. */
export const LAUNCH_BYTES_MAX = 160 * 1024;

export type LaunchGroup = Extract<OfferOperation, { type: "LAUNCH_GROUP" }>;

/** What the rules look at besides the task. */
export interface LaunchContext {
  readonly agent: AgentInfo;
  readonly role: string;
  /** What is left of the offers, with allocation role. */
  readonly remaining: Resources;
  /** A running executor of the framework on this agent, by id. */
  readonly executor: (executorId: ExecutorId) => ExecutorInfo | undefined;
  readonly refuseRoot: boolean;
}

type Rule<Subject> = readonly [
  name: string,
  fault: (subject: Subject, context: LaunchContext) => string | undefined,
];

/** What the launch takes of the offers: the tasks, and executors that do not run there yet. */
export function wanted(tasks: readonly TaskInfo[], context: LaunchContext): Resources {
  let sum = Resources.EMPTY;
  const counted = new Set<string>();
  for (const { resources, executor } of tasks) {
    sum = sum.add(allocated(resources, context.role));
    if (executor === undefined || counted.has(executor.executorId)) continue;
    counted.add(executor.executorId);
    if (context.executor(executor.executorId) !== undefined) continue;
    sum = sum.add(allocated(executor.resources, context.role));
  }
  return sum;
}

/** The same resources, allocated to the role whatever they said before. */
export function allocated(resources: TaskInfo["resources"], role: string): Resources {
  return Resources.fromWire(resources).unallocate().allocate(role);
}

const TASK_RULES: readonly Rule<TaskInfo>[] = [
  [
    "agent id",
    (task, { agent }) => {
      if (task.agentId === agent.agentId) return undefined;
      return `agentId: the task names ${task.agentId}, the offers are of ${agent.agentId}`;
    },
  ],
  ["size", (task) => sizeFault([task])],
  ["resources", (task, { role }) => resourcesFault("resources", task.resources, role)],
  ["user", (task, { refuseRoot }) => userFault(task, refuseRoot)],
  ["limits", limitsFault],
];

/** Rules of one task in LAUNCH; those of its executor come after the task's own. */
const LAUNCH_RULES: readonly Rule<TaskInfo>[] = [
  ...TASK_RULES,
  [
    "command",
    ({ command, executor }) => {
      if ((command === undefined) === (executor === undefined)) {
        return "exactly one of command and executor must be set";
      }
      return command === undefined ? undefined : commandFault("command", command);
    },
  ],
  ["executor", ({ executor }, context) => customExecutorFault(executor, context)],
  ["overlap", (task) => overlapFault([task])],
  ["total", (task, context) => totalFault([task], context)],
];

const GROUP_TASK_RULES: readonly Rule<TaskInfo>[] = [
  ...TASK_RULES,
  [
    "command",
    ({ command }) => {
      if (command === undefined) return "command: a task of a group must have one";
      return commandFault("command", command);
    },
  ],
];

const GROUP_RULES: readonly Rule<LaunchGroup>[] = [
  ["executor type", ({ executor }) => groupExecutorFault(executor)],
  ["executor resources", ({ executor }, { role }) => leastFault(executor, role)],
  ["executor", ({ executor }, context) => runningExecutorFault(executor, context)],
  [
    "own executors",
    ({ executor, taskGroup }) => {
      const other = taskGroup.tasks.find((task) => {
        return task.executor !== undefined && !isSame(task.executor, executor);
      });
      if (other === undefined) return undefined;
      return `executor: task ${other.taskId} has another executor than its group`;
    },
  ],
  [
    "unique ids",
    ({ taskGroup }) => {
      const ids = new Set(taskGroup.tasks.map(({ taskId }) => taskId));
      return ids.size === taskGroup.tasks.length ? undefined : "taskId: twice in one group";
    },
  ],
  ["size", ({ taskGroup }) => sizeFault(taskGroup.tasks)],
  ["overlap", (group) => overlapFault(withExecutor(group))],
  ["total", (group, context) => totalFault(withExecutor(group), context)],
];

/** Why the task cannot be launched; undefined when it can. */
export function taskFault(task: TaskInfo, context: LaunchContext): string | undefined {
  return firstFault(LAUNCH_RULES, task, context);
}

/** Why the group cannot be launched: all of it or nothing. */
export function groupFault(group: LaunchGroup, context: LaunchContext): string | undefined {
  for (const task of group.taskGroup.tasks) {
    const fault = firstFault(GROUP_TASK_RULES, task, context);
    if (fault !== undefined) return `task ${task.taskId}: ${fault}`;
  }
  return firstFault(GROUP_RULES, group, context);
}

/** The group's tasks, each with the group's executor, as agents get them. */
export function withExecutor({ executor, taskGroup }: LaunchGroup): TaskInfo[] {
  return taskGroup.tasks.map((task) => ({ ...{}, ...task, executor }));
}

function firstFault<Subject>(
  rules: readonly Rule<Subject>[],
  subject: Subject,
  context: LaunchContext,
): string | undefined {
  for (const [, fault] of rules) {
    const found = fault(subject, context);
    if (found !== undefined) return found;
  }
  return undefined;
}

function resourcesFault(
  field: string,
  list: TaskInfo["resources"],
  role: string,
): string | undefined {
  const checked = Resources.check(list);
  if (!checked.ok) return `${field}: ${checked.error.message}`;
  const { value } = checked;
  if (value.isEmpty) return `${field}: a task must have some`;
  for (const { name, allocationInfo } of value) {
    if (allocationInfo !== undefined && allocationInfo.role !== role) {
      return `${field}: ${name} is allocated to ${allocationInfo.role}, the offers to ${role}`;
    }
  }
  return revocableFault(field, value) ?? persistenceFault(field, value);
}

function revocableFault(field: string, resources: Resources): string | undefined {
  if (!resources.traits.revocable) return undefined;
  const firm = new Set(resources.nonRevocable().names());
  const both = resources
    .revocable()
    .names()
    .find((name) => firm.has(name));
  if (both === undefined) return undefined;
  return `${field}: ${both} is both revocable and not; use one of them`;
}

function persistenceFault(field: string, resources: Resources): string | undefined {
  const seen = new Set<string>();
  for (const { disk } of resources) {
    const id = disk?.persistence?.id;
    if (id === undefined) continue;
    if (seen.has(id)) return `${field}: persistent volume ${id} occurs twice`;
    seen.add(id);
  }
  return undefined;
}

function userFault({ command }: TaskInfo, refuseRoot: boolean): string | undefined {
  if (!refuseRoot || command?.user !== "root") return undefined;
  return "command.user: root is not allowed on this cluster; name another user";
}

function limitsFault(task: TaskInfo, { agent }: LaunchContext): string | undefined {
  const limits = Object.entries(task.limits ?? {});
  if (limits.length === 0) return undefined;
  if (!agent.capabilities.includes("TASK_RESOURCE_LIMITS")) {
    return `limits: agent ${agent.agentId} does not know TASK_RESOURCE_LIMITS`;
  }
  const resources = Resources.fromWire(task.resources);
  for (const [name, limitMilli] of limits) {
    if (name !== "cpus" && name !== "mem") return `limits: ${name} has none; only cpus and mem do`;
    const requestMilli = resources.get(name);
    if (requestMilli === 0) return `limits: ${name} has a limit but is not requested`;
    if (limitMilli !== -1 && limitMilli < requestMilli) {
      const limit = formatScalar(limitMilli);
      return `limits: ${name} ${limit} is below the requested ${formatScalar(requestMilli)}`;
    }
  }
  return undefined;
}

function commandFault(
  field: string,
  { shell, value, arguments: argv }: NonNullable<TaskInfo["command"]>,
): string | undefined {
  if (value.length > 0) return undefined;
  if (!shell && argv !== undefined && argv.length > 0) return undefined;
  return `${field}: it is empty; say what to run`;
}

function customExecutorFault(
  executor: ExecutorInfo | undefined,
  context: LaunchContext,
): string | undefined {
  if (executor === undefined) return undefined;
  if (executor.type === "DEFAULT") return "executor.type: DEFAULT runs groups; use LAUNCH_GROUP";
  if (executor.command === undefined) return "executor.command: a custom executor must have one";
  const fault = commandFault("executor.command", executor.command);
  return fault ?? runningExecutorFault(executor, context);
}

function runningExecutorFault(
  executor: ExecutorInfo,
  { executor: runningOf, agent, role }: LaunchContext,
): string | undefined {
  const checked = Resources.check(executor.resources);
  if (!checked.ok) return `executor.resources: ${checked.error.message}`;
  if (!checked.value.shared().isEmpty) return "executor.resources: shared volumes belong to tasks";
  const running = runningOf(executor.executorId);
  if (running === undefined) return undefined;
  const same = isSame({ ...{}, ...running, resources: [] }, { ...{}, ...executor, resources: [] });
  if (same && allocated(running.resources, role).equals(allocated(executor.resources, role))) {
    return undefined;
  }
  return `executor: ${executor.executorId} runs on ${agent.agentId} with another description`;
}

function groupExecutorFault({ type, command }: ExecutorInfo): string | undefined {
  if (type === undefined) return "executor.type: must be DEFAULT or CUSTOM for a group";
  if (type === "DEFAULT" && command !== undefined) {
    return "executor.command: a DEFAULT executor has none";
  }
  if (type === "CUSTOM" && command === undefined) {
    return "executor.command: a custom executor must have one";
  }
  return undefined;
}

function leastFault(executor: ExecutorInfo, role: string): string | undefined {
  const checked = Resources.check(executor.resources);
  if (!checked.ok) return `executor.resources: ${checked.error.message}`;
  const { cpusMilli, memMilli } = allocated(executor.resources, role);
  if (cpusMilli < EXECUTOR_CPUS_MILLI_MIN) {
    const least = formatScalar(EXECUTOR_CPUS_MILLI_MIN);
    return `executor.resources: cpus ${formatScalar(cpusMilli)} is below the minimum of ${least}`;
  }
  if (memMilli < EXECUTOR_MEM_MILLI_MIN) {
    const least = formatScalar(EXECUTOR_MEM_MILLI_MIN);
    return `executor.resources: mem ${formatScalar(memMilli)} is below the minimum of ${least}`;
  }
  return undefined;
}

/** Ranges and sets are things, not amounts: no two tasks can have the same port. */
function overlapFault(tasks: readonly TaskInfo[]): string | undefined {
  const lists = tasks.flatMap(({ resources, executor }) => [resources, executor?.resources ?? []]);
  if (lists.every((list) => list.every(({ type }) => type === "SCALAR"))) return undefined;
  let sum = Resources.EMPTY;
  const counted = new Set<string>();
  for (const { resources, executor } of tasks) {
    const own = [resources];
    if (executor !== undefined && !counted.has(executor.executorId)) {
      counted.add(executor.executorId);
      own.push(executor.resources);
    }
    for (const list of own) {
      const things = Resources.fromWire(list).filter(({ type }) => type !== "SCALAR");
      const before = sum.amounts();
      sum = sum.add(things);
      if (!sum.amounts().equals(before.add(things.amounts()))) {
        return `resources: ${things.names().join(", ")} overlap within the launch`;
      }
    }
  }
  return undefined;
}

function totalFault(tasks: readonly TaskInfo[], context: LaunchContext): string | undefined {
  const need = wanted(tasks, context);
  if (context.remaining.contains(need)) return undefined;
  const text = need.unallocate().toText();
  return `resources: needs ${text}, left of the offers is ${context.remaining.unallocate().toText() || "nothing"}`;
}

/** Length of everything in it that can be long. */
function sizeFault(tasks: readonly TaskInfo[]): string | undefined {
  let bytes = 0;
  for (const { command, executor, data, labels } of tasks) {
    bytes += commandBytes(command) + commandBytes(executor?.command) + (data?.length ?? 0);
    for (const { key, value } of labels ?? []) bytes += key.length + (value?.length ?? 0);
  }
  if (bytes <= LAUNCH_BYTES_MAX) return undefined;
  return `the launch has ${bytes} bytes of commands and data, the limit is ${LAUNCH_BYTES_MAX}`;
}

function commandBytes(command: TaskInfo["command"]): number {
  if (command === undefined) return 0;
  let bytes = command.value.length;
  for (const text of command.arguments ?? []) bytes += text.length;
  for (const { name, value } of command.environment?.variables ?? []) {
    bytes += name.length + value.length;
  }
  return bytes;
}

function isSame(left: ExecutorInfo, right: ExecutorInfo): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));
}

/** Fields in one order, so that equal descriptions have equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, field]) => [key, sorted(field)]),
  );
}

/** Every task that an ACCEPT names. */
export function tasksOf({ operations }: BodyOf<"ACCEPT">): TaskInfo[] {
  return operations.flatMap((each) => {
    if (each.type === "LAUNCH") return each.taskInfos;
    return each.type === "LAUNCH_GROUP" ? each.taskGroup.tasks : [];
  });
}
