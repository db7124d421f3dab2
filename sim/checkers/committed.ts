/** What stands in the log, as far as it was acknowledged: each record is opened once. */
import { open, type RegistryOperation } from "#replication";
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
      const opened = bytes === undefined ? undefined : open(bytes);
      if (opened?.kind === "record") yield* opened.record.operations;
    }
  }
}
