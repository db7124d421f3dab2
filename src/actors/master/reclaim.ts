/**
 * What a role lent comes back when its guarantee asks for it: the allocator names what and of whom;
 * here offers are taken back at once, and tasks are given notice, then killed. Whom it is not needed
 * of any more keeps what it has.
 */
import type { Reclaim } from "#allocator";
import { Quantities, type Resources } from "#resources";
import { rescind } from "./offers.ts";
import type { TaskRecord } from "./records.ts";
import { note, type Turn } from "./state.ts";
import { killTask } from "./tasks.ts";
import { masterStatus, tell } from "./tell.ts";

/** After an allocation run: gives notice, withdraws it, and kills whose notice is over. */
export function reclaimLent(turn: Turn): void {
  const { state, env, out } = turn;
  if (state.muted) return;
  const reclaims = state.allocator.reclaims(env.nowMs);
  if (reclaims.length === 0 && state.notices.size === 0) return;
  const wanted = new Set<TaskRecord>();
  for (const reclaim of merged(reclaims)) {
    const rest = takeOffers(turn, reclaim);
    for (const task of tasksFor(turn, reclaim, rest)) {
      wanted.add(task);
      giveNotice(turn, task, reclaim.lender);
    }
  }
  for (const [task, { untilMs, lender }] of state.notices) {
    if (!wanted.has(task)) {
      state.notices.delete(task);
      if (task.holds) out.push({ kind: "count", name: "reclaims", reason: "notice-withdrawn" });
    } else if (env.nowMs >= untilMs && task.kill === undefined) {
      out.push({ kind: "count", name: "reclaims", reason: "task-killed" });
      const { taskId, frameworkId } = task;
      note(turn, "info", "kills a task for what it borrowed", { taskId, frameworkId, lender });
      killTask(turn, task, undefined, lender);
    }
  }
}

/** What was lent at different times to the same holder is asked back as one. */
function merged(reclaims: readonly Reclaim[]): Iterable<Reclaim> {
  const byHolder = new Map<string, Reclaim>();
  for (const reclaim of reclaims) {
    const key = JSON.stringify([reclaim.frameworkId, reclaim.agentId, reclaim.role]);
    const known = byHolder.get(key);
    const resources = known?.resources.add(reclaim.resources) ?? reclaim.resources;
    byHolder.set(key, { ...{}, ...(known ?? reclaim), resources });
  }
  return byHolder.values();
}

/** Takes back what is only on offer; what tasks must still give is left. */
function takeOffers(turn: Turn, { frameworkId, agentId, role, lender, resources }: Reclaim) {
  const { state, out } = turn;
  let rest = lentIn(resources);
  for (const offerId of [...(state.frameworks.get(frameworkId)?.offers ?? [])].reverse()) {
    const offer = state.offers.get(offerId);
    if (offer === undefined || offer.agentId !== agentId || offer.role !== role) continue;
    const lent = lentIn(offer.resources);
    if (rest.isEmpty || !helps(lent, rest)) continue;
    rest = rest.subtract(lent);
    out.push({ kind: "count", name: "reclaims", reason: "offer-rescinded" });
    rescind(turn, offer, "rescinded", `${lender} asks for what it lent`);
  }
  return rest;
}

/** The youngest that hold as much, those with notice before all others. */
function tasksFor(
  { state }: Turn,
  { frameworkId, agentId, role }: Reclaim,
  needed: Quantities,
): TaskRecord[] {
  const named: TaskRecord[] = [];
  let rest = needed;
  const tasks = [...(state.agents.get(agentId)?.tasks ?? [])]
    .filter((task) => task.frameworkId === frameworkId && task.role === role && task.holds)
    .sort((a, b) => {
      const noticed = Number(state.notices.has(b)) - Number(state.notices.has(a));
      return noticed || b.launchedAtMs - a.launchedAtMs;
    });
  for (const task of tasks) {
    const lent = lentIn(task.resources);
    if (rest.isEmpty) break;
    if (!helps(lent, rest)) continue;
    rest = rest.subtract(lent);
    named.push(task);
  }
  return named;
}

function giveNotice(turn: Turn, task: TaskRecord, lender: string): void {
  const { state, env, out } = turn;
  if (state.notices.has(task)) return;
  const { reclaimNoticeMs } = state.settings;
  state.notices.set(task, { lender, untilMs: env.nowMs + reclaimNoticeMs });
  out.push({ kind: "count", name: "reclaims", reason: "notice-given" });
  const seconds = reclaimNoticeMs / 1000;
  const message = `${lender} asks for what it lent: the task is killed in ${seconds} s`;
  const reason = "REASON_CONTAINER_PREEMPTED";
  const status = masterStatus(turn, task, task.state, { reason, message });
  tell(turn, task.frameworkId, status);
  state.publisher.taskUpdated(task, status);
}

function lentIn(resources: Resources): Quantities {
  return resources.traits.revocable ? resources.revocable().quantities() : Quantities.EMPTY;
}

function helps(lent: Quantities, rest: Quantities): boolean {
  return rest.names().some((name) => lent.get(name) > 0);
}
