/** Faults of the network and of brokers. */
import type { Chance } from "../kernel/prng.ts";
import { anyUp, type Applied, type Fault, type FaultTarget } from "./fault.ts";

type Way = readonly [from: string, to: string];

function cutAll({ paths }: FaultTarget, ways: readonly Way[], target: string): Applied {
  for (const [from, to] of ways) paths.cut(from, to);
  return {
    target,
    heal: () => {
      for (const [from, to] of ways) paths.heal(from, to);
    },
  };
}

function bothWays(one: string, other: string): Way[] {
  return [
    [one, other],
    [other, one],
  ];
}

/** Everybody in two groups; brokers too, so that one side may lack a majority. */
function groups(target: FaultTarget, chance: Chance): readonly [string[], string[]] {
  const names = [...target.brokers, ...target.members().map(({ name }) => name)];
  const shuffled = chance.shuffled(names);
  const size = chance.between(1, Math.max(1, Math.floor(names.length / 2)));
  return [shuffled.slice(0, size), shuffled.slice(size)];
}

export const NETWORK_FAULTS: readonly Fault[] = [
  {
    name: "cut",
    statement: "a member and one broker do not reach each other",
    weight: 2,
    lastsMs: [500, 20_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      const broker = chance.pick(target.brokers);
      if (member === undefined || broker === undefined) return undefined;
      return cutAll(target, bothWays(member.name, broker), `${member.name} | ${broker}`);
    },
  },
  {
    name: "cut-one-way",
    statement: "what a broker sends to a member does not arrive, the other way is open",
    weight: 1,
    lastsMs: [500, 20_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      const broker = chance.pick(target.brokers);
      if (member === undefined || broker === undefined) return undefined;
      const ways: Way = chance.chance(500_000) ? [broker, member.name] : [member.name, broker];
      return cutAll(target, [ways], ways.join(" → "));
    },
  },
  {
    name: "isolate",
    statement: "a member reaches no broker at all",
    weight: 3,
    lastsMs: [1_000, 40_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      if (member === undefined) return undefined;
      const ways = target.brokers.flatMap((broker) => bothWays(member.name, broker));
      return cutAll(target, ways, member.name);
    },
  },
  {
    name: "partition",
    statement: "everybody, brokers included, falls into two groups",
    weight: 1,
    lastsMs: [2_000, 30_000],
    apply: (target, chance) => {
      const [here, there] = groups(target, chance);
      const ways = here.flatMap((one) => there.flatMap((other) => bothWays(one, other)));
      return cutAll(target, ways, `{${here.join(" ")}} | rest`);
    },
  },
  {
    name: "clog",
    statement: "a way is slow by up to a second",
    weight: 2,
    lastsMs: [1_000, 20_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      const broker = chance.pick(target.brokers);
      if (member === undefined || broker === undefined) return undefined;
      const delay = { floorMs: chance.between(10, 500), meanMs: chance.between(10, 500) };
      const keys = bothWays(member.name, broker).map((way) => way.join(">"));
      for (const key of keys) target.paths.slow.set(key, delay);
      return {
        target: `${member.name} ~ ${broker}`,
        heal: () => {
          for (const key of keys) target.paths.slow.delete(key);
        },
      };
    },
  },
  {
    name: "restart-far-away",
    statement: "an agent ends and is back at once, on slow ways: frames of its past still arrive",
    weight: 2,
    lastsMs: [3_000, 10_000],
    apply: (target, chance) => {
      const member = anyUp(target, chance, "agent");
      if (member === undefined) return undefined;
      const delay = { floorMs: chance.between(100, 1_500), meanMs: 20 };
      const ways = target.brokers.flatMap((broker) => bothWays(member.name, broker));
      const keys = ways.map((way) => way.join(">"));
      for (const key of keys) target.paths.slow.set(key, delay);
      member.crash("restart-far-away");
      target.network.world.after(chance.between(20, 500), () => member.restart());
      return {
        target: `${member.name} by ${delay.floorMs} ms`,
        heal: () => {
          for (const key of keys) target.paths.slow.delete(key);
          member.restart();
        },
      };
    },
  },
  {
    name: "disconnect-client",
    statement: "a connection to the broker is reset",
    weight: 3,
    lastsMs: [0, 0],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      if (member === undefined) return undefined;
      target.network.disconnect(member.name);
      return { target: member.name };
    },
  },
  {
    name: "bus-throws",
    statement: "a member's bus throws out of its next publishes",
    weight: 1,
    lastsMs: [0, 0],
    apply: (target, chance) => {
      const member = anyUp(target, chance);
      if (member === undefined) return undefined;
      target.network.throwFor(member.name, chance.between(1, 3));
      return { target: member.name };
    },
  },
  {
    name: "bus-restart",
    statement: "a broker ends and comes back; its member of the log with it",
    weight: 2,
    lastsMs: [200, 20_000],
    apply: (target, chance) => {
      const broker = chance.pick(target.network.brokers.filter(({ up }) => up));
      if (broker === undefined) return undefined;
      target.network.stopBroker(broker.name);
      return { target: broker.name, heal: () => target.network.startBroker(broker.name) };
    },
  },
];
