/**
 * Whether this master may speak: mute while the lead is not proven (P-7.2), and for good once it
 * gives the lead away (P-7.3). It reads and appends nothing by itself.
 */
import { note, propose, refuse, type Turn } from "./state.ts";

/** Before every batch and every write: may this master speak? */
export function mindMute(turn: Turn): void {
  const { state, env, out } = turn;
  if (state.lead === undefined) return;
  const mute = state.yielding || state.lead.isMute(env.nowMs);
  if (mute === state.muted) return;
  state.muted = mute;
  out.push({ kind: "mute", mute });
  if (mute) refuse(turn, "mute", "muted");
  note(turn, mute ? "warn" : "info", mute ? "mute: the lead is not proven" : "speaks again");
}

/**
 * Gives the lead away (P-7.3): from here on this master is silent, and says so in the log. Whoever
 * reads it leads at once. False when the log takes nothing right now.
 */
export function yieldLead(turn: Turn): boolean {
  const { state } = turn;
  const { masterId } = state.settings;
  if (state.yielding) return true;
  if (!propose(turn, { kind: "LeadYielded", masterId })) return false;
  state.yielding = true;
  mindMute(turn);
  note(turn, "info", "gives the lead away", { epoch: state.epoch });
  return true;
}

/** It is in the log: somebody else leads from here on. */
export function leadYielded({ state, out }: Turn): void {
  const why = `${state.settings.masterId} has given the lead away`;
  out.push({ kind: "fence", why });
  out.push({ kind: "lifecycle", event: { type: "Depose" } });
}
