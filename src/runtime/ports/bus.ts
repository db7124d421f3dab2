/**
 * The way out to other actors. At most once; FIFO per publisher, subject and subscriber. What is
 * published while there is no connection is dropped and counted by the adapter, never sent later
 * (P-3.5). No method calls back within the call.
 */

/** Largest payload of one publish, in bytes. A frame is smaller (P-2.1). */
export const BUS_PAYLOAD_BYTES_MAX = 1024 * 1024;

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Where an answer goes, when the sender used `request`. */
  readonly reply?: string;
  /** Monotonic time of arrival, stamped by the adapter before any queue (P-6.1). */
  readonly arrivedAtMs: number;
}

/** `dropped`: there is no connection, or the payload or the subject is not allowed; counted. */
export type PublishOutcome = "sent" | "dropped";

export type RequestOutcome =
  | { readonly kind: "reply"; readonly message: BusMessage }
  /** The broker says that nobody listens there: certainly not delivered. */
  | { readonly kind: "no-responders" }
  /** Nothing came: it may have been handled. */
  | { readonly kind: "timeout" }
  | { readonly kind: "disconnected" };

export type BusStatus =
  | { readonly kind: "connected"; readonly reconnect: boolean }
  | { readonly kind: "disconnected"; readonly why: string }
  /** The broker refused a subject: a fault of ours or of a permission. */
  | { readonly kind: "forbidden"; readonly subject: string };

export interface Subscription {
  /** From here on the callback is not called again. */
  stop(): void;
}

export interface Bus {
  publish(subject: string, data: Uint8Array, reply?: string): PublishOutcome;
  /** Lives across reconnections until stopped. `*` matches one token, `>` the rest. */
  subscribe(subject: string, onMessage: (message: BusMessage) => void): Subscription;
  request(
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
    done: (outcome: RequestOutcome) => void,
  ): void;
  /** Calls back when everything published and subscribed so far has reached the broker. */
  flush(done: (reached: boolean) => void): void;
  onStatus(listener: (status: BusStatus) => void): Subscription;
  readonly connected: boolean;
  /** How often each reason made the adapter drop something. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Ends the connection; nothing is called back afterwards but `done`. */
  close(done: () => void): void;
}
