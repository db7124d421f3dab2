/**
 * The writer of masters on a log that is given: does what it says, tells it the answers, waits
 * until each record is in or the writer has lost.
 */
import { asId, epochOf, type MasterId } from "#protocol";
import { EMPTY_HEAD, type Head, open, Writer, type WriterCommand } from "#replication";
import type { Log, LogEntry } from "#runtime";

type Until = (condition: () => boolean, what: string) => Promise<void>;

export class DrivenWriter {
  /** Roles whose weight was written, in the order of commits. */
  readonly committed: string[] = [];
  lost: string | undefined;
  readonly #log: Log;
  readonly #until: Until;
  readonly #writer: Writer;
  #elected = false;
  readonly #id: MasterId;
  #retries = 0;

  constructor(log: Log, until: Until, id: string, head: Head = EMPTY_HEAD) {
    this.#log = log;
    this.#until = until;
    this.#id = asId(id);
    const epoch = epochOf(head.generation, head.position + 1);
    this.#writer = new Writer({ writer: this.#id, nonce: id, epoch, head });
  }

  get head(): Head {
    return this.#writer.head;
  }

  /** Writes that the role has a weight; returns when that is known to be in, or never will be. */
  async write(role: string): Promise<void> {
    if (!this.#elected) {
      this.#elected = true;
      const logId = "test";
      if (this.head.logId === undefined) {
        this.#writer.propose({ kind: "LogCreated", logId, generation: 0 });
      }
      this.#writer.propose({ kind: "LeaderElected", masterId: this.#id });
      await this.#flush();
    }
    this.#writer.propose({ kind: "WeightSet", role, weight: 2 });
    await this.#flush();
  }

  async #flush(): Promise<void> {
    this.#perform(this.#writer.flush({ nowMs: 0, clusterTimeMs: 0, wallMs: 0 }));
    while (this.#writer.proposed > 0 && this.lost === undefined) {
      const before = this.#retries;
      const settled = (): boolean =>
        this.#writer.proposed === 0 || this.lost !== undefined || this.#retries > before;
      await this.#until(settled, "a record is in, or something is to be tried again");
      if (this.#retries > before) this.#perform(this.#writer.retry());
    }
  }

  #perform(commands: readonly WriterCommand[]): void {
    for (const command of commands) {
      switch (command.kind) {
        case "append": {
          const { token, expected, bytes } = command;
          this.#log.append(expected, bytes, (outcome) =>
            this.#perform(this.#writer.answered(token, outcome)),
          );
          break;
        }
        case "read":
          this.#log.read(command.from, command.max, (outcome) =>
            this.#perform(this.#writer.wasRead(command.token, outcome)),
          );
          break;
        case "retry":
          this.#retries += 1;
          break;
        case "committed":
          this.committed.push(...rolesOf(command.record.operations));
          break;
        case "lost":
          this.lost = command.why;
      }
    }
  }
}

function rolesOf(operations: readonly { readonly kind: string }[]): string[] {
  return operations.flatMap((each) =>
    each.kind === "WeightSet" && "role" in each ? [String(each.role)] : [],
  );
}

/** The roles whose weight the record of an entry sets. */
export function rolesIn({ record }: LogEntry): string[] {
  const opened = open(record);
  return opened.kind === "record" ? rolesOf(opened.record.operations) : [];
}
