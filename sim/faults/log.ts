/** Faults of the replicated log. */
import type { Fault } from "./fault.ts";

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
];
