/** The way to the author of the executor: events go out under one local name, calls come in. */
import type { Effect, LocalMessage } from "#runtime";
import type { ExecutorCall, ExecutorLibraryEvent } from "./state.ts";

/** Name under which the author is connected. */
export const AUTHOR = "author";

export function tellAuthor(event: ExecutorLibraryEvent): Effect {
  return { kind: "tell", to: AUTHOR, message: event };
}

/** What only the author says, under its name. */
export function callOf(message: LocalMessage): ExecutorCall {
  return message as ExecutorCall;
}
