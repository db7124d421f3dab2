/** Recordings of simulated masters and agents, kept in memory. */
import { createHash } from "node:crypto";
import { processSecrecy } from "#adapters";
import {
  DIGEST_BYTES,
  headOf,
  recordLife,
  type RecordingEnd,
  type RecordingHead,
  type RecordingSink,
  type RecordTape,
} from "#recording";
import { type ClusterOptions, type RecordedBlock, SimCluster } from "#sim";

export class MemorySink implements RecordingSink {
  readonly blocks: RecordedBlock[] = [];
  ended: RecordingEnd | undefined;
  #digest: Uint8Array = new Uint8Array(DIGEST_BYTES);

  block(before: number, entries: Uint8Array): undefined {
    this.#digest = createHash("sha256").update(this.#digest).update(entries).digest();
    const digest = Buffer.from(this.#digest).toString("hex");
    this.blocks.push({ before, entries, digest });
  }

  end(_turns: number, end: RecordingEnd): void {
    this.ended = end;
  }
}

export interface SimulatedLife {
  readonly head: RecordingHead;
  readonly sink: MemorySink;
  readonly tape: RecordTape;
}

/** Runs a cluster whose masters and agents are recorded, each life by itself. */
export function recordedCluster(options: ClusterOptions) {
  const lives: SimulatedLife[] = [];
  const secrecy = processSecrecy();
  const cluster = new SimCluster({
    ...options,
    begin(name, recipe, surroundings, start) {
      const facts = { name, life: lives.length, startedAtMs: 0, build: "sim", recipe };
      const head = headOf(facts, surroundings);
      const sink = new MemorySink();
      const { actor, tape } = recordLife({
        surroundings,
        secrecy,
        sink,
        begin: start,
        onEnd: () => undefined,
      });
      // As it stands in a file.
      lives.push({ head: JSON.parse(JSON.stringify(head)) as RecordingHead, sink, tape });
      return actor;
    },
  });
  cluster.run();
  for (const { tape } of lives) tape.cut();
  return { cluster, lives };
}
