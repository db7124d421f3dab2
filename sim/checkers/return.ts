/**
 * F1: what a leader was told of it knows. From the moment in which it has said that an agent is
 * registered, each task that the agent brought, and each that was launched there since, counts as
 * live until its end is heard or the log gives the agent up: nobody is told that it is unknown,
 * lost or gone before that. Of a framework that is shut down nobody asks any more: who asks after
 * the same name is another framework, which never had it.
 */
import { type AnyMessage, isTerminal, type Peer } from "#protocol";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { CommittedOperations } from "./committed.ts";
import { LeaderHeard } from "./offer-ends.ts";

/** What is said of tasks that no agent is known to have. */
const NOWHERE: ReadonlySet<string> = new Set([
  "TASK_UNKNOWN",
  "TASK_UNREACHABLE",
  "TASK_LOST",
  "TASK_DROPPED",
  "TASK_GONE",
  "TASK_GONE_BY_OPERATOR",
]);

/** An agent that registers: until it is told so, nothing can be said of what it has. */
interface Coming {
  readonly agentId: string;
  /** Live ones, and the frameworks whose they are. */
  readonly tasks: Map<string, string>;
}

/** Who has a task, and whose it is. */
interface Held {
  readonly agentId: string;
  readonly frameworkId: string;
}

/** What the leader of one epoch knows of tasks. */
class Known {
  readonly epoch: number;
  /** Live tasks. */
  readonly tasks = new Map<string, Held>();
  readonly coming = new Map<Peer, Coming>();

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  forget(agentId: string): void {
    for (const [taskId, held] of this.tasks) {
      if (held.agentId === agentId) this.tasks.delete(taskId);
    }
  }

  shutDown(frameworkId: string): void {
    for (const [taskId, held] of this.tasks) {
      if (held.frameworkId === frameworkId) this.tasks.delete(taskId);
    }
  }

  heard(message: AnyMessage, speaker: Peer): void {
    if (message.kind === "StatusUpdate") {
      const { latestState, status } = message.body;
      if (!isTerminal(latestState)) return;
      this.tasks.delete(status.taskId);
      this.coming.get(speaker)?.tasks.delete(status.taskId);
    }
    if (message.kind !== "RegisterAgent") return;
    const { agent, part, tasks } = message.body;
    const { agentId } = agent;
    if (part === 0) {
      this.forget(agentId);
      this.coming.set(speaker, { agentId, tasks: new Map() });
    }
    const entry = this.coming.get(speaker);
    for (const { info, frameworkId, state } of tasks) {
      if (!isTerminal(state)) entry?.tasks.set(info.taskId, frameworkId);
    }
  }

  registered(peer: Peer): void {
    const entry = this.coming.get(peer);
    if (entry === undefined) return;
    this.coming.delete(peer);
    const { agentId } = entry;
    for (const [taskId, frameworkId] of entry.tasks) {
      this.tasks.set(taskId, { agentId, frameworkId });
    }
  }
}

export function returnChecker(world: CheckedWorld, violate: Violate): Checker {
  const committed = new CommittedOperations(world);
  const leader = new LeaderHeard();
  let known = new Known(0);
  const readLog = (): void => {
    for (const operation of committed.fresh()) {
      const { kind } = operation;
      if (kind === "AgentMarkedUnreachable" || kind === "AgentMarkedGone") {
        known.forget(operation.agentId);
      }
    }
  };
  const said = (message: AnyMessage, subject: string): void => {
    switch (message.kind) {
      case "AgentRegistered":
        return known.registered(`agent.${subject.split(".").at(-1)}` as Peer);
      case "RunTask": {
        const { frameworkId, task } = message.body;
        return void known.tasks.set(task.taskId, { agentId: task.agentId, frameworkId });
      }
      case "RunTaskGroup":
        for (const { taskId, agentId } of message.body.taskGroup.tasks) {
          known.tasks.set(taskId, { agentId, frameworkId: message.body.frameworkId });
        }
        return;
      case "ShutdownFramework":
        return known.shutDown(message.body.frameworkId);
      case "UPDATE": {
        const { taskId, state, source } = message.body.status;
        if (source !== "SOURCE_MASTER" || !NOWHERE.has(state)) return;
        readLog();
        const held = known.tasks.get(taskId);
        if (held === undefined) return;
        const { agentId } = held;
        violate("F1", `${taskId} is said to be ${state} while ${agentId} is registered with it`);
        return;
      }
      default:
        return;
    }
  };
  return {
    id: "F1",
    statement: "a leader knows every task that a registered agent brought or was given",
    sees: { said: ["master"], heard: ["agent"] },
    on(observation: Observation): void {
      if (observation.what === "said" && leader.says(observation)) {
        const { epoch, messages, subject } = observation.frame;
        if (epoch !== known.epoch) known = new Known(epoch);
        for (const message of messages) said(message, subject);
      } else if (observation.what === "heard" && leader.hears(observation)) {
        const { messages, speaker } = observation.frame;
        for (const message of messages) known.heard(message, speaker);
      }
    },
  };
}
