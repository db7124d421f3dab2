/** Faults of machines, of what runs on them, and of custom executors. */
import { type Applied, type Fault, type FaultArgs, type FaultTarget, firstUp } from "./fault.ts";
import type { SimContainer, SimMachine } from "../ports/machine.ts";
import { halted } from "./process.ts";

/** Does something to one of the running containers of a machine. */
function toContainer(
  target: FaultTarget,
  args: FaultArgs,
  act: (machine: SimMachine, container: SimContainer) => void,
): Applied | undefined {
  const machine = firstUp(target, args)?.machine;
  const running = [...(machine?.containers.values() ?? [])].filter((one) => one.running);
  const victim = running[(args.by ?? 0) % Math.max(1, running.length)];
  if (machine === undefined || victim === undefined) return undefined;
  act(machine, victim);
  return {};
}

const CODE_MAX = 255;

/** A process ends with a code that its script does not say; its scheduler is to expect it. */
function exits(target: FaultTarget, args: FaultArgs): Applied | undefined {
  return toContainer(target, args, (machine, container) => {
    // The executor of a command bears the task's own id.
    const taskId = container.plan.env["MESOS_EXECUTOR_ID"] ?? "";
    for (const { name } of target.members("framework")) target.scheduler(name)?.mayFail(taskId);
    machine.exits(container, 1 + ((args.by ?? 0) % CODE_MAX));
  });
}

export const CLUSTER_FAULTS: readonly Fault[] = [
  {
    name: "launcher-dies",
    group: "cluster",
    statement: "a launcher ends; its containers go on",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyAgent",
    apply: (target, args) => {
      const launcher = firstUp(target, args)?.launcher();
      if (launcher === undefined) return undefined;
      launcher.die();
      return {};
    },
  },
  {
    name: "kill-ignored",
    group: "executor",
    statement: "processes of a machine do not die of SIGKILL for a while",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyAgent",
    by: { low: 1_000, high: 12_000, unit: "ms" },
    apply: (target, args) => {
      const machine = firstUp(target, args)?.machine;
      if (machine === undefined) return undefined;
      machine.killIgnoredUntilMs = target.network.world.nowMs + (args.by ?? 5_000);
      return {};
    },
  },
  {
    name: "agent-reboot",
    group: "cluster",
    statement: "the power of a machine goes: its agent and all its containers end",
    weight: 1,
    lastsMs: [5_000, 40_000],
    on: "anyAgent",
    milder: "crash-agent",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      member.crash("reboot");
      member.machine?.reboot();
      return { heal: () => member.restart() };
    },
  },
  {
    name: "agent-replaced",
    group: "cluster",
    statement: "a machine is installed anew: the same name comes back as another agent",
    weight: 1,
    lastsMs: [2_000, 20_000],
    on: "anyAgent",
    milder: "agent-reboot",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      member.replace();
      return { heal: () => member.restart() };
    },
  },
  {
    name: "task-oom",
    group: "executor",
    statement: "the kernel ends a container that needs more memory than it may have",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyAgent",
    by: { low: 0, high: 1_000, unit: "th of the running ones" },
    apply: (target, args) =>
      toContainer(target, args, (machine, container) => machine.outOfMemory(container)),
  },
  {
    name: "task-exits",
    group: "executor",
    statement: "a process of a task or of its executor ends by itself, with a code but zero",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyAgent",
    by: { low: 0, high: 1_000, unit: "th of the running ones, and the code" },
    apply: exits,
  },
  {
    name: "executor-hang",
    group: "executor",
    statement: "the process of a custom executor stands still",
    weight: 1,
    lastsMs: [500, 10_000],
    on: "anyExecutor",
    apply: (target, { on }) =>
      halted(
        "pause",
        target.executors().filter(({ name, paused }) => on.includes(name) && !paused),
      ),
  },
  {
    name: "executor-disconnect",
    group: "executor",
    statement: "the connection of a custom executor is reset",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyExecutor",
    apply: (target, { on }) => {
      const [name] = on;
      if (name === undefined) return undefined;
      target.network.disconnect(name, "connection reset");
      return {};
    },
  },
];
