/**
 * What operators order and the log must have before it holds: proposed, and answered when it has
 * come back committed (P-1.7).
 */
import type { BodyOf, MessageId } from "#protocol";
import type { RegistryOperation } from "#replication";
import { OPERATIONS_VERSION, PROMISED_MAX, propose, type Turn } from "./state.ts";

export type Answer = Omit<BodyOf<"OPERATOR_ANSWER">, "epoch">;

export function refusal(reason: NonNullable<Answer["reason"]>, message: string): Answer {
  return { accepted: false, reason, message };
}

/**
 * Proposes the operations; the caller is answered with the first of them. The refusal where that
 * cannot be; undefined otherwise.
 */
export function order(
  turn: Turn,
  operations: readonly [RegistryOperation, ...RegistryOperation[]],
  to: { readonly reply: string; readonly id: MessageId },
): Answer | undefined {
  const { orders, registry } = turn.state;
  const [first] = operations;
  if (registry.minimumVersion < OPERATIONS_VERSION && first.kind !== "AgentMarkedGone") {
    const version = OPERATIONS_VERSION;
    return refusal(
      "invalid",
      `a master that led does not know version ${version}; upgrade it first`,
    );
  }
  if (orders.size >= PROMISED_MAX || !propose(turn, ...operations)) {
    return refusal("busy", "the log is busy; call again");
  }
  orders.set(first, to);
  return undefined;
}

/** The log has it, and what follows has been done: whoever ordered it hears so. */
export function orderSettled({ state, out }: Turn, operation: RegistryOperation): void {
  const to = state.orders.get(operation);
  if (to === undefined) return;
  state.orders.delete(operation);
  const { reply, id: re } = to;
  const body = { accepted: true, ...state.publisher.seenFrom(state), epoch: state.epoch };
  out.push({ kind: "reply", reply, message: { kind: "OPERATOR_ANSWER", body, re } });
}
