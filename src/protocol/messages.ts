/** A message as the core sees it: a kind, its checked body, its number, and what it answers. */
import type { Static } from "@sinclair/typebox";
import type { MessageId } from "./ids.ts";
import type { Kind, KINDS } from "./kinds.ts";

export type BodyOf<K extends Kind> = Static<(typeof KINDS)[K]["schema"]>;

/** One message of kind `K`; `id` is 0 or absent where no answer is expected. */
export type MessageOf<K extends Kind> = {
  readonly [Each in K]: {
    readonly kind: Each;
    readonly body: BodyOf<Each>;
    readonly id?: MessageId;
    /** The id of the message that this one answers. */
    readonly re?: MessageId;
  };
}[K];

export type AnyMessage = MessageOf<Kind>;
