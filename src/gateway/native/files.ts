/**
 * Files of a task's sandbox, agent → master → reader: the listing of a folder as one object, the
 * bytes of a file at the reader's pace. What the agent refuses is answered before anything is sent.
 */
import { ApiError, FolderObjectSchema } from "#api";
import { Value } from "@sinclair/typebox/value";
import { type StreamWriter, streamResponse } from "#http";
import { type AgentId, asId, type FrameworkId, type TaskId } from "#protocol";
import { findOne } from "#views";
import type { GatewayContext, LogChunk, LogReader } from "../context.ts";
import type { Handlers } from "./handlers.ts";
import { writeChunk } from "./logs.ts";

/** Most bytes of one listing; an agent sends less. */
const FOLDER_BYTES_MAX = 8 * 1024 * 1024;

export interface FileRequest {
  readonly task: string;
  readonly path: string;
  readonly offset: number;
  /** Infinity: to the end. */
  readonly length: number;
  readonly asEvents: boolean;
}

/** Chunks as they are asked for; none comes that nobody waits for beyond the stream's credits. */
class Chunks {
  readonly #waiting: LogChunk[] = [];
  #reader: LogReader | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  /** @throws ApiError not-found, no-leader, conflict. */
  static async open(
    context: GatewayContext,
    what: Pick<FileRequest, "task" | "path" | "offset">,
    file: "file" | "folder",
  ): Promise<Chunks> {
    const task = findOne("task", what.task, context.view.allTasks());
    const agent = findOne("agent", task.agentId, context.view.allAgents());
    const chunks = new Chunks();
    const body = {
      agentId: asId<AgentId>(task.agentId),
      streamId: context.newStreamId(),
      frameworkId: asId<FrameworkId>(task.frameworkId),
      taskId: asId<TaskId>(task.id),
      file,
      path: what.path,
      offset: what.offset,
      follow: false,
    };
    chunks.#reader = await context.openLog(body, agent.principal, (chunk) => {
      chunks.#waiting.push(chunk);
      chunks.#wake?.();
    });
    return chunks;
  }

  /** The next one, taken: the agent may send another. */
  async next(): Promise<LogChunk> {
    for (;;) {
      const chunk = this.#waiting.shift();
      if (chunk !== undefined) {
        if (!chunk.last) this.#reader?.credit();
        return chunk;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Returns when the reader has taken what was written, or has gone. */
  async drained(writer: StreamWriter): Promise<void> {
    while (writer.waitingBytes > 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        writer.onDrain(resolve);
      });
    }
  }

  close(): void {
    this.#closed = true;
    this.#reader?.close();
    this.#waiting.push({ offset: 0, bytes: new Uint8Array(), last: true });
    this.#wake?.();
  }
}

/** @throws ApiError not-found with the agent's words, no-leader. */
export async function fileStream(context: GatewayContext, request: FileRequest): Promise<Response> {
  const chunks = await Chunks.open(context, request, "file");
  const first = await chunks.next();
  if (first.fault !== undefined) throw new ApiError("not-found", first.fault);
  const { asEvents } = request;
  const type = asEvents ? "text/event-stream" : "application/octet-stream";
  const headers = { "content-type": type, "x-content-type-options": "nosniff" };
  return streamResponse(headers, asEvents, (writer) => {
    void copy(chunks, first, request, writer);
    return () => chunks.close();
  });
}

async function copy(
  chunks: Chunks,
  first: LogChunk,
  { length, asEvents }: FileRequest,
  writer: StreamWriter,
): Promise<void> {
  let left = length;
  for (let chunk = first; ; chunk = await chunks.next()) {
    const bytes = chunk.bytes.subarray(0, left);
    left -= bytes.length;
    const last = chunk.last || left === 0;
    writeChunk(writer, { ...{}, ...chunk, bytes, last }, asEvents);
    if (last) break;
    await chunks.drained(writer);
  }
  writer.end();
  chunks.close();
}

export const fileHandlers: Pick<Handlers, "taskFolder"> = {
  async taskFolder(context, { path: { task = "" }, query: { path = "" } }) {
    const chunks = await Chunks.open(context, { task, path, offset: 0 }, "folder");
    const parts: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const { bytes, last, fault } = await chunks.next();
      if (fault !== undefined) throw new ApiError("not-found", fault);
      parts.push(bytes);
      size += bytes.length;
      if (size > FOLDER_BYTES_MAX) {
        chunks.close();
        throw new ApiError("failed", `the listing has more than ${FOLDER_BYTES_MAX} bytes`);
      }
      if (last) break;
    }
    const folder: unknown = JSON.parse(Buffer.concat(parts).toString("utf8"));
    if (Value.Check(FolderObjectSchema, folder)) return folder;
    throw new ApiError("failed", "what the agent sent is no listing of a folder");
  },
};
