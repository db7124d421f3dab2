/** Faults of the replicated log. */
import { parseWitness, WITNESS_FILE } from "#actors/master";
import { asId, type MasterId } from "#protocol";
import { recordVersionOf, seal } from "#replication";
import { opened } from "../opened.ts";
import type { Applied, Fault, FaultArgs, FaultTarget } from "./fault.ts";

/** Up to which position every master, up or down, has seen the log by what its disk says. */
function witnessedByAll(target: FaultTarget): number {
  const positions = target.members("master").map(({ disk }) => {
    const bytes = disk.files.get(WITNESS_FILE);
    return bytes === undefined ? 0 : (parseWitness(bytes)?.position ?? 0);
  });
  return Math.min(...positions);
}

/**
 * Everything goes down and comes back with an old copy of the log; later the right one is found.
 * Only what every master has seen is lost: that is what a witness promises to notice (P-7.4).
 */
function setBack(target: FaultTarget, { on, by = 10 }: FaultArgs): Applied | undefined {
  const { log, network } = target;
  // Of an old copy no older one is made: the first to be found would not fit to it.
  if (log.isSetBack) return undefined;
  const cut = witnessedByAll(target) - by;
  if (cut < Math.max(log.first, 1)) return undefined;
  const masters = target.members("master").filter(({ name }) => on.includes(name));
  for (const master of masters) master.crash("log-set-back");
  const lost = log.loseTail(log.end - cut);
  const restart = (): void => {
    for (const master of masters) master.restart();
  };
  let over = false;
  network.world.after(RESTART_MS, () => {
    if (!over) restart();
  });
  return {
    heal: () => {
      over = true;
      log.findTail(lost, cut);
      restart();
    },
  };
}

const RESTART_MS = 500;

/**
 * A broker that was stopped and cut off leads the log with a part of it: nats-server 2.10 was seen
 * to do that. Only what every master has seen is missing, as above.
 */
function leadShort(target: FaultTarget, { on, by = 10 }: FaultArgs): Applied | undefined {
  const { log } = target;
  const [name] = on;
  if (name === undefined || log.isSetBack) return undefined;
  const cut = witnessedByAll(target) - by;
  if (cut < Math.max(log.first, 1) || !log.leadShort(name, log.end - cut)) return undefined;
  // Nothing heals it but that another leads.
  return {};
}

/** What somebody publishes on the log's subject who knows nothing of records. */
function publishStray({ log }: FaultTarget, { by = 1 }: FaultArgs): Applied | undefined {
  let taken = 0;
  for (let count = 0; count < by; count++) {
    if (log.publishStray(new TextEncoder().encode(`stray ${count}`))) taken += 1;
  }
  return taken === 0 ? undefined : {};
}

/** A record of an epoch that is over gets into the log late: it is void for all alike (P-7.5). */
function publishLate({ log }: FaultTarget, { by = 0 }: FaultArgs): Applied | undefined {
  const last = log.record(log.end);
  const newest = last === undefined ? undefined : opened(last);
  const first = log.first;
  const record = log.record(first + (by % Math.max(1, log.end - first)));
  const old = record === undefined ? undefined : opened(record);
  if (record === undefined || old?.kind !== "record" || newest?.kind !== "record") return undefined;
  const elects = old.record.operations.some(({ kind }) => kind === "LeaderElected");
  if (elects || old.record.epoch >= newest.record.epoch) return undefined;
  return log.publishStray(record.slice()) ? {} : undefined;
}

/** A record that says it is the leader's and follows none: the chain is broken from there on. */
function forge({ log }: FaultTarget): Applied | undefined {
  const last = log.record(log.end);
  const found = last === undefined ? undefined : opened(last);
  if (found?.kind !== "record") return undefined;
  const { epoch, clusterTimeMs, wallMs } = found.record;
  const operations = [{ kind: "Proof" } as const];
  const { bytes } = seal({
    v: recordVersionOf(operations),
    epoch,
    writer: asId<MasterId>("forger"),
    id: "forged.1",
    clusterTimeMs,
    wallMs,
    previous: "00".repeat(32),
    operations,
  });
  return log.publishStray(bytes) ? {} : undefined;
}

export const LOG_FAULTS: readonly Fault[] = [
  {
    name: "log-slow",
    group: "log",
    statement: "the log needs many times as long to commit",
    weight: 1,
    lastsMs: [1_000, 10_000],
    on: "brokers",
    by: { low: 20, high: 2_000, unit: "times slower" },
    apply: ({ log }, { by = 100 }) => {
      log.slowness = by;
      return {
        heal: () => {
          log.slowness = 1;
        },
      };
    },
  },
  {
    name: "log-refuses",
    group: "log",
    statement: "the log refuses appends as too many (429)",
    weight: 1,
    lastsMs: [200, 5_000],
    on: "brokers",
    milder: "log-slow",
    apply: ({ log }) => {
      log.refusing = true;
      return {
        heal: () => {
          log.refusing = false;
        },
      };
    },
  },
  {
    name: "log-leader-kill",
    group: "log",
    statement: "the broker that leads the log ends, with what it had under way",
    weight: 1,
    lastsMs: [1_000, 15_000],
    on: "logLeader",
    milder: "bus-restart",
    apply: ({ network }, { on }) => {
      const up = on.filter((name) => network.broker(name).up);
      if (up.length === 0) return undefined;
      for (const name of up) network.stopBroker(name);
      return {
        heal: () => {
          for (const name of up) network.startBroker(name);
        },
      };
    },
  },
  {
    name: "lost-replica",
    group: "log",
    statement: "one member of the log comes back with an empty disk and copies it from the others",
    weight: 1,
    lastsMs: [1_000, 15_000],
    on: "anyBroker",
    milder: "bus-restart",
    apply: ({ network, log }, { on }) => {
      // A minority only: what a majority has lost no log can promise.
      const [name] = on;
      if (name === undefined || !network.broker(name).up) return undefined;
      if (network.brokers.some((broker) => !broker.up) || network.brokers.length < 3) {
        return undefined;
      }
      network.stopBroker(name);
      log.loseReplica(name);
      return { heal: () => network.startBroker(name) };
    },
  },
  {
    name: "log-set-back",
    group: "log",
    statement:
      "all masters end and come back with an old copy of the log, until the right one is found",
    weight: 1,
    lastsMs: [4_000, 12_000],
    on: "masters",
    by: { low: 1, high: 60, unit: "records that every master has seen" },
    apply: setBack,
  },
  {
    name: "log-leader-short",
    group: "log",
    statement: "a broker leads the log that lacks the last of it; the others have it all",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyBroker",
    by: { low: 1, high: 60, unit: "records that every master has seen" },
    milder: "log-leader-kill",
    apply: leadShort,
  },
  {
    name: "stray-publish",
    group: "log",
    statement: "somebody publishes on the log's subject what are no records",
    weight: 1,
    lastsMs: [0, 0],
    on: "logLeader",
    by: { low: 1, high: 3, unit: "times" },
    apply: publishStray,
  },
  {
    name: "late-record",
    group: "log",
    statement: "a record of a leader that was replaced gets into the log once more",
    weight: 1,
    lastsMs: [0, 0],
    on: "logLeader",
    by: { low: 0, high: 10_000, unit: "th of the records" },
    apply: publishLate,
  },
  {
    name: "forged-record",
    group: "log",
    statement: "a record that follows none stands in the log: no master may act on it any more",
    // There is no way back but a snapshot, so it is never drawn.
    weight: 0,
    lastsMs: [0, 0],
    on: "logLeader",
    apply: forge,
  },
];
