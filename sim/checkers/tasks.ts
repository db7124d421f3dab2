/**
 * T1, T2, T3, I1: no task is lost or runs twice. A task id is sent to one agent only and started
 * in one container only; its states move along the table; what ended stays ended; whose agent is
 * lost is told so; and at rest nothing runs that its scheduler believes over, nor is anything over
 * that it waits for.
 */
import { isTerminal, type TaskState, taskMove } from "#protocol";
import type { Observation, SeenFrame } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedOperations } from "./committed.ts";
import { ENDING_KINDS, Endings } from "./endings.ts";

interface SeenTask {
  agent: string | undefined;
  frameworkId: string | undefined;
  state: TaskState | undefined;
  containers: Set<string>;
  /** What its scheduler was told last, and when it was last told that it is over or lost. */
  told: TaskState | undefined;
  toldOverMs: number;
  /** When the log said that its agent is lost while it was live. */
  agentLostMs: number | undefined;
}

/** States of which the scheduler need not expect more. */
function isOver(state: TaskState | undefined): boolean {
  return state !== undefined && (isTerminal(state) || OVER.has(state));
}

const OVER: ReadonlySet<string> = new Set(["TASK_UNREACHABLE", "TASK_UNKNOWN"]);

class Tasks {
  readonly #world: CheckedWorld;
  readonly #violate: Violate;
  readonly #tasks = new Map<string, SeenTask>();
  readonly #byAgent = new Map<string, Set<SeenTask>>();
  readonly #committed: CommittedOperations;
  readonly #endings = new Endings();
  /** Updates are told again until acknowledged; only the first word of each counts as a move. */
  readonly #known = new Set<string>();

  constructor(world: CheckedWorld, violate: Violate) {
    this.#world = world;
    this.#violate = violate;
    this.#committed = new CommittedOperations(world);
  }

  on(observation: Observation): void {
    this.#endings.on(observation);
    if (observation.what === "told") this.#told(observation.taskId, observation.state as TaskState);
    if (observation.what === "said") this.#said(observation.frame);
  }

  #taskOf(id: string): SeenTask {
    let task = this.#tasks.get(id);
    if (task === undefined) {
      task = {
        agent: undefined,
        frameworkId: undefined,
        state: undefined,
        containers: new Set(),
        told: undefined,
        toldOverMs: Number.NEGATIVE_INFINITY,
        agentLostMs: undefined,
      };
      this.#tasks.set(id, task);
    }
    return task;
  }

  #told(taskId: string, state: TaskState): void {
    const task = this.#taskOf(taskId);
    // An instance that was displaced while it was cut off hears late what its successor knows better.
    if (task.told === undefined || !isTerminal(task.told) || isTerminal(state)) task.told = state;
    if (isOver(state)) task.toldOverMs = this.#world.nowMs;
  }

  #said({ messages, speaker }: SeenFrame): void {
    for (const message of messages) {
      if (message.kind === "RunTask") {
        const { task, frameworkId } = message.body;
        this.#sent(task.taskId, task.agentId, frameworkId);
      }
      if (message.kind === "RunTaskGroup") {
        const { taskGroup, frameworkId } = message.body;
        for (const { taskId, agentId } of taskGroup.tasks) this.#sent(taskId, agentId, frameworkId);
      }
      if (message.kind !== "StatusUpdate" || !speaker.startsWith("agent.")) continue;
      const { taskId, state, uuid, containerStatus } = message.body.status;
      if (uuid !== undefined && this.#known.has(uuid)) continue;
      if (uuid !== undefined) this.#known.add(uuid);
      this.#moved(taskId, state, containerStatus?.containerId);
    }
  }

  #sent(taskId: string, agentId: string, frameworkId: string): void {
    const task = this.#taskOf(taskId);
    if (task.agent !== undefined && task.agent !== agentId) {
      this.#violate("T2", `${taskId} was sent to ${task.agent} and to ${agentId}`);
    }
    task.agent = agentId;
    task.frameworkId = frameworkId;
    const there = this.#byAgent.get(agentId);
    if (there === undefined) this.#byAgent.set(agentId, new Set([task]));
    else there.add(task);
  }

  #moved(taskId: string, state: TaskState, container: string | undefined): void {
    const task = this.#taskOf(taskId);
    if (container !== undefined) task.containers.add(container);
    if (task.containers.size > 1) {
      const names = [...task.containers].join(" and ");
      this.#violate("T2", `${taskId} runs in the containers ${names}`);
    }
    if (task.state === state) return;
    if (task.state !== undefined && !taskMove(task.state, state)) {
      this.#violate("T2", `${taskId} goes from ${task.state} to ${state}`);
    }
    task.state = state;
  }

  /** Reads what the log has said of agents. */
  recount(): void {
    for (const operation of this.#committed.fresh()) {
      const isLost = operation.kind === "AgentMarkedUnreachable";
      if (!isLost && operation.kind !== "AgentMarkedGone") continue;
      const there = this.#byAgent.get(operation.agentId) ?? new Set();
      for (const task of there) {
        if (isOver(task.state) || isOver(task.told)) there.delete(task);
        else task.agentLostMs = this.#world.nowMs;
      }
    }
  }

  settled(): void {
    const violate = this.#violate;
    for (const [framework, item] of this.#world.unfinished()) {
      violate("LV", `${framework} still waits for ${item}`);
    }
    for (const wrong of this.#world.wrong()) violate("T1", wrong);
    // While work goes on tasks run: only a cluster at rest can have lost one.
    if ([...this.#world.unfinished()].length > 0) return;
    for (const [machine, containers] of this.#world.running()) {
      for (const container of containers) {
        violate("I1", `${machine} still runs container ${container} though all work is over`);
      }
    }
    for (const [id, task] of this.#tasks) this.#judge(id, task);
  }

  #judge(id: string, { agent, state, frameworkId, told, agentLostMs, toldOverMs }: SeenTask): void {
    const violate = this.#violate;
    if (this.#endings.hasEnded(frameworkId)) return;
    if (state !== undefined && !isTerminal(state) && !this.#endings.isReplaced(agent)) {
      violate("T1", `${id} on ${agent} was last said to be ${state}`);
    }
    if (agent === undefined) return;
    if (!isOver(told)) {
      violate("T1", `${id} was launched on ${agent}; its scheduler was last told ${told}`);
    }
    if (agentLostMs !== undefined && toldOverMs < agentLostMs) {
      violate("T3", `${id} was on ${agent}, which was lost; its scheduler was never told`);
    }
  }
}

export function taskChecker(world: CheckedWorld, violate: Violate): Checker {
  const tasks = new Tasks(world, violate);
  return {
    id: "T1",
    statement: "no task is lost, none runs twice, states move along the table",
    sees: { said: ["master", "agent", "framework"], told: "all", fault: "all" },
    kinds: ["RunTask", "RunTaskGroup", "StatusUpdate", ...ENDING_KINDS],
    on: (observation) => tasks.on(observation),
    recount: () => tasks.recount(),
    settled: () => {
      tasks.recount();
      tasks.settled();
    },
  };
}
