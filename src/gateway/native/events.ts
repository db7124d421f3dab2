/**
 * The event stream: begins with a snapshot, or goes on behind the id that the reader saw last;
 * who was away too long is told `reset` and begins with a snapshot.
 */
import { formatSse } from "#api";
import type { OperatorEvent } from "#protocol";
import { type StreamWriter, streamResponse } from "#http";
import type { RingEvent } from "#views";
import type { GatewayContext } from "../context.ts";

const TOPIC_OF: Readonly<Record<OperatorEvent["type"], string>> = {
  RESET: "cluster",
  SNAPSHOT_END: "cluster",
  AGENT_ADDED: "agent",
  AGENT_UPDATED: "agent",
  AGENT_REMOVED: "agent",
  FRAMEWORK_ADDED: "framework",
  FRAMEWORK_UPDATED: "framework",
  FRAMEWORK_REMOVED: "framework",
  TASK_ADDED: "task",
  TASK_UPDATED: "task",
  TASK_REMOVED: "task",
  OFFER_ADDED: "offer",
  OFFER_REMOVED: "offer",
  ROLE_UPDATED: "role",
  ROLE_REMOVED: "role",
  USAGE_UPDATED: "usage",
  COUNTERS: "cluster",
  ALLOCATOR_UPDATED: "cluster",
  MAINTENANCE_UPDATED: "agent",
};

/** Topics that a reader may ask for. */
export const EVENT_STREAM_TOPICS = [...new Set(Object.values(TOPIC_OF))];

export function eventStream(
  context: GatewayContext,
  { after, topics }: { readonly after?: string; readonly topics?: ReadonlySet<string> },
): Response {
  const wanted = (event: OperatorEvent): boolean =>
    topics === undefined || topics.has(TOPIC_OF[event.type]);
  return streamResponse({ "content-type": "text/event-stream" }, true, (writer) => {
    const missed = after === undefined ? undefined : context.ring.after(after);
    if (missed === undefined) {
      if (after !== undefined) writer.write(formatSse({ event: "reset", data: "{}" }));
      writer.write(formatSse({ event: "snapshot", data: JSON.stringify(snapshot(context)) }));
    } else {
      writer.write(formatSse({ event: "resume", data: JSON.stringify({ after }) }));
      send(
        writer,
        missed.filter(({ event }) => wanted(event)),
      );
    }
    return context.onEvents((events) => {
      send(
        writer,
        events.filter(({ event }) => wanted(event)),
      );
    });
  });
}

function send(writer: StreamWriter, events: readonly RingEvent[]): void {
  for (const { id, atMs, event } of events) {
    const data = JSON.stringify({ atMs, ...event });
    if (!writer.write(formatSse({ id, event: event.type, data }))) return;
  }
}

/** Everything there is, and the id from which on the stream goes on. */
function snapshot({ view }: GatewayContext): object {
  return {
    index: view.index,
    leader: view.leader,
    tasks: view.allTasks(),
    agents: view.allAgents(),
    frameworks: view.allFrameworks(),
    offers: view.allOffers(),
    roles: [...view.roles.values()],
  };
}
