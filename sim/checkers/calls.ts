/**
 * R2: an offer is taken once, and never after it was taken back. C1: within an epoch a call gets
 * one answer, however often it is said (P-5.2). K1: of a framework one instance is served, the one
 * that subscribed last (P-4.4). C2: an ACCEPT is said to one leader only (P-5.3). Read from what
 * frameworks call and masters answer.
 */
import type { BodyOf, OfferId } from "#protocol";
import type { Observation, SeenFrame, SeenNode } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { DriverLives } from "./driver-lives.ts";

interface SeenCall {
  readonly offerIds: readonly OfferId[];
  answer: BodyOf<"ANSWER"> | undefined;
}

/** Frames of one batch leave one after another, each to its own instance. */
const TOLERANCE_MS = 250;

export function callChecker(world: CheckedWorld, violate: Violate): Checker {
  /** Framework that is subscribed at a subject: instances of one principal may be several. */
  const frameworkAt = new Map<string, string>();
  /** The instance of each framework that subscribed last, with whom, and since when. */
  const instances = new Map<
    string,
    { readonly subject: string; readonly epoch: number; readonly sinceMs: number }
  >();
  const served = ({ subject, epoch }: SeenFrame): void => {
    const instance = instances.get(frameworkAt.get(subject) ?? "");
    if (instance === undefined || instance.subject === subject) return;
    // What a master says that has been succeeded is E2's affair: nobody obeys it (P-1.2).
    if (epoch < instance.epoch) return;
    if (world.nowMs - instance.sinceMs <= TOLERANCE_MS) return;
    violate("K1", `${subject} is served after ${instance.subject} has subscribed`);
  };
  const lives = new DriverLives();
  /** ACCEPTs by who calls in which epoch under which number. */
  const calls = new Map<string, SeenCall>();
  /** Offers that were taken back, and by which call they were taken. */
  const rescinded = new Set<OfferId>();
  const takenBy = new Map<OfferId, string>();

  /** In which epoch an ACCEPT was said first, by who said it and under which number. */
  const saidIn = new Map<string, number>();

  const called = (node: SeenNode, frame: SeenFrame): void => {
    const life = lives.said(node, frame);
    for (const message of frame.messages) {
      if (message.kind !== "ACCEPT" || message.id === undefined) continue;
      const { id, body } = message;
      const key = `${life} ${frame.epoch} ${id}`;
      const first = saidIn.get(`${life} ${id}`) ?? frame.epoch;
      saidIn.set(`${life} ${id}`, first);
      if (first !== frame.epoch) {
        violate("C2", `${life} says ACCEPT ${id} in epoch ${frame.epoch}, after ${first}`);
      }
      if (!calls.has(key)) calls.set(key, { offerIds: body.offerIds, answer: undefined });
    }
  };
  const answered = (key: string, answer: BodyOf<"ANSWER">): void => {
    const call = calls.get(key);
    if (call === undefined || answer.reason === "busy") return;
    const before = call.answer;
    call.answer = answer;
    if (before !== undefined && before.accepted !== answer.accepted) {
      const word = (given: boolean): string => (given ? "accepted" : "refused");
      violate("C1", `${key} is ${word(before.accepted)}, then ${word(answer.accepted)}`);
    }
    if (!answer.accepted) return;
    for (const offerId of call.offerIds) {
      const taker = takenBy.get(offerId) ?? key;
      takenBy.set(offerId, key);
      if (taker !== key) violate("R2", `${offerId} is taken by ${taker} and by ${key}`);
      if (rescinded.has(offerId)) violate("R2", `${offerId} is taken after it was taken back`);
    }
  };

  const subscribed = ({ subject, epoch, speaker, messages }: SeenFrame): void => {
    if (speaker !== "master") return;
    for (const message of messages) {
      if (message.kind !== "SUBSCRIBED") continue;
      const { frameworkId } = message.body;
      frameworkAt.set(subject, frameworkId);
      if (epoch < (instances.get(frameworkId)?.epoch ?? 0)) continue;
      instances.set(frameworkId, { subject, epoch, sinceMs: world.nowMs });
    }
  };

  return {
    id: "R2",
    statement: "an offer is taken once and never after its end; a call has one answer",
    sees: { said: ["master", "framework"], unsent: ["master"] },
    kinds: ["SUBSCRIBE", "SUBSCRIBED", "ACCEPT", "ANSWER", "OFFERS", "RESCIND"],
    on(observation: Observation): void {
      // A master whose word reached nobody has changed whom it serves all the same.
      if (observation.what === "unsent") return subscribed(observation.frame);
      if (observation.what !== "said") return;
      const { node, frame } = observation;
      if (frame.speaker.startsWith("framework.")) return called(node, frame);
      if (frame.speaker !== "master") return;
      subscribed(frame);
      for (const message of frame.messages) {
        if (message.kind === "RESCIND") rescinded.add(message.body.offerId);
        const isServed = message.kind === "ANSWER" && message.body.accepted;
        if (isServed || message.kind === "OFFERS") served(frame);
        if (message.kind !== "ANSWER") continue;
        answered(`${lives.of(frame.session)} ${frame.epoch} ${message.re}`, message.body);
      }
    },
  };
}
