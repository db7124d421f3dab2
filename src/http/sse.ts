/**
 * A stream to one reader, bounded: what waits beyond the limit cuts the reader, who comes back
 * with the id of what it saw last. Never slows down who writes.
 */
import { SSE_COMMENT } from "#api";
import { HTTP_STREAM_BUFFER_BYTES_MAX, HTTP_STREAM_COMMENT_MS } from "./limits.ts";

export interface StreamWriter {
  /** false: the reader is gone or too slow, stop. */
  write(chunk: string | Uint8Array): boolean;
  /** Bytes that wait for the reader. */
  readonly waitingBytes: number;
  /** Called once when the reader has taken everything and wants more. */
  onDrain(listener: () => void): void;
  end(): void;
}

/**
 * @param start is given the writer; what it returns is called when the reader has gone.
 * @param comments whether comment lines are sent while nothing else is.
 */
export function streamResponse(
  headers: Readonly<Record<string, string>>,
  comments: boolean,
  start: (writer: StreamWriter) => () => void,
): Response {
  let stop: () => void = () => undefined;
  let ended = false;
  let drained: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const encoder = new TextEncoder();
  const finish = (): void => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    stop();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const writer: StreamWriter = {
          write(chunk) {
            if (ended) return false;
            const bytes = typeof chunk === "string" ? encoder.encode(chunk) : chunk;
            if (writer.waitingBytes + bytes.length > HTTP_STREAM_BUFFER_BYTES_MAX) {
              finish();
              controller.error(new Error("the reader is too slow"));
              return false;
            }
            controller.enqueue(bytes);
            return true;
          },
          get waitingBytes() {
            return ended ? 0 : HIGH_WATER_BYTES - (controller.desiredSize ?? 0);
          },
          onDrain(listener) {
            drained = listener;
          },
          end() {
            if (ended) return;
            finish();
            controller.close();
          },
        };
        if (comments) {
          timer = setInterval(() => writer.write(SSE_COMMENT), HTTP_STREAM_COMMENT_MS);
          timer.unref();
        }
        stop = start(writer);
        if (ended) stop();
      },
      pull() {
        const listener = drained;
        drained = undefined;
        listener?.();
      },
      cancel: finish,
    },
    { highWaterMark: HIGH_WATER_BYTES, size: (chunk) => chunk?.length ?? 0 },
  );
  return new Response(body, { headers: { "cache-control": "no-store", ...headers } });
}

const HIGH_WATER_BYTES = 64 * 1024;
