/**
 * S2: what an agent is known by stands on its disk first (P-4.3): each of its lives says Hello
 * under a number of its own, higher than those before, and it registers in no epoch that its disk
 * does not know.
 */
import { readMeta } from "#actors/agent";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

const AGENT = "agent.";

export function lifeChecker(world: CheckedWorld, violate: Violate): Checker {
  /** Number of the latest life of an agent, and which life of its process that was. */
  const lives = new Map<string, { readonly number: number; readonly life: string }>();
  const counted = (agentId: string, number: number, life: string): void => {
    const before = lives.get(agentId);
    if (before?.life === life) return;
    if (before !== undefined && number <= before.number) {
      violate("S2", `${agentId} begins as its life ${number}, it has had ${before.number}`);
    }
    lives.set(agentId, { number, life });
  };
  const epochOnDisk = (principal: string): number => {
    const bytes = world.meta(principal);
    const read = bytes === undefined ? undefined : readMeta(bytes);
    return read?.ok === true ? read.meta.epoch : -1;
  };
  return {
    id: "S2",
    statement: "an agent's lives have numbers of their own, and its disk knows its epoch",
    sees: { said: ["agent"], "actor-ended": "all" },
    kinds: ["Hello", "RegisterAgent"],
    on(observation: Observation): void {
      if (observation.what === "actor-ended") {
        // The next actor in the process is another life.
        return void lost(lives, observation.node.name);
      }
      if (observation.what !== "said" || !observation.frame.speaker.startsWith(AGENT)) return;
      const { node, frame } = observation;
      for (const message of frame.messages) {
        if (message.kind === "Hello") {
          const { identity, incarnation } = message.body;
          if (identity !== undefined) counted(identity, incarnation, `${node.name}#${node.life}`);
        }
        if (message.kind !== "RegisterAgent") continue;
        const principal = frame.speaker.slice(AGENT.length);
        const known = epochOnDisk(principal);
        if (known >= frame.epoch) continue;
        violate("S2", `${principal} registers in epoch ${frame.epoch}, its disk knows ${known}`);
      }
    },
  };
}

function lost(lives: Map<string, { number: number; life: string }>, node: string): void {
  for (const [agentId, { number, life }] of lives) {
    if (life.startsWith(`${node}#`)) lives.set(agentId, { number, life: "" });
  }
}
