/**
 * Feeds a view and a ring with the leader's operator events. When a number is missing it asks
 * for a snapshot, once at a time, until the view is whole again. It answers nobody.
 */
import { decodeSingle, type Subjects } from "#protocol";
import type { Bus, Clock, Counters, Logger } from "#runtime";
import { ClusterView, EventRing, type RingEvent } from "#views";
import type { AskLeader } from "./operator-calls.ts";

/** While something is missing a snapshot is asked for this often. */
const SNAPSHOT_RETRY_MS = 1_000;
/** Readers that follow at the same time; each is a stream of the HTTP server, which is bounded. */
type Listener = (events: readonly RingEvent[]) => void;

export interface EventFeed {
  readonly view: ClusterView;
  readonly ring: EventRing;
  onEvents(listener: Listener): () => void;
  stop(): void;
}

export interface EventFeedOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly ask: AskLeader;
}

export function startEventFeed(options: EventFeedOptions): EventFeed {
  const { bus, subjects, clock, logger, counters, ask } = options;
  const view = new ClusterView();
  const ring = new EventRing();
  const listeners = new Set<Listener>();
  let asking = false;
  let stopped = false;

  function demandSnapshot(): void {
    if (asking || stopped || !view.stale) return;
    asking = true;
    ask({ kind: "OPERATOR_SNAPSHOT", body: {} }).then(
      () => again(),
      (error: Error) => {
        logger.log("debug", "no snapshot of the events yet", { why: error.message });
        again();
      },
    );
  }

  function again(): void {
    clock.timer(SNAPSHOT_RETRY_MS, () => {
      asking = false;
      demandSnapshot();
    });
  }

  const subscription = bus.subscribe(subjects.event("cluster"), ({ data }) => {
    const decoded = decodeSingle(data);
    if (decoded.reason !== undefined) return counters.add("events", decoded.reason);
    const { message } = decoded;
    if (message?.kind !== "EVENT_BATCH") return counters.add("events", "unknown-kind");
    const applied = view.apply(message.body);
    counters.add("events", applied);
    if (applied === "stale") demandSnapshot();
    if (applied !== "applied") return;
    const events = ring.push(message.body);
    for (const listener of listeners) listener(events);
  });
  const status = bus.onStatus(({ kind }) => {
    // What was published in between is lost; a gap shows at the next event, or here at once.
    if (kind === "connected") demandSnapshot();
  });
  demandSnapshot();
  return {
    view,
    ring,
    onEvents(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop() {
      stopped = true;
      subscription.stop();
      status.stop();
    },
  };
}
