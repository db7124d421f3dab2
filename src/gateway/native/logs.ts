/**
 * Logs of a task, agent → master → reader: as events whose id is the offset behind them, or as
 * plain bytes. The reader's pace is the agent's: a chunk is asked for when one has been taken.
 */
import { formatSse } from "#api";
import { type StreamWriter, streamResponse } from "#http";
import { type AgentId, asId, type FrameworkId, type TaskId } from "#protocol";
import { findOne } from "#views";
import type { GatewayContext, LogChunk, LogReader } from "../context.ts";

export interface LogRequest {
  readonly task: string;
  readonly file: "stdout" | "stderr";
  readonly offset: number;
  readonly follow: boolean;
  readonly asEvents: boolean;
}

/** @throws ApiError not-found, no-leader. */
export function logStream(context: GatewayContext, request: LogRequest): Response {
  const task = findOne("task", request.task, context.view.allTasks());
  const agent = findOne("agent", task.agentId, context.view.allAgents());
  const type = request.asEvents ? "text/event-stream" : "application/octet-stream";
  return streamResponse({ "content-type": type }, request.asEvents, (writer) => {
    let reader: LogReader | undefined;
    let gone = false;
    const onChunk = (chunk: LogChunk): void => {
      if (gone) return;
      writeChunk(writer, chunk, request.asEvents);
      if (chunk.last) return writer.end();
      if (writer.waitingBytes === 0) reader?.credit();
      else writer.onDrain(() => reader?.credit());
    };
    const body = {
      agentId: asId<AgentId>(task.agentId),
      streamId: context.newStreamId(),
      frameworkId: asId<FrameworkId>(task.frameworkId),
      taskId: asId<TaskId>(task.id),
      file: request.file,
      offset: request.offset,
      follow: request.follow,
    };
    context.openLog(body, agent.principal, onChunk).then(
      (opened) => {
        reader = opened;
        if (gone) opened.close();
      },
      (error: Error) => {
        onChunk({ offset: 0, bytes: new Uint8Array(), last: true, fault: error.message });
      },
    );
    return () => {
      gone = true;
      reader?.close();
    };
  });
}

/** One chunk to its reader, in the form that the reader has asked for. */
export function writeChunk(writer: StreamWriter, chunk: LogChunk, asEvents: boolean): void {
  const end = chunk.offset + chunk.bytes.length;
  if (!asEvents) {
    if (chunk.bytes.length > 0) writer.write(chunk.bytes);
    return;
  }
  if (chunk.bytes.length > 0) {
    const data = Buffer.from(chunk.bytes).toString("base64");
    writer.write(formatSse({ id: String(end), event: "chunk", data }));
  }
  if (chunk.fault !== undefined) {
    writer.write(formatSse({ event: "fault", data: JSON.stringify({ message: chunk.fault }) }));
  } else if (chunk.last) {
    writer.write(formatSse({ id: String(end), event: "end", data: "{}" }));
  }
}
