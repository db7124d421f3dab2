/** Frames of the event stream: text of server-sent events, written and read. */

export interface SseEvent {
  /** Absent on control frames, or resuming would break. */
  readonly id?: string;
  readonly event: string;
  readonly data: string;
}

/** Longest line that a reader takes, in characters; more is a broken peer. */
export const SSE_BUFFER_LENGTH_MAX = 2 * 1024 * 1024;

export function formatSse({ id, event, data }: SseEvent): string {
  const head = id === undefined ? "" : `id: ${id}\n`;
  const lines = data.split("\n").map((line) => `data: ${line}\n`);
  return `${head}event: ${event}\n${lines.join("")}\n`;
}

/** Keeps proxies and readers awake. */
export const SSE_COMMENT = ": alive\n\n";

/** Takes text as it comes and gives whole events; comments are passed over. */
export class SseReader {
  #rest = "";

  /** @throws Error when a peer sends an endless event. */
  push(text: string): SseEvent[] {
    this.#rest += text;
    const events: SseEvent[] = [];
    for (;;) {
      const end = this.#rest.indexOf("\n\n");
      if (end < 0) break;
      const event = parse(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end + 2);
      if (event !== undefined) events.push(event);
    }
    if (this.#rest.length > SSE_BUFFER_LENGTH_MAX) {
      throw new Error(`an event is longer than ${SSE_BUFFER_LENGTH_MAX} characters`);
    }
    return events;
  }
}

function parse(block: string): SseEvent | undefined {
  let id: string | undefined;
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
    else if (line === "data:") data.push("");
  }
  if (data.length === 0) return undefined;
  return id === undefined ? { event, data: data.join("\n") } : { id, event, data: data.join("\n") };
}
