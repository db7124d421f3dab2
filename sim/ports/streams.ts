/** The simulated logs of containers: what the scripted commands printed, on their machine. */
import type { ContainerId } from "#protocol";
import type { StreamFile, StreamRead, Streams } from "#runtime";
import { STREAM_CHUNK_BYTES_MAX } from "#runtime";
import { PRICE_MS, type SimNode } from "../kernel/node.ts";
import type { SimMachine } from "./machine.ts";

export function streamsOf(machine: SimMachine, node: SimNode): Streams {
  const look = (id: ContainerId, file: StreamFile, offset: number, max: number): StreamRead => {
    const container = machine.containers.get(id);
    if (container === undefined) return { kind: "absent" };
    const all = container.output[file];
    const wanted = offset < 0 ? all.length + offset : offset;
    const begin = Math.min(Math.max(0, wanted), all.length);
    const bytes = all.slice(begin, begin + Math.min(max, STREAM_CHUNK_BYTES_MAX));
    return { kind: "chunk", offset: begin, bytes, end: all.length };
  };
  return {
    read(containerId, file, offset, max, done) {
      node.charge(PRICE_MS.call);
      node.arrive(node.localMs, () => done(look(containerId, file, offset, max)));
    },
  };
}
