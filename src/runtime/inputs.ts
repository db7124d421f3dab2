/**
 * What comes into an actor, in three families. Only mail can be said by others, so nobody forges
 * a timer, a commit, or the state of a link.
 */
import type {
  BodyOf,
  Epoch,
  Incarnation,
  Kind,
  MessageId,
  Peer,
  Position,
  SessionId,
  WireReason,
} from "#protocol";
import type { DiskList, DiskOutcome, DiskRead } from "./ports/disk.ts";
import type {
  AppendOutcome,
  HintOutcome,
  ReadOutcome,
  StepDownOutcome,
  TruncateOutcome,
} from "./ports/log.ts";
import type {
  ContainerExit,
  ContainerUsage,
  LauncherAnswer,
  LauncherLoss,
  Measure,
  PidFacts,
  RecoveredFacts,
} from "./ports/launcher.ts";
import type { StreamRead } from "./ports/streams.ts";

export type MailOf<K extends Kind> = {
  readonly [Each in K]: {
    readonly family: "mail";
    readonly kind: Each;
    readonly body: BodyOf<Each>;
    readonly id: MessageId;
    readonly re: MessageId;
    /** Who says it, by the subject (P-4.1); a local actor's name for `tell`. */
    readonly from: Peer;
    /** Epoch in the frame's header: the one the speaker means or speaks in. */
    readonly epoch: Epoch;
    readonly arrivedAtMs: number;
    /** Where an answer goes, for calls outside sessions. */
    readonly reply?: string;
  };
}[K];

export type Mail = MailOf<Kind>;

/** A timer that the actor asked for by an effect; `data` is what it was asked with. */
export interface Due {
  readonly family: "due";
  readonly timer: string;
  /** How late it fires; more than one interval means this process stood still (P-6.1). */
  readonly lateMs: number;
}

/** A name that an actor gives to a write or an append, to tie messages to it (P-1.5). */
export type Token = string;

/** What happens to a session with a peer; told by the host, which keeps the sessions. */
export type LinkChange =
  /** Server: somebody asks for a session; answer by the effects `come` or `close`. */
  | {
      readonly change: "hello";
      readonly session: SessionId;
      readonly incarnation: Incarnation;
      readonly version: number;
      readonly kinds: readonly string[];
      readonly identity: string | undefined;
      readonly epoch: Epoch;
    }
  /** Client: the server has room and speaks in `epoch`; now say what you have. */
  | { readonly change: "come"; readonly session: SessionId; readonly epoch: Epoch }
  /** The session is over; the one recovery everybody has begins (P-3). */
  | { readonly change: "closed"; readonly session: SessionId; readonly reason: WireReason };

/** What the launcher says: the answer to a request, or what happened by itself. */
export type LauncherEvent =
  | {
      readonly event: "answer";
      readonly token: Token;
      readonly call: "prepare" | "update" | "signal" | "destroy" | "forget";
      readonly answer: LauncherAnswer;
    }
  | {
      readonly event: "answer";
      readonly token: Token;
      readonly call: "launch";
      readonly answer: LauncherAnswer<{ readonly pids: PidFacts }>;
    }
  | {
      readonly event: "answer";
      readonly token: Token;
      readonly call: "recover";
      readonly answer: LauncherAnswer<{ readonly facts: RecoveredFacts }>;
    }
  | {
      readonly event: "answer";
      readonly token: Token;
      readonly call: "usage";
      readonly answer: LauncherAnswer<{ readonly usages: readonly ContainerUsage[] }>;
    }
  | {
      readonly event: "answer";
      readonly token: Token;
      readonly call: "measure";
      readonly answer: LauncherAnswer<{ readonly measure: Measure }>;
    }
  | { readonly event: "exit"; readonly exit: ContainerExit }
  | { readonly event: "loss"; readonly loss: LauncherLoss };

export type Done =
  | { readonly what: "append"; readonly token: Token; readonly outcome: AppendOutcome }
  | { readonly what: "log-read"; readonly token: Token; readonly outcome: ReadOutcome }
  | { readonly what: "log-hint"; readonly token: Token; readonly outcome: HintOutcome }
  | { readonly what: "log-truncate"; readonly token: Token; readonly outcome: TruncateOutcome }
  | { readonly what: "log-step-down"; readonly token: Token; readonly outcome: StepDownOutcome }
  /** Entries of the followed log, in order. */
  | {
      readonly what: "log-entries";
      readonly entries: readonly { readonly position: Position; readonly record: Uint8Array }[];
    }
  | { readonly what: "write"; readonly token: Token; readonly outcome: DiskOutcome }
  | { readonly what: "disk-read"; readonly token: Token; readonly outcome: DiskRead }
  | { readonly what: "disk-list"; readonly token: Token; readonly outcome: DiskList }
  | { readonly what: "stream-read"; readonly token: Token; readonly outcome: StreamRead }
  | { readonly what: "launcher"; readonly launcher: LauncherEvent }
  | {
      readonly what: "ask";
      readonly token: Token;
      /** `reply`: somebody listens and answered; the others as in the port. */
      readonly outcome: "reply" | "no-responders" | "timeout" | "disconnected";
    }
  /** Server: a client asks who leads; answered by a `publish` to it alone, outside sessions. */
  | { readonly what: "sought"; readonly peer: Peer }
  | { readonly what: "flushed"; readonly token: Token; readonly reached: boolean }
  | { readonly what: "link"; readonly peer: Peer; readonly link: LinkChange }
  | { readonly what: "bus"; readonly connected: boolean; readonly why: string }
  /** A chunk of credit for a byte stream (outside sessions). */
  | { readonly what: "credit"; readonly streamId: string; readonly credits: number }
  /** Something that a local actor of the same process says (agent ⇄ isolator). */
  | { readonly what: "told"; readonly by: string; readonly message: LocalMessage };

export type DoneInput = { readonly family: "done" } & Done;

/** What local actors say to each other: plain data with a kind. */
export interface LocalMessage {
  readonly kind: string;
}

export type Input = Mail | Due | DoneInput;
