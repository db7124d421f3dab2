/** Guards of the log: witnesses, the chain, what is void, versions of records. */
import type { SwarmMutant } from "./mutant.ts";

export const LOG_MUTANTS: readonly SwarmMutant[] = [
  {
    name: "backwards-log-led",
    statement: "a master leads a log that ends before what its own disk has seen of it",
    edits: [
      {
        file: "src/actors/master/leadership.js",
        find: "witness === undefined ? undefined : witnessFault(witness, head, witnessed)",
        replace: "undefined",
      },
    ],
    noticedBy: ["L3"],
    profile: "nats",
    faults: ["log-set-back", "leader-kill"],
  },
  {
    name: "short-copy-kept",
    statement: "a master that finds its log shorter than it was asks for no other copy",
    edits: [
      {
        file: "src/actors/master/leadership.js",
        find: 'out.push({ kind: "log-step-down", token, end });',
        replace: "distrust(turn, why);",
      },
    ],
    noticedBy: ["LV"],
    profile: "nats",
    scheduled: [{ atMs: 40_000, name: "log-leader-short", on: ["broker-2"], by: 20 }],
  },
  {
    name: "absent-end-believed",
    statement: "a leader waits for ever for a log that has lost the end it writes behind",
    edits: [
      {
        file: "src/replication/writer.js",
        find: "this.#endAbsent < END_ABSENT_TIMES",
        replace: "this.#endAbsent > 0",
      },
    ],
    noticedBy: ["LV"],
    profile: "nats",
    scheduled: [{ atMs: 40_000, name: "log-leader-short", on: ["broker-2"], by: 20 }],
  },
  {
    name: "broken-chain-led",
    statement: "a record that does not follow the one before it is taken as the next one",
    edits: [
      {
        file: "src/replication/chain.js",
        find: "if (record.previous !== head.hash)",
        replace: "if (record.previous === undefined)",
      },
    ],
    noticedBy: ["L3"],
    profile: "nats",
    scheduled: [{ atMs: 40_000, name: "forged-record" }],
  },
  {
    name: "stray-bytes-stop",
    statement: "bytes on the log's subject that are no record stop every master",
    edits: [
      {
        file: "src/replication/chain.js",
        find: 'return { kind: "void", why: "no-mark" };',
        replace: 'return { kind: "stop", why: "it has no mark" };',
      },
    ],
    noticedBy: ["LV"],
    profile: "nats",
    faults: ["stray-publish"],
  },
  {
    name: "late-record-stops",
    statement: "a record of an epoch that is over is judged as one of the present one",
    edits: [
      {
        file: "src/replication/chain.js",
        find: "if (record.epoch !== epoch)",
        replace: "if (record.epoch === epoch + 1)",
      },
    ],
    noticedBy: ["LV"],
    profile: "nats",
    faults: ["late-record", "leader-kill"],
  },
  {
    name: "version-raised-early",
    statement: "new kinds of records are written before every master that led knows them",
    edits: [
      {
        file: "src/actors/master/leadership.js",
        find: "Math.min(settings.recordVersion, ...masters.values())",
        replace: "settings.recordVersion",
      },
    ],
    noticedBy: ["V2"],
    profile: "nats",
    faults: ["leader-pause", "rival", "lead-transfer", "crash-master"],
  },
];
