/**
 * Which frameworks have ended for good and which agents are no more: of their tasks nobody says
 * another word, and nobody has to.
 */
import type { Kind } from "#protocol";
import type { Observation } from "../observation.ts";

/** What frames tell of it. */
export const ENDING_KINDS: readonly Kind[] = ["SUBSCRIBED", "TEARDOWN", "RegisterAgent"];

export class Endings {
  /** Framework ids by who speaks for them. */
  readonly #frameworks = new Map<string, string>();
  readonly #ended = new Set<string>();
  /** Ids of agents that were heard, by principal. */
  readonly #agents = new Map<string, Set<string>>();
  readonly #replaced = new Set<string>();

  on(observation: Observation): void {
    if (observation.what === "fault" && observation.name === "agent-replaced") {
      for (const name of observation.on) {
        for (const id of this.#agents.get(name) ?? []) this.#replaced.add(id);
      }
    }
    if (observation.what !== "said") return;
    const { speaker, subject, messages } = observation.frame;
    for (const message of messages) {
      if (message.kind === "SUBSCRIBED") {
        const to = subject.slice(subject.indexOf(".framework.") + 1);
        this.#frameworks.set(to, message.body.frameworkId);
      }
      if (message.kind === "TEARDOWN") {
        const frameworkId = this.#frameworks.get(speaker);
        if (frameworkId !== undefined) this.#ended.add(frameworkId);
      }
      if (message.kind !== "RegisterAgent") continue;
      const principal = speaker.slice("agent.".length);
      const known = this.#agents.get(principal) ?? new Set<string>();
      const { agentId } = message.body.agent;
      // One work directory at a time: whoever comes under another id has given the last one up.
      for (const id of known) if (!known.has(agentId)) this.#replaced.add(id);
      known.add(agentId);
      this.#agents.set(principal, known);
    }
  }

  hasEnded(frameworkId: string | undefined): boolean {
    return frameworkId !== undefined && this.#ended.has(frameworkId);
  }

  isReplaced(agentId: string | undefined): boolean {
    return agentId !== undefined && this.#replaced.has(agentId);
  }
}
