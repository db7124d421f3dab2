/**
 * Names of things, and the one rule for their characters. The same rule serves subjects of the
 * bus, file paths and cgroup names, so an id that passed here can be pasted into any of them.
 */

declare const brand: unique symbol;
type Branded<Text extends string> = string & { readonly [brand]: Text };

/** Made by the agent, one per work directory (P-4.2). */
export type AgentId = Branded<"AgentId">;
export type FrameworkId = Branded<"FrameworkId">;
export type ExecutorId = Branded<"ExecutorId">;
export type TaskId = Branded<"TaskId">;
export type OfferId = Branded<"OfferId">;
export type ContainerId = Branded<"ContainerId">;
/** Given by a framework to an operation on resources that it wants to hear of. */
export type OperationId = Branded<"OperationId">;
/** Given by the leader to an inverse offer. */
export type InverseOfferId = Branded<"InverseOfferId">;
/** Who a credential names (P-4.1). */
export type Principal = Branded<"Principal">;
/** One running copy of a framework's scheduler under its principal. */
export type InstanceId = Branded<"InstanceId">;
export type MasterId = Branded<"MasterId">;
export type ClusterId = Branded<"ClusterId">;
/** Version 4 UUID text; a status update is known by it. */
export type Uuid = Branded<"Uuid">;
/** A join token: a right to ask for credentials. */
export type TokenId = Branded<"TokenId">;
/** A session between a client and the leader, made by the client (P-3.1). */
export type SessionId = Branded<"SessionId">;

/** Longest id in bytes: leaves room below 255 for the suffixes that files of that name get. */
export const ID_LENGTH_MAX = 200;

const RULE = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;

/** Why `text` is no id, as a sentence that names the limit; undefined where it is one. */
export function idFault(text: unknown): string | undefined {
  if (typeof text !== "string") return "an id must be text";
  if (text.length === 0) return "an id must not be empty";
  if (text.length > ID_LENGTH_MAX) {
    return `an id has at most ${ID_LENGTH_MAX} characters, this one ${text.length}`;
  }
  if (!RULE.test(text)) {
    return `an id is made of A-Z a-z 0-9 _ - and does not begin with -, unlike ${quote(text)}`;
  }
  return undefined;
}

export function isId(text: unknown): text is string {
  return idFault(text) === undefined;
}

function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return JSON.stringify(short);
}

/**
 * Takes text that has been checked, or that our own code made, for an id of the wanted kind.
 * @throws Error when the text breaks the rule: a programmer's fault, outside text is checked by
 * the schemas before.
 */
export function asId<Id extends string>(text: string): Id {
  const fault = idFault(text);
  if (fault !== undefined) throw new Error(fault);
  return text as Id;
}

/** The pattern of an id for schemas. */
export const ID_PATTERN = RULE.source;

/**
 * Position of the election record within its generation: generation × 2^40 + position (P-7.4).
 * 0 means: no leader known yet.
 */
export type Epoch = number;
/** 1-based place of a record in the log; 0 is the empty log. */
export type Position = number;
/** How often the work directory (or the framework's state) has been started (P-4.3). */
export type Incarnation = number;
/** Number of a message within its sender's session; 0 where no answer is expected. */
export type MessageId = number;

export const EPOCHS_PER_GENERATION = 2 ** 40;

/** @param generation counts restores of the log, from 0. */
export function epochOf(generation: number, position: Position): Epoch {
  return generation * EPOCHS_PER_GENERATION + position;
}
