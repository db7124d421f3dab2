/**
 * Where a task is put: its record on disk, and the container that is asked of the isolator for
 * it. Judges nothing but what the machine itself must know, its users.
 */
import {
  asId,
  type CommandInfo,
  type ContainerId,
  type FrameworkId,
  type Resource,
  type StatusReason,
  type TaskInfo,
  type TaskState,
} from "#protocol";
import { type LaunchSpec, type PersistentVolume, sandboxInside } from "#isolation";
import { Resources } from "#resources";
import type { ContainerUser, Effect, Env } from "#runtime";
import { type Task, type TaskManner, taskKey } from "./checkpoint.ts";
import { sandboxPath } from "./sandbox.ts";
import { type AgentState, ask, commit, executorIdOf, reserve } from "./state.ts";
import { type StatusFields, update } from "./updates.ts";

/** Why a task does not run, and what its framework is told. */
export interface Flaw {
  readonly state: Extract<TaskState, "TASK_ERROR" | "TASK_DROPPED">;
  readonly reason: StatusReason;
  readonly message: string;
}

export interface Wanted {
  readonly frameworkId: FrameworkId;
  readonly task: TaskInfo;
  readonly groupId: string | null;
}

export function place(
  state: AgentState,
  { frameworkId, task, groupId, manner }: Wanted & { readonly manner: TaskManner },
  env: Env,
): Task {
  const containerId = asId<ContainerId>(env.random.uuid());
  return placeIn(state, { frameworkId, task, groupId, manner, containerId }, env);
}

/** Writes the task down. It is known from here on, whatever happens. */
export function placeIn(
  state: AgentState,
  wanted: Wanted & { readonly manner: TaskManner; readonly containerId: ContainerId },
  env: Env,
): Task {
  const { frameworkId, task: info, groupId, manner, containerId } = wanted;
  commit(state, {
    k: "task",
    task: {
      frameworkId,
      executorId: executorIdOf(info),
      info,
      manner,
      containerId,
      groupId,
      acceptedAtMs: env.wallMs,
      bootId: state.bootId,
    },
  });
  if (manner !== "refused") reserve(state, info.resources);
  const task = state.model.tasks.get(taskKey(frameworkId, info.taskId));
  if (task === undefined) throw new Error(`task ${info.taskId}: written and not found`);
  return task;
}

/** Never ran: kept until its update is acknowledged, like any other. */
export function refuse(
  state: AgentState,
  wanted: Wanted,
  { state: to, reason, message }: Flaw,
  env: Env,
  out: Effect[],
): void {
  const task = place(state, { ...{}, ...wanted, manner: "refused" }, env);
  out.push({ kind: "count", name: "task-refused", reason });
  const fields: StatusFields = { state: to, source: "SOURCE_AGENT", reason, message };
  update(state, task, fields, env, out);
}

/** Asks for the container, once the task is on disk. */
export function start(state: AgentState, task: Task, env: Env, out: Effect[]): void {
  const { command } = task.info;
  const user = command === undefined ? "no command" : userOf(state, task.frameworkId, command);
  if (command === undefined || typeof user === "string") {
    const reason = "REASON_CONTAINER_LAUNCH_FAILED" as const;
    const message = String(user);
    const fields = { state: "TASK_FAILED", source: "SOURCE_AGENT", reason, message } as const;
    return void update(state, task, fields, env, out);
  }
  const { killGraceMs } = state.config;
  const spec: LaunchSpec = {
    argv: argvOf(command),
    env: environmentOf(state, task, command),
    user: userSpec(user),
    sandbox: sandboxPath(state.config.workDir, task.containerId),
    resources: wholeCostOf(state, task.info.resources),
    limits: limitsOf(task.info),
    graceMs: task.info.killPolicy?.gracePeriodMs ?? killGraceMs,
    owner: { frameworkId: task.frameworkId, taskId: task.info.taskId },
    ...insideOf(task.info, command),
  };
  ask(state, { kind: "LaunchContainer", containerId: task.containerId, spec }, out);
}

/** What it asks of the inside of its container; absent fields are asked by nobody. */
export function insideOf(
  { container, resources }: Pick<TaskInfo, "container" | "resources">,
  command: CommandInfo,
): Pick<LaunchSpec, "container" | "persistentVolumes" | "secretEnv"> {
  const secretEnv = (command.environment?.variables ?? []).flatMap(({ name, secret }) =>
    secret === undefined ? [] : [{ name, secret }],
  );
  const persistentVolumes = resources.flatMap(
    ({ disk, reservations, scalar }): PersistentVolume[] => {
      const { persistence, volume } = disk ?? {};
      const role = reservations?.at(-1)?.role;
      if (persistence === undefined || volume === undefined || role === undefined) return [];
      const { containerPath, mode } = volume;
      return [{ role, id: persistence.id, containerPath, mode, mib: mibOf(scalar?.milli ?? 0) }];
    },
  );
  return {
    ...{},
    ...(container === undefined ? {} : { container }),
    ...(persistentVolumes.length === 0 ? {} : { persistentVolumes }),
    ...(secretEnv.length === 0 ? {} : { secretEnv }),
  };
}

const mibOf = (milli: number): number => Math.floor(milli / 1_000);

/** What of the disk is the sandbox's own, MiB; undefined where it asks for none. */
function sandboxMib(wire: readonly Resource[]): number | undefined {
  const own = wire.filter(({ name, disk }) => name === "disk" && disk?.persistence === undefined);
  if (own.length === 0) return undefined;
  return mibOf(own.reduce((sum, { scalar }) => sum + (scalar?.milli ?? 0), 0));
}

export function argvOf(command: CommandInfo): readonly [string, ...string[]] {
  if (command.shell) return ["/bin/sh", "-c", command.value];
  // `arguments` is the whole argv: its first word is what the program calls itself.
  return [command.value, ...(command.arguments ?? []).slice(1)];
}

export function costOf(wire: readonly Resource[]): LaunchSpec["resources"] {
  const resources = Resources.fromWire(wire);
  const diskMib = sandboxMib(wire);
  const ports = resources.ports().map(({ begin, end }): [number, number] => [begin, end]);
  return {
    cpuMilli: resources.nonRevocable().cpusMilli,
    cpuMilliRevocable: resources.revocable().cpusMilli,
    memMib: Math.ceil(resources.memMilli / 1_000),
    ...(resources.get("gpus") > 0 ? { gpus: Math.ceil(resources.get("gpus") / 1_000) } : {}),
    ...(diskMib === undefined ? {} : { diskMib }),
    ...(ports.length === 0 ? {} : { ports }),
  };
}

/** With what the agent's own executor costs. */
export function wholeCostOf(
  { config }: AgentState,
  wire: readonly Resource[],
): LaunchSpec["resources"] {
  const cost = costOf(wire);
  return {
    ...{},
    ...cost,
    cpuMilli: cost.cpuMilli + config.commandOverheadCpuMilli,
    memMib: cost.memMib + config.commandOverheadMemMib,
  };
}

export function limitsOf({
  limits,
  controls,
}: Pick<TaskInfo, "limits" | "controls">): LaunchSpec["limits"] {
  const limit = (name: string, per: number): number | "infinite" | null => {
    const milli = limits?.[name];
    if (milli === undefined) return null;
    return milli < 0 ? "infinite" : Math.ceil(milli / per);
  };
  const amounts = { cpuMilli: limit("cpus", 1), memMib: limit("mem", 1_000), pids: null };
  return { ...{}, ...amounts, ...controls };
}

/**
 * Who it runs as: the command's user, else the framework's; null where everything runs as the
 * agent. A sentence where this machine knows no such user.
 */
export function userOf(
  state: AgentState,
  frameworkId: FrameworkId,
  command: CommandInfo,
): ContainerUser | null | string {
  const { userOf: find } = state.config;
  const name = command.user ?? state.model.frameworks.get(frameworkId)?.info.user ?? "";
  if (find === null || name === "") return null;
  return find(name) ?? `user: this machine knows no user ${JSON.stringify(name)}`;
}

export function userSpec(user: ContainerUser | null): LaunchSpec["user"] {
  return user === null ? null : { ...{}, ...user, groups: [...user.groups] };
}

/** Names as in Mesos, so that what reads them there reads them here. */
export function environmentOf(
  state: AgentState,
  task: Pick<Task, "frameworkId" | "executorId" | "containerId" | "info">,
  command: CommandInfo,
  owner: Pick<TaskInfo, "container"> = task.info,
): Readonly<Record<string, string>> {
  const { environment, workDir, agentId, hostname } = state.config;
  const { container } = owner;
  const sandbox = sandboxInside({
    sandbox: sandboxPath(workDir, task.containerId),
    ...(container === undefined ? {} : { container }),
  });
  const role = task.info.resources.find(({ allocationInfo }) => allocationInfo)?.allocationInfo;
  const found: Record<string, string> = { ...{}, ...environment, HOME: sandbox };
  for (const { name, value, secret } of command.environment?.variables ?? []) {
    if (secret === undefined) found[name] = value;
  }
  return Object.assign(found, {
    MESOS_SANDBOX: sandbox,
    MESOS_DIRECTORY: sandbox,
    MESOS_TASK_ID: task.info.taskId,
    MESOS_EXECUTOR_ID: task.executorId,
    MESOS_FRAMEWORK_ID: task.frameworkId,
    MESOS_AGENT_ID: agentId,
    MESOS_SLAVE_ID: agentId,
    MESOS_CONTAINER_ID: task.containerId,
    MESOS_HOSTNAME: hostname,
    ...(role === undefined ? {} : { MESOS_ALLOCATION_ROLE: role.role }),
  });
}
