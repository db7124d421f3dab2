/**
 * What an actor asks of the world: plain data, in the order in which it must happen. A test
 * compares it, the simulator delays it, a recorder stores it. The host performs effects after
 * the transition (P-1.1); what carries `after` waits until that write or append is durable, and
 * holds back everything later for the same peer and nothing else (P-1.5).
 */
import type {
  AnyMessage,
  EventTopic,
  Incarnation,
  LogLevel,
  Peer,
  Position,
  SessionId,
  WireReason,
} from "#protocol";
import type { LocalMessage, Token } from "./inputs.ts";
import type { CgroupStep, LaunchPlan, MeasureWish } from "./ports/launcher.ts";
import type { LogFields } from "./ports/logger.ts";
import type { StreamFile } from "./ports/streams.ts";

/** No other input joins a batch that has asked for so much: performing it is work too (P-1.6). */
export const BATCH_EFFECTS_MAX = 1_024;

interface Held {
  /** Durable tokens this waits for, all of them. */
  readonly after?: Token | readonly Token[];
}

/** One call of the launcher's port; the answer comes back under `token`. */
export type LauncherRequest = { readonly token: Token } & (
  | { readonly call: "prepare"; readonly steps: readonly CgroupStep[] }
  | { readonly call: "launch"; readonly plan: LaunchPlan }
  | {
      readonly call: "update";
      readonly containerId: string;
      readonly steps: readonly CgroupStep[];
    }
  | { readonly call: "signal"; readonly containerId: string; readonly signal: number }
  | { readonly call: "destroy"; readonly containerId: string; readonly graceMs: number | null }
  | { readonly call: "forget"; readonly containerId: string }
  | { readonly call: "recover" }
  | { readonly call: "usage"; readonly containerIds: readonly string[] }
  | { readonly call: "measure"; readonly wish: MeasureWish }
);

export type Effect =
  /** Over the session with `to`; dropped and counted where there is none. */
  | ({ readonly kind: "send"; readonly to: Peer; readonly message: AnyMessage } & Held)
  /** The answer to a call outside sessions. */
  | ({ readonly kind: "reply"; readonly reply: string; readonly message: AnyMessage } & Held)
  /** Beacons and operator events: to whoever listens. */
  | ({
      readonly kind: "publish";
      readonly topic: "leader" | EventTopic;
      /** To this client alone, where it hears its server. */
      readonly to?: Peer;
      readonly message: AnyMessage;
    } & Held)
  /** Chunk of a byte stream. */
  | {
      readonly kind: "chunk";
      readonly streamId: string;
      readonly data: Uint8Array;
    }
  | { readonly kind: "listen-credits"; readonly streamId: string; readonly listen: boolean }
  /** To a local actor of the same process. */
  | ({ readonly kind: "tell"; readonly to: string; readonly message: LocalMessage } & Held)
  | { readonly kind: "timer"; readonly name: string; readonly inMs: number }
  | { readonly kind: "cancel-timer"; readonly name: string }
  /** The replicated log. */
  | {
      readonly kind: "append";
      readonly token: Token;
      readonly expected: Position;
      readonly record: Uint8Array;
    }
  | {
      readonly kind: "log-read";
      readonly token: Token;
      readonly from: Position;
      readonly max: number;
    }
  | { readonly kind: "log-hint"; readonly token: Token }
  /** Carried out behind a committed record that says so (P-7.7). */
  | { readonly kind: "log-truncate"; readonly token: Token; readonly before: Position }
  | { readonly kind: "log-step-down"; readonly token: Token; readonly end: Position }
  | { readonly kind: "log-follow"; readonly from: Position }
  | { readonly kind: "log-unfollow" }
  /**
   * Says that `token`, which was not an append's or write's own, is durable now, or never will
   * be: releases or voids what waits for it.
   */
  | { readonly kind: "settle"; readonly token: Token; readonly durable: boolean }
  /** From here on nothing leaves: sends, appends and timers are void (P-1.2). */
  | { readonly kind: "fence"; readonly why: string }
  /** Frames are held, nothing is lost, until `mute: false` (P-7.2). */
  | { readonly kind: "mute"; readonly mute: boolean }
  /**
   * Nothing is said after that monotonic time, whoever may have stood still until then: a timer
   * of the host fires before the actor can judge what it has missed (P-7.2).
   */
  | { readonly kind: "lease"; readonly untilMs: number }
  | {
      readonly kind: "write";
      readonly token: Token;
      readonly mode: "replace" | "append" | "remove";
      readonly path: string;
      /** Empty for `remove`. */
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "disk-read"; readonly token: Token; readonly path: string }
  | { readonly kind: "disk-list"; readonly token: Token; readonly path: string }
  | {
      readonly kind: "stream-read";
      readonly token: Token;
      readonly containerId: string;
      readonly file: StreamFile;
      readonly offset: number;
      readonly max: number;
    }
  | ({ readonly kind: "launcher"; readonly request: LauncherRequest } & Held)
  /**
   * Does anybody lead? `no-responders` at once when nobody listens (P-7.3). The leader listens
   * where standbys ask as long as it listens to `from-operators`; it does not answer there (it may
   * answer people only), so with a leader there the outcome is `timeout`. An agent or a framework
   * that asks hears a beacon of its own, where the leader speaks to it.
   */
  | { readonly kind: "ask-leader"; readonly token: Token; readonly timeoutMs: number }
  | { readonly kind: "flush"; readonly token: Token }
  /** Which subjects this actor hears now; a set by name (P-3.8). */
  | { readonly kind: "listen"; readonly to: ListenTopic; readonly listen: boolean }
  /** Client: opens a session with its server. */
  | {
      readonly kind: "hello";
      readonly peer: Peer;
      readonly incarnation: Incarnation;
      readonly identity?: string;
    }
  /** Server: lets the client that said Hello come. */
  | { readonly kind: "come"; readonly peer: Peer; readonly session: SessionId }
  | { readonly kind: "close"; readonly peer: Peer; readonly reason: WireReason }
  /** Counts a refusal or another event under a name. */
  | { readonly kind: "count"; readonly name: string; readonly reason: string }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly sentence: string;
      readonly fields?: LogFields;
    }
  | { readonly kind: "set-log-level"; readonly level: LogLevel }
  /** An event for the lifecycle machine, given to it when the effects before it are performed. */
  | { readonly kind: "lifecycle"; readonly event: { readonly type: string } };

export type ListenTopic =
  | "leader"
  | "from-agents"
  | "from-frameworks"
  | "from-operators"
  | "from-master"
  | "from-executors"
  | "from-agent";
