/** Why nothing is offered: the first reason for each agent, with figures. */
import type { PlacementReason } from "#protocol";
import { Resources } from "#resources";
import fc from "fast-check";
import t from "tap";
import { agentId, agentSpec, frameworkId, frameworkSpec, Harness } from "./harness.ts";
import { step } from "./histories.ts";
import { Pair } from "./pair.ts";

t.test("a demand that fits nowhere is told the largest free amount and where", async (t) => {
  const h = new Harness();
  h.agent("a7f3", "cpus:4;mem:512");
  h.agent("b1", "cpus:2;mem:512");
  const { sentences, counts, fits } = h.allocator.explain({ demand: Resources.of("cpus:100") });
  t.same(sentences, ["needs cpus 100, largest free 4 on a7f3"]);
  t.same([...counts], [["cpus", 2]]);
  t.equal(fits, 0);
});

t.test("what is only on offer counts as free where the caller says so", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  const [offer] = h.agent("A", "cpus:4;mem:512");
  if (offer === undefined) throw new Error("no offer");
  const query = { frameworkId: frameworkId("F"), demand: Resources.of("cpus:5") };
  const shown = (offered?: Map<typeof offer.agentId, Resources>): readonly string[] =>
    h.allocator.explain(offered === undefined ? query : { ...query, offered }).sentences;
  t.same(shown(), ["needs cpus 5, largest free 0 on A, largest agent has 4"]);
  t.same(shown(new Map([[offer.agentId, offer.resources]])), ["needs cpus 5, largest free 4 on A"]);
  const small = { ...query, demand: Resources.of("cpus:3") };
  t.equal(h.allocator.explain(small).fits, 0);
  const offered = new Map([[offer.agentId, offer.resources]]);
  t.equal(h.allocator.explain({ ...small, offered }).fits, 1);
});

t.test("each reason is found first where it is the first", async (t) => {
  const F = frameworkId("F");
  type Row = [reason: PlacementReason | undefined, prepare: (h: Harness) => void, demand?: string];
  const add = (h: Harness, total: string, more: object = {}): void =>
    h.allocator.addAgent(agentId("A"), agentSpec(total, more));
  const rows: Row[] = [
    [undefined, (h) => add(h, "cpus:1;mem:64")],
    [undefined, (h) => add(h, "cpus:1;mem:64;ports:[1-9]"), "cpus:1;ports:[3-4]"],
    ["cpus", (h) => add(h, "cpus:1;mem:64"), "cpus:2"],
    ["mem", (h) => add(h, "cpus:1;mem:64"), "cpus:1;mem:65"],
    ["disk", (h) => add(h, "cpus:1;mem:64"), "disk:1"],
    ["gpus", (h) => add(h, "cpus:1;mem:64"), "gpus:1"],
    ["ports", (h) => add(h, "cpus:1;mem:64;ports:[1-9]"), "ports:[9-10]"],
    ["ports", (h) => add(h, "cpus:1;mem:64;ports:[1-9]"), "ports:[11-12]"],
    ["scarce", (h) => add(h, "cpus:1;mem:64"), "licences:1"],
    ["scarce", (h) => add(h, "cpus:1;mem:64;gpus:1"), "cpus:1"],
    ["reservation", (h) => add(h, "cpus:1;cpus(other):9;mem:64"), "cpus:5"],
    ["reservation", (h) => add(h, "cpus(other):9")],
    ["role", (h) => add(h, "cpus:1", { capabilities: [] })],
    ["cpus", (h) => add(h, "cpus:0.001")],
    [
      "share",
      (h) => {
        add(h, "cpus:1");
        h.event();
      },
    ],
    [
      "filtered",
      (h) => {
        add(h, "cpus:1");
        h.recover(h.event(), 9000);
      },
    ],
    [
      "backoff",
      (h) => {
        add(h, "cpus:1");
        h.recover(h.event(), 0);
      },
    ],
    [
      "suppressed",
      (h) => {
        add(h, "cpus:1");
        h.allocator.suppress(F);
      },
    ],
    [
      "no-offers",
      (h) => {
        add(h, "cpus:1");
        h.allocator.deactivateFramework(F);
      },
    ],
    [
      "draining",
      (h) => {
        add(h, "cpus:1");
        h.allocator.deactivateAgent(agentId("A"), "draining");
      },
    ],
    [
      "agent-inactive",
      (h) => {
        add(h, "cpus:1");
        h.allocator.deactivateAgent(agentId("A"));
      },
    ],
  ];
  for (const [reason, prepare, demand] of rows) {
    const h = new Harness();
    h.framework("F", "role");
    prepare(h);
    const query = demand === undefined ? {} : { demand: Resources.of(demand) };
    const { agents, sentences } = h.allocator.explain({ frameworkId: F, ...query });
    t.equal(agents[0]?.reason, reason, `${reason} ${demand ?? ""}`);
    t.equal(sentences.length, reason === undefined ? 0 : 1);
    if (reason === "filtered") t.equal(agents[0]?.untilMs, 9000);
  }
});

t.test("what is not offered and what is explained are the same judgement", async (t) => {
  const h = new Harness();
  for (let i = 0; i < 6; i++) h.agent(`A${i}`, `cpus:${i};mem:64${i > 3 ? ";gpus:1" : ""}`);
  h.allocator.deactivateAgent(agentId("A2"));
  h.allocator.addFramework(frameworkId("F"), frameworkSpec(["role"]), true);
  const before = h.allocator.explain({ frameworkId: frameworkId("F") });
  const fitting = before.agents.filter(({ reason }) => reason === undefined);
  const offers = h.event();
  t.same(offers.map(({ agentId: id }) => id).sort(), fitting.map(({ agentId: id }) => id).sort());
  t.equal(before.fits, offers.length);
});

t.test("a question about nobody, about strangers, about an empty cluster", async (t) => {
  const h = new Harness();
  t.same(h.allocator.explain({}).sentences, ["no agent is registered"]);
  h.agent("A", "cpus:1");
  t.equal(h.allocator.explain({}).fits, 1);
  t.same([...h.allocator.explain({ role: "nobody" }).counts], [["role", 1]]);
  t.same([...h.allocator.explain({ frameworkId: frameworkId("X") }).counts], [["no-offers", 1]]);
  h.framework("F", "role");
  const other = { frameworkId: frameworkId("F"), role: "other" };
  t.same([...h.allocator.explain(other).counts], [["role", 1]]);
});

t.test("of one agent each subscription is told why it is not offered it", async (t) => {
  const h = new Harness();
  h.limit("eng", "cpus:1");
  h.framework("F1", "eng");
  h.framework("F2", "ops");
  h.allocator.suppress(frameworkId("F2"));
  h.agent("A", "cpus:1;mem:64");
  h.agent("B", "cpus:4;mem:64");
  const shown = (): string[] =>
    h.allocator
      .explainAgent(agentId("B"))
      .map((each) => `${each.frameworkId} ${each.role} ${each.reason ?? "offered"}`);
  t.same(shown(), ["F1 eng quota", "F2 ops suppressed"]);
  h.allocator.revive(frameworkId("F2"));
  t.same(shown(), ["F1 eng quota", "F2 ops offered"]);
  t.same(h.allocator.explainAgent(agentId("C")), []);
});

t.test("what quota cuts down to less than the demand does not fit", async (t) => {
  const h = new Harness();
  h.limit("eng", "cpus:2");
  h.allocator.addFramework(frameworkId("F"), frameworkSpec(["eng"]), true);
  h.allocator.addAgent(agentId("A"), agentSpec("cpus:4;mem:64"));
  const asked = (cpus: number) =>
    h.allocator.explain({
      frameworkId: frameworkId("F"),
      demand: Resources.of(`cpus:${cpus};mem:64`),
    });
  t.equal(asked(2).fits, 1);
  t.same([...asked(3).counts], [["quota", 1]]);
  t.same(asked(3).sentences, [
    "needs cpus 3, largest free 2 on A, largest agent has 4 within quota",
  ]);
});

t.test("who declined what quota had left is kept by quota, not by the refusal", async (t) => {
  const h = new Harness();
  h.limit("eng", "cpus:2");
  h.framework("F", "eng");
  const offers = h.agent("A", "cpus:4;mem:512");
  h.recover(offers, 3_600_000);
  const asked = (cpus: number) =>
    h.allocator.explain({
      frameworkId: frameworkId("F"),
      demand: Resources.of(`cpus:${cpus};mem:64`),
    }).counts;
  t.same([...asked(3)], [["quota", 1]], "no answer of the framework would have brought it that");
  t.same([...asked(2)], [["filtered", 1]], "this it has refused");
});

t.test("whoever has an offer of an agent is not kept from it", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  const [offer] = h.agent("A", "cpus:4;mem:512");
  if (offer === undefined) throw new Error("no offer");
  const query = { frameworkId: frameworkId("F") };
  t.same([...h.allocator.explain(query).counts], [["share", 1]]);
  const offered = new Map([[offer.agentId, offer.resources]]);
  t.equal(h.allocator.explain({ ...query, offered }).fits, 1);
});

t.test("what is explained is what a run over the agent then does, in every history", async () => {
  const told = (name: string, role: string): string => `${name} ${role}`;
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { minLength: 10, maxLength: 60 }), (seed, steps) => {
      const pair = new Pair(seed);
      for (const each of steps) pair.do(each);
      const { allocator, nowMs } = pair.h;
      allocator.dirtyAgents(nowMs);
      // The second time each agent was just run over: what fits still is offered still.
      for (const { id } of [...pair.model.agents, ...pair.model.agents]) {
        const explained = allocator.explainAgent(agentId(id));
        const fits = explained.filter(({ reason }) => reason === undefined);
        const offers = allocator.allocate(nowMs, [agentId(id)]);
        const names = fits.map(({ frameworkId: name, role }) => told(name, role));
        const [first] = offers.map(({ frameworkId: name, role }) => told(name, role));
        const agrees = first === undefined ? names.length === 0 : names.includes(first);
        if (!agrees) throw new Error(`${id}: ${names} should be offered, ${first} is`);
      }
    }),
    { numRuns: 300 },
  );
});
