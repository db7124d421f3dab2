/**
 * The workloads of whole cycles (W1 to W3, W9), and our own that show how a run grows: with agents,
 * with suppressed and with filtered frameworks, and what the run over a single agent costs.
 */
import type { OfferCandidate } from "#allocator";
import { Resources } from "#resources";
import {
  agentId,
  type AgentParts,
  bags,
  BIG,
  frameworkId,
  Load,
  unused,
  usedInTurn,
} from "./allocator-load.ts";
import type { Meter, Size, Workload } from "./allocator-meter.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;
/** Frameworks that are served in the workloads with many that are not. */
const SERVED = 50;
/** Single agents that are declined and run over again. */
const EVENTS = 2000;

export function cycles(roleOf: (i: number) => string): Workload["run"] {
  return (meter, { agents, frameworks, rounds }) => {
    const load = new Load(meter);
    load.agents(agents, unused(BIG));
    load.frameworks(frameworks, roleOf);
    for (let round = 0; round < rounds; round++) {
      load.cycle();
      load.declineAll();
    }
  };
}

export function launches(
  roleOf: (i: number) => string,
  partsOf: (i: number) => AgentParts = unused(BIG),
): Workload["run"] {
  return (meter, { agents, frameworks, rounds }) => {
    const load = new Load(meter);
    load.agents(agents, partsOf);
    load.frameworks(frameworks, roleOf);
    const task = Resources.of("cpus:1;mem:128");
    const tasks: OfferCandidate[] = [];
    for (let round = 0; round < rounds; round++) {
      load.cycle();
      const offers = load.takeOffers();
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

/** No two agents have the same, so that nothing computed for one serves for another. */
export function unlike(i: number): AgentParts {
  return { total: Resources.of(`cpus:24;mem:${4096 + i};disk:4096;ports:[31000-32000]`) };
}

export function addAndUpdate(meter: Meter, { agents, frameworks }: Size): void {
  const load = new Load(meter);
  load.frameworks(frameworks, () => "*", ["REVOCABLE_RESOURCES"]);
  const total = "cpus:2;mem:1024;disk:4096;ports:[31000-32000]";
  const ports = "[31126-31510,31512-31623,31810-31852,31854-31964]";
  const used = bags(`cpus:1;mem:128;disk:1024;ports:${ports}`);
  const parts = usedInTurn(total, frameworks, () => used().allocate("*"));
  load.agents(agents, parts);
  const revocable = Resources.fromWire([
    { name: "cpus", type: "SCALAR", scalar: { milli: 10_000 }, revocable: {} },
  ]);
  const plain = bags(total);
  load.updateAgents(Array.from({ length: agents }, () => plain().add(revocable)));
}

export function backlog(meter: Meter, { agents, frameworks }: Size): void {
  const load = new Load(meter);
  load.frameworks(frameworks, () => "*");
  load.agents(agents, unused(BIG));
  meter.time("revive all", () => {
    for (let i = 0; i < frameworks; i++) load.allocator.revive(frameworkId(i));
    load.event();
  });
}

/** All but 50 frameworks are suppressed. */
export function mostSuppressed(meter: Meter, { agents, frameworks, rounds }: Size): void {
  const load = new Load(meter);
  load.agents(agents, unused(BIG));
  load.frameworks(frameworks, () => "*");
  for (let i = SERVED; i < frameworks; i++) load.allocator.suppress(frameworkId(i));
  for (let round = 0; round < rounds; round++) {
    load.cycle();
    load.declineAll();
  }
}

/** All but 50 frameworks have refused every agent for a year; those 50 come when that is done. */
export function mostFiltered(meter: Meter, { agents, frameworks, rounds }: Size): void {
  const load = new Load(meter);
  load.agents(agents, unused(BIG));
  load.frameworks(frameworks, () => "*");
  for (let i = 0; i < SERVED; i++) load.allocator.suppress(frameworkId(i));
  for (let i = SERVED; i < frameworks; i++) {
    load.cycle("refused cycle");
    load.declineAll(YEAR_MS);
  }
  for (let i = 0; i < SERVED; i++) load.allocator.revive(frameworkId(i));
  for (let round = 0; round < rounds; round++) {
    load.cycle();
    load.declineAll();
  }
}

/** One agent at a time comes free and is offered again in a run of its own. */
export function singleEvents(meter: Meter, { agents, frameworks }: Size): void {
  const load = new Load(meter);
  load.agents(agents, unused(BIG));
  load.frameworks(frameworks, () => "*");
  load.cycle();
  load.event();
  const offers = new Map(load.takeOffers().map((offer) => [offer.agentId, offer]));
  const turn = (i: number) => offers.get(agentId((i * 7919) % agents));
  meter.time(
    "event runs",
    () => {
      for (let i = 0; i < EVENTS; i++) {
        const offer = turn(i);
        if (offer === undefined) continue;
        const { frameworkId: id, agentId: agent, resources } = offer;
        load.allocator.recoverResources(id, agent, resources, undefined, load.nowMs);
        load.event();
        for (const made of load.takeOffers()) offers.set(made.agentId, made);
      }
    },
    () => EVENTS,
  );
}

/** Why nothing is offered, asked by a framework of everything and by a role of many frameworks. */
export function explanations(meter: Meter, { agents, frameworks, rounds }: Size): void {
  const load = new Load(meter);
  load.agents(agents, unused(BIG));
  load.frameworks(frameworks, () => "*");
  load.cycle();
  // Half of what is on offer is refused, so that there is something to tell apart.
  for (const [i, offer] of load.takeOffers().entries()) {
    if (i % 2 === 0) continue;
    const { frameworkId: id, agentId: agent, resources } = offer;
    load.allocator.recoverResources(id, agent, resources, { refuseMs: YEAR_MS }, load.nowMs);
  }
  const demand = Resources.of("cpus:100;mem:2048");
  const asked = frameworkId(0);
  for (let round = 0; round < rounds; round++) {
    meter.time("explain framework", () => load.allocator.explain({ frameworkId: asked }));
    meter.time("explain demand", () => load.allocator.explain({ frameworkId: asked, demand }));
    meter.time("explain role", () => load.allocator.explain({ role: "*" }));
  }
}
