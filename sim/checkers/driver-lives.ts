/**
 * Whose calls a session carries: a life of a framework's driver. Calls keep their numbers over all
 * sessions of one life, and each life begins anew with them.
 */
import type { SeenFrame, SeenNode } from "../observation.ts";

export class DriverLives {
  /** Lives by session. */
  readonly #lives = new Map<string, string>();
  /** Drivers that a process has had: one that subscribes without a token is new. */
  readonly #drivers = new Map<string, number>();

  /** A framework has said a frame; whose life it is. */
  said({ name, life }: SeenNode, { speaker, session, messages }: SeenFrame): string {
    const known = this.#lives.get(session);
    if (known !== undefined && messages.every(({ kind }) => kind !== "SUBSCRIBE")) return known;
    const process = `${speaker} of ${name}#${life}`;
    for (const message of messages) {
      if (message.kind !== "SUBSCRIBE" || message.body.token !== undefined) continue;
      this.#drivers.set(process, (this.#drivers.get(process) ?? 0) + 1);
    }
    const driver = `${process}.${this.#drivers.get(process) ?? 0}`;
    this.#lives.set(session, driver);
    return driver;
  }

  /** Whose session it is; undefined where no framework has spoken in it. */
  of(session: string): string | undefined {
    return this.#lives.get(session);
  }
}
