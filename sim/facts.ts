/**
 * What can be seen of each role's actor in the trace: its lifecycle, the epoch it is in, how
 * many of everything it knows, and the state of each task that lives. For people only: no
 * checker reads it, and the digest does not depend on it.
 */
import type { AgentState } from "#actors/agent";
import type { MasterState } from "#actors/master";
import { isTerminal } from "#protocol";
import type { RunningActor, TraceFact } from "#runtime";

export type Facts = Readonly<Record<string, TraceFact>>;
type Changing = Record<string, TraceFact>;

/** What the framework driver shows of itself. */
interface FrameworkView {
  readonly frameworkId: string | undefined;
  readonly subscribedEpoch: number;
  readonly pending: ReadonlyMap<unknown, unknown>;
  readonly offers: ReadonlyMap<string, unknown>;
  readonly tasks: ReadonlyMap<string, { readonly state: Parameters<typeof isTerminal>[0] }>;
}

function tally(facts: Changing, name: string): void {
  facts[name] = Number(facts[name] ?? 0) + 1;
}

export function masterFacts(actor: RunningActor<MasterState>): Facts {
  const { state } = actor;
  const facts: Changing = {
    lifecycle: actor.lifecycle(),
    epoch: state.epoch,
    position: state.head.position,
    offers: state.offers.size,
    tasks: 0,
  };
  for (const { condition, principal } of state.agents.values()) {
    tally(facts, `agents ${condition}`);
    facts[`agent ${principal}`] = condition;
  }
  for (const { connected, tasks, info } of state.frameworks.values()) {
    facts[`framework ${info.name}`] = connected ? "connected" : "disconnected";
    for (const task of tasks.values()) {
      if (isTerminal(task.state)) continue;
      tally(facts, "tasks");
      facts[`task ${task.taskId}`] = task.state;
    }
  }
  return facts;
}

export function agentFacts(actor: RunningActor<AgentState>): Facts {
  const { model, meta, links } = actor.state;
  const facts: Changing = {
    lifecycle: actor.lifecycle(),
    epoch: meta.epoch,
    incarnation: meta.incarnation,
    tasks: 0,
    executors: links.size,
    updates: 0,
  };
  for (const { info, state, updates, kill } of model.tasks.values()) {
    facts["updates"] = Number(facts["updates"]) + updates.length;
    if (isTerminal(state)) continue;
    tally(facts, "tasks");
    facts[`task ${info.taskId}`] = kill === null ? state : `${state}, to be killed (${kill.why})`;
  }
  return facts;
}

export function frameworkFacts(actor: RunningActor<FrameworkView>): Facts {
  const { frameworkId = "none yet", subscribedEpoch, pending, offers, tasks } = actor.state;
  const facts: Changing = {
    lifecycle: actor.lifecycle(),
    frameworkId,
    epoch: subscribedEpoch,
    "calls open": pending.size,
    offers: offers.size,
    tasks: 0,
  };
  for (const [taskId, { state }] of tasks) {
    if (isTerminal(state)) continue;
    tally(facts, "tasks");
    facts[`task ${taskId}`] = state;
  }
  return facts;
}
