/**
 * The operator of a simulated cluster: a process of its own that asks whoever leads, over the bus
 * and under an operator's rights, and asks again until it is answered. It comes with its first
 * question.
 */
import { inboxOf, mayPublish, maySubscribe, permissionsOf } from "#access";
import { asId, decodeSingle, encodeSingle, operatorPeer, type Principal } from "#protocol";
import type { Bus, RequestOutcome } from "#runtime";
import type { Operator, OperatorQuestion } from "./faults/fault.ts";
import type { SimNode } from "./kernel/node.ts";
import type { Around } from "./members.ts";

const PRINCIPAL = asId<Principal>("operator");
const ANSWER_MS_MAX = 5_000;
const AGAIN_MS = 500;
/** Refusals that pass by themselves. */
const PASSING: ReadonlySet<string> = new Set(["busy", "mute", "not-handled-in-this-state"]);

export class SimOperator implements Operator {
  readonly #around: Around;
  readonly #questions: OperatorQuestion[] = [];
  #node: SimNode | undefined;
  #bus: Bus | undefined;
  #asking = false;

  constructor(around: Around) {
    this.#around = around;
  }

  ask(question: OperatorQuestion): void {
    this.#questions.push(question);
    const node = this.#node ?? this.#begin();
    node.soon(() => this.#next());
  }

  #begin(): SimNode {
    const { world, network, subjects } = this.#around;
    const node = world.addNode("operator-1");
    this.#node = node;
    const identity = { role: "operator", principal: PRINCIPAL } as const;
    const permissions = permissionsOf(subjects, identity);
    node.start(() => {
      this.#bus = network.connect(node, {
        inbox: inboxOf(identity),
        permissions: {
          mayPublish: (subject) => mayPublish(permissions, subject),
          maySubscribe: (subject) => maySubscribe(permissions, subject),
        },
      });
      this.#next();
    });
    return node;
  }

  #next(): void {
    const [question] = this.#questions;
    if (this.#asking || question === undefined || this.#bus === undefined) return;
    const encoded = encodeSingle({ ...{}, ...question, id: 1, re: 0 }, 0);
    if (encoded.fault !== undefined) throw new Error(encoded.fault);
    this.#asking = true;
    const subject = this.#around.subjects.toMaster(operatorPeer(PRINCIPAL));
    this.#bus.request(subject, encoded.bytes, ANSWER_MS_MAX, (outcome) => {
      const answer = answerIn(outcome);
      this.#asking = false;
      if (answer === undefined) return void this.#node?.timer(AGAIN_MS, () => this.#next());
      this.#questions.shift();
      const summary = `${question.kind} ${answer}`;
      this.#around.world.record({ node: "operator-1", kind: "answered", summary });
      this.#next();
    });
  }
}

/** What was answered for good; undefined: ask again. */
function answerIn(outcome: RequestOutcome): string | undefined {
  if (outcome.kind !== "reply") return undefined;
  const decoded = decodeSingle(outcome.message.data);
  if (decoded.reason !== undefined) return undefined;
  if (decoded.message?.kind !== "OPERATOR_ANSWER") return undefined;
  const { accepted, reason = "", message: words = "" } = decoded.message.body;
  if (accepted) return "accepted";
  return PASSING.has(reason) ? undefined : `${reason}: ${words}`;
}
