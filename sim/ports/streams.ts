/** The simulated logs of containers: what the scripted commands printed, on their machine. */
import type { ContainerId } from "#protocol";
import type { StreamFile, StreamFolder, StreamRead, Streams } from "#runtime";
import { STREAM_CHUNK_BYTES_MAX } from "#runtime";
import { PRICE_MS, type SimNode } from "../kernel/node.ts";
import type { SimMachine } from "./machine.ts";

type Output = Readonly<Record<"stdout" | "stderr", Uint8Array>>;

/** A simulated sandbox holds the two logs and nothing else. */
function contentOf(output: Output, file: StreamFile): Uint8Array | undefined {
  if (typeof file === "string") return output[file];
  if ("folder" in file) {
    if (file.folder !== "") return undefined;
    const entries = (["stderr", "stdout"] as const).map((name) => {
      return { name, kind: "file", bytes: output[name].length, modifiedMs: 0 } as const;
    });
    const folder: StreamFolder = { entries, isComplete: true };
    return new TextEncoder().encode(JSON.stringify(folder));
  }
  const { path } = file;
  return path === "stdout" || path === "stderr" ? output[path] : undefined;
}

export function streamsOf(machine: SimMachine, node: SimNode): Streams {
  const look = (id: ContainerId, file: StreamFile, offset: number, max: number): StreamRead => {
    const container = machine.containers.get(id);
    if (container === undefined) return { kind: "absent" };
    const all = contentOf(container.output, file);
    if (all === undefined) return { kind: "failed", why: "it is not in the sandbox" };
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
