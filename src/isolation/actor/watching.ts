/**
 * Rounds over the containers whose bounds no kernel keeps: one after the other is measured, and
 * ended where it is past them. At most one measure of a kind is in hand, however many there are.
 */
import type { Effect, LauncherEvent } from "#runtime";
import { overstepped, type Watched, wishOf } from "../watch.ts";
import { kill } from "./lives.ts";
import type { IsolatorState } from "./state.ts";

const KINDS: readonly Watched[] = ["disk", "ports"];

const timerOf = (watched: Watched): string => `watch-${watched}`;

/** Which round a timer begins; null for the other timers. */
export function watchedOf(timer: string): Watched | null {
  return KINDS.find((watched) => timerOf(watched) === timer) ?? null;
}

/** The first round comes a whole interval after the beginning. */
export function beginWatching(state: IsolatorState, out: Effect[]): void {
  for (const watched of KINDS) pause(state, watched, out);
}

function pause({ config }: IsolatorState, watched: Watched, out: Effect[]): void {
  const { diskMs, portsMs } = config.watch ?? {};
  const inMs = watched === "disk" ? diskMs : portsMs;
  if (inMs !== undefined) out.push({ kind: "timer", name: timerOf(watched), inMs });
}

export function beginRound(state: IsolatorState, watched: Watched, out: Effect[]): void {
  state.rounds[watched] = [...state.containers.keys()];
  next(state, watched, out);
}

function next(state: IsolatorState, watched: Watched, out: Effect[]): void {
  const round = state.rounds[watched];
  for (let id = round.shift(); id !== undefined; id = round.shift()) {
    const container = state.containers.get(id);
    if (container === undefined || !container.launched || container.limitation !== null) continue;
    if (container.progress.step !== "destroying" || container.exit !== null) continue;
    const wish = wishOf(id, container.watch, watched);
    if (wish === null) continue;
    const token = `${timerOf(watched)}/${id}`;
    return void out.push({ kind: "launcher", request: { token, call: "measure", wish } });
  }
  pause(state, watched, out);
}

type Measured = Extract<LauncherEvent, { readonly event: "answer"; readonly call: "measure" }>;

export function measured(state: IsolatorState, { token, answer }: Measured, out: Effect[]): void {
  const [timer = "", containerId = ""] = token.split("/");
  const watched = watchedOf(timer);
  if (watched === null) return void out.push(count("late-answer", "measure"));
  const container = state.containers.get(containerId);
  if (!answer.ok) out.push(count("measure-failed", answer.reason));
  else if (container !== undefined && container.exit === null) {
    container.limitation ??= overstepped(container.watch, watched, answer.measure);
    if (container.limitation !== null) {
      out.push(count("limitation", container.limitation.resource));
      kill(container, 0, out);
    }
  }
  next(state, watched, out);
}

function count(name: string, reason: string): Effect {
  return { kind: "count", name, reason };
}
