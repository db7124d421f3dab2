/**
 * E2: two masters do not speak at once while their clocks run at nearly equal rates (P-7.2,
 * P-7.3): after a leader has said its first word, no master of a lower epoch says another one. A
 * machine that slept cannot know; its epoch is the fence then.
 */
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

/** Between the decision to speak and the last frame of that batch. */
const TOLERANCE_MS = 50;

export function leadChecker(world: CheckedWorld, violate: Violate): Checker {
  let leads = { epoch: 0, node: "nobody", sinceMs: 0 };
  /** Nodes whose monotonic clock stood still in their present life. */
  const slept = new Map<string, number>();
  return {
    id: "E2",
    statement: "a leader that has been succeeded is silent before its successor speaks",
    sees: { said: ["master"], fault: "all" },
    on(observation: Observation): void {
      if (observation.what === "fault" && observation.name === "suspend") {
        for (const name of observation.on) slept.set(name, world.nowMs);
        return;
      }
      if (observation.what !== "said" || observation.frame.speaker !== "master") return;
      const { node, frame } = observation;
      const { epoch } = frame;
      if (epoch > leads.epoch) leads = { epoch, node: node.name, sinceMs: world.nowMs };
      if (epoch >= leads.epoch || epoch === 0 || slept.has(node.name)) return;
      const lateMs = world.nowMs - leads.sinceMs;
      if (lateMs <= TOLERANCE_MS) return;
      const after = `${Math.round(lateMs)} ms after ${leads.node} spoke in ${leads.epoch}`;
      violate("E2", `${node.name} speaks in epoch ${epoch}, ${after}`);
    },
  };
}
