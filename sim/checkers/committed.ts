/** What stands in the log, as far as it was acknowledged: each record is opened once. */
import type { RegistryOperation } from "#replication";
import { opened } from "../opened.ts";
import type { CheckedWorld } from "./checker.ts";

export class CommittedOperations {
  readonly #log: CheckedWorld["log"];
  #position = 0;

  constructor({ log }: CheckedWorld) {
    this.#log = log;
  }

  /** Operations that were committed since it was asked last, in order. */
  *fresh(): IterableIterator<RegistryOperation> {
    while (this.#position < this.#log.end) {
      this.#position += 1;
      const bytes = this.#log.record(this.#position);
      const found = bytes === undefined ? undefined : opened(bytes);
      if (found?.kind === "record") yield* found.record.operations;
    }
  }
}
