/**
 * LV: after the heal there is one leader, and every agent that is up is registered with it. That
 * all work ends is T1's affair, that all updates arrive U1's.
 */
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** A leader that has not been heard for so long is none. */
const BEACON_SILENCE_MS_MAX = 20_000;

export function livenessChecker(world: CheckedWorld, violate: Violate): Checker {
  let leader = { epoch: 0, node: "nobody", atMs: 0 };
  /** Epoch in which an agent was registered last, by its principal. */
  const registered = new Map<string, number>();
  return {
    id: "LV",
    statement: "after the heal a leader exists and every agent is registered with it",
    sees: { said: ["master"] },
    kinds: ["Beacon", "AgentRegistered"],
    on(observation: Observation): void {
      if (observation.what !== "said" || observation.frame.speaker !== "master") return;
      const { node, frame } = observation;
      for (const { kind } of frame.messages) {
        if (kind === "Beacon" && frame.epoch >= leader.epoch) {
          leader = { epoch: frame.epoch, node: node.name, atMs: world.nowMs };
        }
        if (kind === "AgentRegistered") {
          registered.set(frame.subject.split(".").at(-1) ?? "", frame.epoch);
        }
      }
    },
    settled(): void {
      if (world.nowMs - leader.atMs > BEACON_SILENCE_MS_MAX) {
        violate("LV", `no leader: ${leader.node} was heard last at ${leader.atMs.toFixed(0)} ms`);
      }
      for (const [principal, up] of world.agents()) {
        if (up && registered.get(principal) !== leader.epoch) {
          const epoch = registered.get(principal) ?? 0;
          violate("LV", `${principal} is registered in epoch ${epoch}, not ${leader.epoch}`);
        }
      }
    },
  };
}
