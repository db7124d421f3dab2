/** What stands in the log, as far as it was acknowledged: each record is opened once. */
import type { LogRecord, RegistryOperation } from "#replication";
import { opened } from "../opened.ts";
import type { CheckedWorld } from "./checker.ts";

export class CommittedRecords {
  readonly #log: CheckedWorld["log"];
  #position = 0;
  #epoch = 0;

  constructor({ log }: Pick<CheckedWorld, "log">) {
    this.#log = log;
  }

  /**
   * Records that were committed since it was asked last, in order; without those of a leader that
   * was succeeded before they got there: they are void (P-7.5). Most that ask find nothing.
   */
  fresh(): readonly LogRecord[] {
    return this.#position < this.#log.end ? this.#read() : NO_RECORDS;
  }

  #read(): LogRecord[] {
    const records: LogRecord[] = [];
    while (this.#position < this.#log.end) {
      this.#position += 1;
      const bytes = this.#log.record(this.#position);
      const found = bytes === undefined ? undefined : opened(bytes);
      if (found?.kind !== "record" || found.record.epoch < this.#epoch) continue;
      this.#epoch = found.record.epoch;
      records.push(found.record);
    }
    return records;
  }
}

const NO_RECORDS: readonly LogRecord[] = [];
const NO_OPERATIONS: readonly RegistryOperation[] = [];

export class CommittedOperations {
  readonly #records: CommittedRecords;

  constructor(world: Pick<CheckedWorld, "log">) {
    this.#records = new CommittedRecords(world);
  }

  /** Operations that were committed since it was asked last, in order. */
  fresh(): readonly RegistryOperation[] {
    const records = this.#records.fresh();
    return records.length === 0 ? NO_OPERATIONS : records.flatMap(({ operations }) => operations);
  }
}
