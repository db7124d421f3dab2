/**
 * When offers end, read from what their leader says and hears: one rule for all who count what is
 * given away. Also who that leader is: a process that led earlier hears what is no news to anybody.
 */
import type { AnyMessage, Peer } from "#protocol";
import type { Observation, SeenNode } from "../observation.ts";

/** An offer as long as it stands. */
export interface StandingOffer {
  readonly agent: string;
  readonly to: Peer;
}

/** Which offers end: these, or all of which that is true. */
export type OfferEnds =
  | { readonly ids: readonly string[] }
  | { readonly where: (offer: StandingOffer) => boolean };

/** What ends a session whatever the epoch of its frame. */
const SESSIONS: ReadonlySet<string> = new Set(["Hello", "Closed"]);

/** The subject of a framework's instance without the instance. */
function principalIn(subject: string): string {
  return subject.slice(0, subject.lastIndexOf(".") + 1);
}

/** Ends that the leader says, to whoever reads `subject`. */
export function endsBySaid(message: AnyMessage, subject: string): OfferEnds | undefined {
  switch (message.kind) {
    case "RESCIND":
      return { ids: [message.body.offerId] };
    case "Closed":
    case "ERROR":
      // The session of a framework is over, so its offers are void.
      return { where: ({ to }) => subject.endsWith(to) };
    case "SUBSCRIBED": {
      // So are those of its earlier sessions, and of the instance that this one displaces: that is
      // told so in a frame of its own, which may leave later.
      const principal = principalIn(subject);
      return { where: ({ to }) => principal.endsWith(principalIn(to)) };
    }
    default:
      return undefined;
  }
}

/** Ends that the leader hears from `speaker`. */
export function endsByHeard(message: AnyMessage, speaker: Peer): OfferEnds | undefined {
  switch (message.kind) {
    case "ACCEPT":
    case "DECLINE":
      return { ids: message.body.offerIds };
    case "Hello":
    case "Closed":
    case "TEARDOWN":
      return { where: ({ to }) => to === speaker };
    case "RegisterAgent": {
      const { agentId } = message.body.agent;
      return { where: ({ agent }) => agent === agentId };
    }
    default:
      return undefined;
  }
}

/** The ids of those that have ended. */
export function endedIn(
  offers: ReadonlyMap<string, StandingOffer>,
  ends: OfferEnds | undefined,
): readonly string[] {
  if (ends === undefined) return [];
  if ("ids" in ends) return ends.ids;
  return [...offers].filter(([, offer]) => ends.where(offer)).map(([id]) => id);
}

/** Follows who leads: the highest epoch in which a master has spoken, and which process did. */
export class LeaderHeard {
  epoch = 0;
  #node: SeenNode | undefined;

  /** true: the leader says it. A higher epoch is a new leader's. */
  says({ node, frame }: Observation & { what: "said" | "unsent" }): boolean {
    if (frame.speaker !== "master" || frame.epoch === 0 || frame.epoch < this.epoch) return false;
    this.epoch = frame.epoch;
    this.#node = node;
    return true;
  }

  /**
   * true: it is said to the leader and heard by it. One that led before and stood still reads
   * mail of long ago; what was meant for it in an earlier epoch no leader counts either, but that
   * sessions begin and end: who was started anew, or comes late, says so without knowing who leads.
   */
  hears({ node, frame }: Observation & { what: "heard" }): boolean {
    const { speaker, epoch, messages } = frame;
    if (speaker === "master" || node !== this.#node) return false;
    return epoch === this.epoch || messages.some(({ kind }) => SESSIONS.has(kind));
  }
}
