/**
 * What the run must know while it goes on: who leads, and which agents are registered with whom.
 * Read from what masters say; judged is later, from the trace.
 */
import { FrameEyes } from "#sim";
import { SUBJECTS } from "./cluster.ts";
import type { Passed } from "./wire.ts";

/** A leader that has not been heard for so long is none for now. */
const SILENT_MS = 3_000;
const AGENT_SUBJECT = /\.agent\.([^.]+)$/;

export class LiveView {
  readonly #eyes = new FrameEyes(SUBJECTS);
  #epoch = 0;
  #leader: { readonly node: string; readonly atMs: number } | undefined;
  /** Epoch in which an agent was registered last. */
  readonly #registered = new Map<string, number>();

  passed(node: string, { way, subject, payload }: Passed): void {
    if (way !== "said") return;
    const isBeacon = subject === SUBJECTS.leader;
    const agent = isBeacon || subject.includes(".master.") ? null : AGENT_SUBJECT.exec(subject);
    if (!isBeacon && agent === null) return;
    const frame = this.#eyes.frame(subject, payload);
    if (frame === undefined || frame.epoch < this.#epoch) return;
    this.#epoch = frame.epoch;
    if (isBeacon) this.#leader = { node, atMs: performance.now() };
    const name = agent?.[1];
    if (name === undefined) return;
    const isRegistered = frame.messages.some(({ kind }) => kind === "AgentRegistered");
    if (isRegistered) this.#registered.set(name, frame.epoch);
  }

  leader(): string | undefined {
    const { node, atMs } = this.#leader ?? { node: undefined, atMs: 0 };
    return performance.now() - atMs > SILENT_MS ? undefined : node;
  }

  /** How many agents are registered with the leader. */
  registered(): number {
    return [...this.#registered.values()].filter((epoch) => epoch === this.#epoch).length;
  }
}
