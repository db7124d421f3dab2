/**
 * The workloads of Mesos' own allocator benchmarks, W1 to W13, in our words and on our interface:
 * what is added, offered, declined, launched. Drives the allocator; prints nothing.
 */
import { type Allocator, createAllocator, type OfferCandidate } from "#allocator";
import { AGENT_CAPABILITIES, type AgentId, asId, type FrameworkId } from "#protocol";
import { Limits, Quantities, type Resource, Resources } from "#resources";
import type { Meter, Size, Workload } from "./allocator-meter.ts";

const BIG = "cpus:24;mem:4096;disk:4096;ports:[31000-32000]";
const YEAR_MS = 365 * 24 * 3600 * 1000;
const MINIMUM = [Quantities.parse("cpus:0.01"), Quantities.parse("mem:32")];
/** 15 single ports, then one range. */
const ODD_PORTS = `[${Array.from({ length: 15 }, (_, i) => `${31000 + 2 * i}-${31000 + 2 * i}`).join()},31030-32000]`;
/** Agents that arrive between two event runs. */
const ARRIVALS_PER_RUN = 250;

const agentId = (i: number): AgentId => asId<AgentId>(`agent${i + 1}`);
const frameworkId = (i: number): FrameworkId => asId<FrameworkId>(`framework${i + 1}`);

/** An allocator under a clock that the load drives. */
class Load {
  readonly allocator: Allocator;
  readonly #meter: Meter;
  nowMs = 0;
  offers: OfferCandidate[] = [];

  constructor(meter: Meter) {
    this.#meter = meter;
    let state = 1;
    const random = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    const options = { minAllocatable: MINIMUM, allocationIntervalMs: 1000, random };
    this.allocator = createAllocator(options);
  }

  /** The bags are made before: reading resources is not the allocator's work. */
  agents(count: number, of: (i: number) => AgentParts): void {
    const parts = Array.from({ length: count }, (_, i) => of(i));
    this.#meter.time("add agents", () => {
      for (const [i, { total, used }] of parts.entries()) {
        const spec = { total, attributes: [], capabilities: AGENT_CAPABILITIES };
        this.allocator.addAgent(agentId(i), spec, used && new Map([[used.by, used.resources]]));
        if (i % ARRIVALS_PER_RUN === ARRIVALS_PER_RUN - 1) this.event();
      }
      this.event();
    });
  }

  frameworks(count: number, roleOf: (i: number) => string, capabilities: string[] = []): void {
    this.#meter.time("add frameworks", () => {
      for (let i = 0; i < count; i++) {
        const spec = {
          roles: [roleOf(i)],
          suppressedRoles: [],
          capabilities: ["MULTI_ROLE", ...capabilities],
        };
        this.allocator.addFramework(frameworkId(i), spec, true);
      }
    });
  }

  event(): void {
    const touched = this.allocator.dirtyAgents(this.nowMs);
    this.offers.push(...this.allocator.allocate(this.nowMs, touched));
  }

  cycle(name = "cycle"): number {
    this.nowMs += 1000;
    const made = this.#meter.time(
      name,
      () => this.allocator.allocate(this.nowMs),
      (offers) => offers.length,
    );
    this.offers.push(...made);
    return made.length;
  }

  declineAll(refuseMs?: number): void {
    const filter = refuseMs === undefined ? undefined : { refuseMs };
    const { offers } = this;
    this.offers = [];
    this.#meter.time(
      "decline",
      () => {
        for (const { frameworkId: id, agentId: agent, resources } of offers) {
          this.allocator.recoverResources(id, agent, resources, filter, this.nowMs);
        }
      },
      () => offers.length,
    );
  }
}

type AgentParts = {
  readonly total: Resources;
  readonly used?: { readonly by: FrameworkId; readonly resources: Resources };
};

/** A new bag for each agent, as they come from messages. */
const unused = (text: string) => (): AgentParts => ({ total: Resources.of(text) });
const usedInTurn = (total: string, frameworks: number, used: (i: number) => Resources) => {
  return (i: number): AgentParts => ({
    total: Resources.of(total),
    used: { by: frameworkId(i % frameworks), resources: used(i) },
  });
};

function cycles(roleOf: (i: number) => string): Workload["run"] {
  return (meter, { agents, frameworks, rounds }) => {
    const load = new Load(meter);
    load.agents(agents, unused(BIG));
    load.frameworks(frameworks, roleOf);
    for (let round = 0; round < rounds; round++) {
      load.cycle(round === 0 ? "first cycle" : "cycle");
      load.declineAll();
    }
  };
}

function launches(roleOf: (i: number) => string): Workload["run"] {
  return (meter, { agents, frameworks, rounds }) => {
    const load = new Load(meter);
    load.agents(agents, unused(BIG));
    load.frameworks(frameworks, roleOf);
    const task = Resources.of("cpus:1;mem:128");
    const tasks: OfferCandidate[] = [];
    for (let round = 0; round < rounds; round++) {
      load.cycle(round === 0 ? "first cycle" : "cycle");
      const { offers } = load;
      load.offers = [];
      meter.time(
        "accept",
        () => {
          for (const offer of offers) {
            const kept = task.allocate(offer.role);
            const rest = offer.resources.subtract(kept);
            const { frameworkId: id, agentId: agent } = offer;
            load.allocator.recoverResources(id, agent, rest, undefined, load.nowMs);
            tasks.push({ ...offer, resources: kept });
          }
        },
        () => offers.length,
      );
    }
    meter.time(
      "end tasks",
      () => {
        for (const { frameworkId: id, agentId: agent, resources } of tasks) {
          load.allocator.recoverResources(id, agent, resources, undefined, load.nowMs);
        }
      },
      () => tasks.length,
    );
  };
}

function addAndUpdate(meter: Meter, { agents, frameworks }: Size): void {
  const load = new Load(meter);
  load.frameworks(frameworks, () => "*", ["REVOCABLE_RESOURCES"]);
  const total = "cpus:2;mem:1024;disk:4096;ports:[31000-32000]";
  const ports = "[31126-31510,31512-31623,31810-31852,31854-31964]";
  const used = `cpus:1;mem:128;disk:1024;ports:${ports}`;
  load.agents(
    agents,
    usedInTurn(total, frameworks, () => Resources.of(used).allocate("*")),
  );
  const revocable = Resources.fromWire([
    { name: "cpus", type: "SCALAR", scalar: { milli: 10_000 }, revocable: {} },
  ]);
  meter.time("update agents", () => {
    for (let i = 0; i < agents; i++) {
      load.allocator.updateAgent(agentId(i), { total: Resources.of(total).add(revocable) });
      if (i % ARRIVALS_PER_RUN === ARRIVALS_PER_RUN - 1) load.event();
    }
    load.event();
  });
}

function declines(role: string, usedOf: (i: number) => Resources): Workload["run"] {
  return (meter, { agents, frameworks, rounds }) => {
    const load = new Load(meter);
    load.frameworks(frameworks, () => role);
    load.agents(agents, usedInTurn(BIG, frameworks, usedOf));
    const all = Math.min(rounds, 2 * frameworks);
    for (let round = 0; round < all; round++) {
      load.declineAll(YEAR_MS);
      load.cycle(round > 0.9 * 2 * frameworks ? "late cycle" : "cycle");
    }
  };
}

const labelled = (i: number): Resources => {
  const keys = Array.from({ length: 11 }, (_, k) => ({ key: `key${k}`, value: `value${k}` }));
  const unique = ["unique_key_1", "unique_key_2"].map((key) => ({ key, value: `value_${i}` }));
  const reservation = (labels: { key: string; value: string }[]): Resource => ({
    name: "cpus",
    type: "SCALAR",
    scalar: { milli: 8000 },
    reservations: [{ type: "DYNAMIC", role: "role1", principal: "principal1", labels }],
  });
  return Resources.of(`mem:2014;disk:1024;ports:${ODD_PORTS}`)
    .add(Resources.fromWire([reservation([...keys, ...unique]), reservation(keys)]))
    .allocate("role1");
};

function suppression(extreme: boolean): Workload["run"] {
  return (meter, { agents, frameworks }) => {
    const load = new Load(meter);
    load.frameworks(frameworks, () => "*");
    const used = `cpus:16;mem:1024;disk:1024;ports:${ODD_PORTS}`;
    load.agents(
      agents,
      usedInTurn(BIG, frameworks, () => Resources.of(used).allocate("*")),
    );
    const part = extreme ? Math.floor(0.99 * frameworks) : frameworks / 5;
    for (let round = 0; round < 5; round++) {
      load.declineAll();
      if (round === 0 || !extreme) {
        const [from, to] = [Math.round(round * part), Math.round((round + 1) * part)];
        meter.time("suppress", () => {
          for (let i = from; i < Math.min(to, frameworks); i++)
            load.allocator.suppress(frameworkId(i));
        });
      }
      load.cycle(`cycle ${round + 1}`);
    }
  };
}

function volumes(meter: Meter, { agents, frameworks, rounds }: Size): void {
  const load = new Load(meter);
  load.frameworks(frameworks, () => "test");
  const reserve = (bag: Resources): Resources =>
    bag.pushReservation({ type: "STATIC", role: "test" });
  const volume = (i: number): Resource => ({
    name: "disk",
    type: "SCALAR",
    scalar: { milli: 1_024_000 },
    reservations: [{ type: "STATIC", role: "test" }],
    disk: {
      persistence: { id: `id${i}` },
      volume: { containerPath: `path${i}`, mode: "RW" },
    },
  });
  load.agents(agents, (i) => ({
    total: reserve(Resources.of("cpus:24;mem:4096;disk:3072;ports:[31000-32000]")).add(
      Resources.fromWire([volume(i)]),
    ),
    used: {
      by: frameworkId(i % frameworks),
      resources: reserve(Resources.of(`cpus:16;mem:1024;disk:1024;ports:${ODD_PORTS}`)).allocate(
        "*",
      ),
    },
  }));
  for (let round = 0; round < rounds; round++) {
    load.declineAll();
    load.cycle();
  }
}

function backlog(meter: Meter, { agents, frameworks }: Size): void {
  const load = new Load(meter);
  load.frameworks(frameworks, () => "*");
  load.agents(agents, unused(BIG));
  meter.time("revive all", () => {
    for (let i = 0; i < frameworks; i++) load.allocator.revive(frameworkId(i));
    load.event();
  });
}

/** `frameworks` is the number of roles; five small ones for each large one. */
function largeAndSmallQuota(meter: Meter, { frameworks: roles, agents }: Size): void {
  const load = new Load(meter);
  load.agents(agents, unused("cpus:2;mem:2048;disk:2048"));
  load.frameworks(roles, (i) => `role${i}`);
  const small = (roles * 5) / 6;
  meter.time("set quota", () => {
    for (let i = 0; i < roles; i++) {
      const text = i < small ? "cpus:1;mem:1024;disk:1024" : "cpus:4;mem:4096;disk:4096";
      const quota = { guarantee: Quantities.parse(text), limit: Limits.parse(text) };
      load.allocator.setQuota(`role${i}`, quota);
    }
  });
  load.cycle("cycle 1");
  load.cycle("cycle 2");
}

function quotaOrNot(withQuota: boolean): Workload["run"] {
  return (meter, { agents, frameworks }) => {
    const load = new Load(meter);
    const roles = frameworks / 2;
    load.agents(agents, unused("cpus:2;mem:2048;disk:2048"));
    load.frameworks(frameworks, (i) => `role${i % roles}`);
    const text = "cpus:4;mem:4096;disk:4096";
    const quota = { guarantee: Quantities.parse(text), limit: Limits.parse(text) };
    if (withQuota) {
      for (let i = 0; i < roles; i++) load.allocator.setQuota(`role${i}`, quota);
    }
    load.cycle("cycle 1");
    load.cycle("cycle 2");
  };
}

type Kind = { readonly task: Resources; readonly perOffer: number; left: number };

function multiFramework(meter: Meter, { rounds }: Size): void {
  const load = new Load(meter);
  load.agents(80, unused("cpus:64;mem:488000"));
  const roleOf = (i: number): string =>
    i < 4 ? `roleA-${i + 1}` : i < 504 ? "roleB" : `roleC-${i - 503}`;
  load.frameworks(554, roleOf);
  const kindOf = (i: number): Kind =>
    i < 4
      ? { task: Resources.of("cpus:0.07;mem:400"), perOffer: 100, left: 4000 }
      : i < 504
        ? { task: Resources.of("cpus:0.1;mem:4000"), perOffer: 1, left: 5 }
        : { task: Resources.of("cpus:1;mem:1000"), perOffer: 5, left: 20 };
  const kinds = new Map(Array.from({ length: 554 }, (_, i) => [frameworkId(i), kindOf(i)]));
  for (let round = 0; round < rounds; round++) {
    load.cycle();
    const { offers } = load;
    load.offers = [];
    meter.time(
      "recover",
      () => {
        let launched = 0;
        for (const { frameworkId: id, agentId: agent, resources, role } of offers) {
          const kind = kinds.get(id);
          let rest = resources;
          const task = kind?.task.allocate(role) ?? Resources.EMPTY;
          for (let n = 0; kind !== undefined && n < kind.perOffer && kind.left > 0; n++) {
            if (!rest.contains(task)) break;
            rest = rest.subtract(task);
            kind.left -= 1;
            launched += 1;
          }
          load.allocator.recoverResources(id, agent, rest, undefined, load.nowMs);
        }
        return launched;
      },
      (launched) => launched,
    );
  }
}

/** `frameworks` is the number of roles. */
function updates(meter: Meter, { frameworks: roles }: Size): void {
  const load = new Load(meter);
  const letters = (i: number): string => `x${i}`.padStart(36, "abcdefghij");
  const role = (i: number): string => `role-${letters(i)}`;
  const part = (i: number): Resources =>
    Resources.of("cpus:100;mem:100;disk:100;port:[2-2]").pushReservation({
      type: "DYNAMIC",
      role: role(i),
      labels: [{ key: "Label", value: letters(i) }],
    });
  const parts = Array.from({ length: roles }, (_, i) => part(i));
  const total = Resources.fromWire(parts.flatMap((each) => each.toWire()));
  load.frameworks(roles, role);
  const used = new Map(parts.map((each, i) => [frameworkId(i), each.allocate(role(i))]));
  const spec = { total, attributes: [], capabilities: AGENT_CAPABILITIES };
  load.allocator.addAgent(agentId(0), spec, used);
  const consumed = parts[0] ?? Resources.EMPTY;
  const converted = consumed.popReservation();
  const convert = (name: string, from: Resources, to: Resources): void =>
    meter.time(name, () => {
      const change = [{ consumed: from, converted: to }];
      load.allocator.updateAllocation(frameworkId(0), agentId(0), role(0), change);
    });
  for (let i = 0; i < 20; i++) {
    convert("unreserve", consumed, converted);
    convert("reserve", converted, consumed);
  }
}

const used = (text: string) => (): Resources =>
  Resources.of(`${text};ports:${ODD_PORTS}`).allocate("*");
const size = (agents: number, frameworks: number, rounds = 8): Size => {
  return { agents, frameworks, rounds };
};

export const WORKLOADS: readonly Workload[] = [
  {
    name: "W1",
    about: "cycles over all agents, all declined; frameworks in one role",
    size: size(10_000, 1000),
    run: cycles(() => "*"),
  },
  {
    name: "W1r",
    about: "the same, each framework in a role of its own",
    size: size(5000, 1000, 4),
    run: cycles((i) => `role${i}`),
  },
  {
    name: "W2",
    about: "cycle, then a task from each offer; at last all tasks end",
    size: size(10_000, 1000),
    run: launches(() => "*"),
  },
  {
    name: "W2r",
    about: "the same, each framework in a role of its own",
    size: size(1000, 200),
    run: launches((i) => `role${i}`),
  },
  {
    name: "W3",
    about: "agents arrive partly used, then change",
    size: size(5000, 1000, 1),
    run: addAndUpdate,
  },
  {
    name: "W4",
    about: "every offer declined for a year",
    size: size(1000, 50, 100),
    run: declines("*", used("cpus:16;mem:2014;disk:1024")),
  },
  {
    name: "W5",
    about: "the same with labelled reservations",
    size: size(1000, 50, 12),
    run: declines("role1", labelled),
  },
  {
    name: "W6",
    about: "a fifth of the frameworks more suppressed in each round",
    size: size(5000, 1000, 5),
    run: suppression(false),
  },
  {
    name: "W7",
    about: "all but a hundredth suppressed",
    size: size(1000, 200, 5),
    run: suppression(true),
  },
  {
    name: "W8",
    about: "reserved agents with persistent volumes",
    size: size(1000, 200, 6),
    run: volumes,
  },
  {
    name: "W9",
    about: "every framework revives, nothing to give",
    size: size(5000, 1000, 1),
    run: backlog,
  },
  {
    name: "W10",
    about: "large and small quota roles, one framework each",
    size: size(3000, 3000, 2),
    run: largeAndSmallQuota,
  },
  {
    name: "W11",
    about: "two frameworks a role, no quota",
    size: size(2000, 2000, 2),
    run: quotaOrNot(false),
  },
  { name: "W11q", about: "the same with quota", size: size(2000, 2000, 2), run: quotaOrNot(true) },
  {
    name: "W12",
    about: "few greedy, many small, some middling frameworks",
    size: size(80, 554, 60),
    run: multiFramework,
  },
  {
    name: "W13",
    about: "RESERVE and UNRESERVE on an agent of many objects",
    size: size(1, 200, 20),
    run: updates,
  },
];
