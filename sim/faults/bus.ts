/** Faults of brokers and of connections to them. */
import { type Applied, type Fault, type FaultArgs, type FaultTarget, firstUp } from "./fault.ts";

/** Something of a member's connection is other than it should be, until it is healed. */
function onMember(
  target: FaultTarget,
  args: FaultArgs,
  change: (name: string, on: boolean) => void,
): Applied | undefined {
  const member = firstUp(target, args);
  if (member === undefined) return undefined;
  change(member.name, true);
  return { heal: () => change(member.name, false) };
}

export const BUS_FAULTS: readonly Fault[] = [
  {
    name: "disconnect-client",
    group: "bus",
    statement: "a connection to the broker is reset",
    weight: 3,
    lastsMs: [0, 0],
    on: "anyMember",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      target.network.disconnect(member.name, "connection reset");
      return {};
    },
  },
  {
    name: "slow-consumer",
    group: "bus",
    statement: "the broker cuts a client off because it does not read what waits for it",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyMember",
    milder: "disconnect-client",
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      target.network.disconnect(member.name, "slow consumer");
      return {};
    },
  },
  {
    name: "bus-throws",
    group: "bus",
    statement: "a member's bus throws out of its next publishes",
    weight: 1,
    lastsMs: [0, 0],
    on: "anyMember",
    by: { low: 1, high: 3, unit: "publishes" },
    apply: (target, args) => {
      const member = firstUp(target, args);
      if (member === undefined) return undefined;
      target.network.throwFor(member.name, args.by ?? 1);
      return {};
    },
  },
  {
    name: "bus-restart",
    group: "bus",
    statement: "a broker ends and comes back; its member of the log with it",
    weight: 2,
    lastsMs: [200, 20_000],
    on: "anyBroker",
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
    name: "no-responders",
    group: "bus",
    statement: "a member's questions are answered as if nobody listened there",
    weight: 1,
    lastsMs: [500, 8_000],
    on: "anyMember",
    apply: (target, args) =>
      onMember(target, args, (name, on) => target.network.hearNobody(name, on)),
  },
  {
    name: "publish-denied",
    group: "bus",
    statement: "the broker allows a member no publish: its credential was changed",
    weight: 1,
    lastsMs: [500, 8_000],
    on: "anyMember",
    milder: "disconnect-client",
    apply: (target, args) => onMember(target, args, (name, on) => target.network.deny(name, on)),
  },
  {
    name: "payload-limit",
    group: "bus",
    statement: "the broker takes only small messages of a member: its limit was lowered",
    weight: 1,
    lastsMs: [500, 8_000],
    on: "anyMember",
    by: { low: 200, high: 4_000, unit: "bytes" },
    apply: (target, args) =>
      onMember(target, args, (name, on) =>
        target.network.limitPayload(name, on ? (args.by ?? 1_000) : undefined),
      ),
  },
];
