/** Faults of the ways between processes. */
import { type Applied, type Fault, type FaultArgs, type FaultTarget, firstUp } from "./fault.ts";

type Way = readonly [from: string, to: string];

function cutAll({ paths }: FaultTarget, ways: readonly Way[]): Applied | undefined {
  if (ways.length === 0) return undefined;
  for (const [from, to] of ways) paths.cut(from, to);
  return {
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

/** Every way between the two sides, there and back. */
function between(ones: readonly string[], others: readonly string[]): Way[] {
  return ones.flatMap((one) => others.flatMap((other) => bothWays(one, other)));
}

function slowAll({ paths }: FaultTarget, ways: readonly Way[], byMs: number): () => void {
  const keys = ways.map((way) => way.join(">"));
  for (const key of keys) paths.slow.set(key, { floorMs: byMs, meanMs: byMs / 2 });
  return () => {
    for (const key of keys) paths.slow.delete(key);
  };
}

/** Each link is stopped and started again, over and over. */
function flap(target: FaultTarget, { on, to = [], by = 500 }: FaultArgs): Applied | undefined {
  const ways = between(on, to);
  const { world } = target.network;
  let open: Applied | undefined;
  let over = false;
  const turn = (): void => {
    if (over) return;
    if (open === undefined) open = cutAll(target, ways);
    else {
      open.heal?.();
      open = undefined;
    }
    world.after(by, turn);
  };
  turn();
  return {
    heal: () => {
      over = true;
      open?.heal?.();
    },
  };
}

/**
 * Swizzle-clogging: one after the other loses the network, then one after the other gets it back,
 * in another order. What depends on an order of arrivals shows here.
 */
function swizzle(target: FaultTarget, { on, to, by = 1_000 }: FaultArgs): Applied | undefined {
  if (on.length === 0) return undefined;
  const { world } = target.network;
  const cuts = new Map<string, Applied | undefined>();
  let over = false;
  const restore = (name: string): void => {
    cuts.get(name)?.heal?.();
    cuts.delete(name);
  };
  on.forEach((name, index) => {
    world.after(index * by, () => {
      if (!over) cuts.set(name, cutAll(target, between([name], target.brokers)));
    });
  });
  const back = to ?? [...on].reverse();
  back.forEach((name, index) => {
    world.after((on.length + index) * by, () => restore(name));
  });
  return {
    heal: () => {
      over = true;
      for (const name of [...cuts.keys()]) restore(name);
    },
  };
}

type Rate = "drop" | "duplicate" | "reorder" | "replayOld";

/** What NATS never does: only where the profile says that the bus may do anything. */
function rate(name: string, which: Rate, statement: string): Fault {
  return {
    name,
    group: "network",
    statement: `${statement} (profile hostile only)`,
    weight: 1,
    lastsMs: [2_000, 20_000],
    on: "brokers",
    by: { low: 5_000, high: 100_000, unit: "per million" },
    apply: ({ network }, { by = 10_000 }) => {
      const { hostility } = network;
      if (network.profile !== "hostile") return undefined;
      const before = hostility[which];
      hostility[which] = before + by;
      return {
        heal: () => {
          hostility[which] -= by;
        },
      };
    },
  };
}

export const NETWORK_FAULTS: readonly Fault[] = [
  {
    name: "cut",
    group: "network",
    statement: "a member and one broker do not reach each other",
    weight: 2,
    lastsMs: [500, 20_000],
    on: "anyMember",
    to: "anyBroker",
    by: { low: 10, high: 500, unit: "ms, when it is only clogged" },
    milder: "clog",
    apply: (target, { on, to = [] }) => cutAll(target, between(on, to)),
  },
  {
    name: "cut-to-broker",
    group: "network",
    statement: "what a member sends does not reach its broker, the other way is open",
    weight: 1,
    lastsMs: [500, 20_000],
    on: "anyMember",
    to: "anyBroker",
    milder: "clog",
    apply: (target, { on, to = [] }) =>
      cutAll(
        target,
        on.flatMap((one) => to.map((other): Way => [one, other])),
      ),
  },
  {
    name: "cut-from-broker",
    group: "network",
    statement: "what a broker sends does not reach a member, the other way is open",
    weight: 1,
    lastsMs: [500, 20_000],
    on: "anyMember",
    to: "anyBroker",
    milder: "clog",
    apply: (target, { on, to = [] }) =>
      cutAll(
        target,
        on.flatMap((one) => to.map((other): Way => [other, one])),
      ),
  },
  {
    name: "isolate",
    group: "network",
    statement: "a member reaches no broker at all",
    weight: 3,
    lastsMs: [1_000, 40_000],
    on: "anyMember",
    to: "brokers",
    milder: "flapping",
    apply: (target, { on, to = [] }) => cutAll(target, between(on, to)),
  },
  {
    name: "partition",
    group: "network",
    statement: "everybody, brokers included, falls into two groups",
    weight: 1,
    lastsMs: [2_000, 30_000],
    on: "half",
    to: "rest",
    milder: "cut",
    apply: (target, { on, to = [] }) => cutAll(target, between(on, to)),
  },
  {
    name: "flapping",
    group: "network",
    statement: "the link of a member to every broker fails and comes back, over and over",
    weight: 1,
    lastsMs: [2_000, 20_000],
    on: "anyMember",
    to: "brokers",
    by: { low: 100, high: 3_000, unit: "ms" },
    milder: "clog",
    apply: flap,
  },
  {
    name: "swizzle",
    group: "network",
    statement: "members lose the network one by one and get it back in another order",
    weight: 1,
    lastsMs: [5_000, 30_000],
    on: "random(4)",
    by: { low: 200, high: 3_000, unit: "ms between two" },
    milder: "isolate",
    apply: swizzle,
  },
  {
    name: "clog",
    group: "network",
    statement: "a way is slow by up to a second",
    weight: 2,
    lastsMs: [1_000, 20_000],
    on: "anyMember",
    to: "anyBroker",
    by: { low: 10, high: 500, unit: "ms" },
    apply: (target, { on, to = [], by = 100 }) => {
      const ways = between(on, to);
      return ways.length === 0 ? undefined : { heal: slowAll(target, ways, by) };
    },
  },
  {
    name: "restart-far-away",
    group: "network",
    statement: "an agent ends and is back at once, on slow ways: frames of its past still arrive",
    weight: 2,
    lastsMs: [3_000, 10_000],
    on: "anyAgent",
    by: { low: 100, high: 1_500, unit: "ms" },
    milder: "crash-agent",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      const byMs = args.by ?? 500;
      const restore = slowAll(target, between([member.name], target.brokers), byMs);
      member.crash("restart-far-away");
      target.network.world.after(byMs / 4, () => member.restart());
      return {
        heal: () => {
          restore();
          member.restart();
        },
      };
    },
  },
  rate("drop", "drop", "messages get lost"),
  rate("duplicate", "duplicate", "messages arrive twice"),
  rate("reorder", "reorder", "messages overtake each other"),
  rate("replay-old", "replayOld", "messages of long ago arrive again"),
];
