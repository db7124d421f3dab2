/** Which agents are offered at all: constraints, whitelist, maintenance, the pause of a recovery. */
import type { Constraint, FrameworkSpec } from "#allocator";
import t from "tap";
import { compilePattern } from "../../src/allocator/pattern.ts";
import { agentId, agentSpec, frameworkId, frameworkSpec, Harness, show } from "./harness.ts";

const R = "cpus:2;mem:1024";

t.test("offer constraints: one group must hold, and of it every constraint", async (t) => {
  const rack = (predicate: Constraint["predicate"]): Constraint => ({
    selector: { attribute: "rack" },
    predicate,
  });
  const cases: [groups: Constraint[][], offered: string][] = [
    [[[rack({ kind: "exists" })]], "one two number"],
    [[[rack({ kind: "not_exists" })]], "bare"],
    [[[rack({ kind: "text_equals", value: "r1" })]], "one number"],
    [[[rack({ kind: "text_not_equals", value: "r1" })]], "two number bare"],
    [[[rack({ kind: "text_matches", pattern: "r[12]" })]], "one two number"],
    [[[rack({ kind: "text_matches", pattern: "r" })]], "number"],
    [[[rack({ kind: "text_not_matches", pattern: "r1|x" })]], "two number bare"],
    [
      [[{ selector: { pseudo: "HOSTNAME" }, predicate: { kind: "text_equals", value: "bare.x" } }]],
      "bare",
    ],
    [[[{ selector: { pseudo: "ZONE" }, predicate: { kind: "exists" } }]], "two"],
    [
      [
        [
          rack({ kind: "exists" }),
          { selector: { pseudo: "REGION" }, predicate: { kind: "exists" } },
        ],
        [rack({ kind: "not_exists" })],
      ],
      "two bare",
    ],
  ];
  for (const [groups, offered] of cases) {
    const h = new Harness();
    const text = (value: string) => [
      { name: "rack", type: "TEXT" as const, text: value },
      { name: "rack", type: "TEXT" as const, text: "second" },
    ];
    const number = [{ name: "rack", type: "SCALAR" as const, scalar: { milli: 1000 } }];
    const add = (name: string, more: Parameters<typeof agentSpec>[1]): void =>
      h.allocator.addAgent(agentId(name), agentSpec(R, { hostname: `${name}.x`, ...more }));
    add("one", { attributes: text("r1") });
    add("two", { attributes: text("r2"), domain: { region: "eu", zone: "a" } });
    add("number", { attributes: number });
    add("bare", {});
    const constraints = new Map([["role", { groups }]]);
    const offers = h.framework("F", "role", { constraints });
    const names = ["one", "two", "number", "bare"];
    const got = names.filter((name) => offers.some((offer) => offer.agentId === name));
    t.equal(got.join(" "), offered, JSON.stringify(groups));
    const { counts } = h.allocator.explain({ frameworkId: frameworkId("F") });
    t.equal(counts.get("constraint") ?? 0, 4 - offers.length);
  }
});

t.test("constraints follow changes of framework and agent, and are checked", async (t) => {
  const h = new Harness();
  const spec = (groups: Constraint[][]): FrameworkSpec =>
    frameworkSpec(["role"], { constraints: new Map([["role", { groups }]]) });
  const wanted: Constraint = {
    selector: { attribute: "rack" },
    predicate: { kind: "text_equals", value: "r1" },
  };
  h.allocator.addFramework(frameworkId("F"), spec([[wanted]]), true);
  t.equal(show(h.agent("A", R)), "");
  const attributes = [{ name: "rack", type: "TEXT" as const, text: "r1" }];
  h.allocator.updateAgent(agentId("A"), { attributes });
  t.equal(show(h.event()), "A→F");
  for (const groups of [[], [[]]]) {
    t.throws(() => h.allocator.updateFramework(frameworkId("F"), spec(groups)), /is empty/);
  }
  const open: Constraint = { ...wanted, predicate: { kind: "text_matches", pattern: "(a" } };
  t.throws(() => h.allocator.updateFramework(frameworkId("F"), spec([[open]])), /expected \)/);
});

t.test("patterns match as regular expressions do, whole and in linear time", async (t) => {
  const patterns = [
    "a*b+c?",
    "(ab|cd)*e",
    "[a-c0-9_]{2,3}",
    "[^x]+",
    "\\d\\D\\w\\.",
    "a{2}",
    "a{2,}",
    "",
    "x|",
    "(?:a|b)+.",
    "^ab$",
  ];
  const texts = [
    "",
    "a",
    "aa",
    "aaa",
    "ab",
    "abb",
    "abbc",
    "abe",
    "cdabe",
    "c9",
    "b_1",
    "xyz",
    "1a_.",
    "12_.",
    "bc",
    "x",
  ];
  for (const pattern of patterns) {
    const ours = compilePattern(pattern);
    const theirs = new RegExp(`^(?:${pattern})$`, "u");
    for (const text of texts) t.equal(ours(text), theirs.test(text), `${pattern} on ${text}`);
  }
  t.equal(compilePattern("(a*)*b")("a".repeat(3000)), false, "what stops backtracking ones");
  for (const wrong of ["(", ")", "[a", "*", "a{2", "a{3,2}", "\\", "\\b", "[b-a]", "a{99}{99}"]) {
    t.throws(() => compilePattern(wrong), RangeError, wrong);
  }
  t.throws(() => compilePattern("a".repeat(2000)), /2000 characters/);
});

t.test("Whitelist", async (t) => {
  const h = new Harness();
  h.allocator.setWhitelist(["dummy"]);
  h.framework("F", "role");
  h.allocator.addAgent(agentId("A"), agentSpec(R, { hostname: "host" }));
  t.equal(show(h.event()), "");
  t.equal(show(h.batch()), "");
  const { counts } = h.allocator.explain({ frameworkId: frameworkId("F") });
  t.equal(counts.get("agent-inactive"), 1);
  h.allocator.setWhitelist(["dummy", "host"]);
  t.equal(show(h.batch()), "A→F");
  h.allocator.setWhitelist([]);
  t.equal(show(h.agent("B", R)), "");
  h.allocator.setWhitelist(undefined);
  t.equal(show(h.event()), "B→F");
});

t.test("MaintenanceInverseOffers", async (t) => {
  const h = new Harness();
  const window = { startMs: 60_000 };
  const asked = (): string =>
    h.allocator
      .inverseOffers(h.nowMs)
      .map((each) => `${each.agentId}→${each.frameworkId}@${each.unavailability.startMs}`)
      .join();
  h.framework("F", "*");
  h.agent("A1", R);
  h.recover(h.agent("A2", R), 24 * 3600 * 1000);
  h.allocator.updateUnavailability(agentId("A1"), window);
  h.allocator.updateUnavailability(agentId("A2"), window);
  t.equal(asked(), "A1→F@60000");
  t.equal(asked(), "", "once, until it is answered");
  h.allocator.answerInverseOffer(frameworkId("F"), agentId("A1"), { refuseMs: 5000 }, h.nowMs);
  t.equal(asked(), "");
  h.nowMs += 5000;
  t.equal(asked(), "A1→F@60000");
  h.allocator.answerInverseOffer(frameworkId("F"), agentId("A1"), { refuseMs: 5000 }, h.nowMs);
  h.allocator.revive(frameworkId("F"));
  t.equal(asked(), "A1→F@60000", "reviving clears refusals");
  h.allocator.updateUnavailability(agentId("A1"), { startMs: 90_000 });
  t.equal(asked(), "A1→F@90000", "another window is asked about anew");
  h.allocator.deactivateFramework(frameworkId("F"));
  h.allocator.updateUnavailability(agentId("A1"), window);
  t.equal(asked(), "", "who is away cannot be asked");
  h.allocator.activateFramework(frameworkId("F"));
  t.equal(asked(), "A1→F@60000");
});

t.test("AddAgentWithUnknownFrameworkAndMaintenance", async (t) => {
  const h = new Harness();
  h.allocator.addAgent(
    agentId("A"),
    agentSpec(R),
    new Map([[frameworkId("unknown"), agentSpec("cpus:1").total.allocate("*")]]),
  );
  h.allocator.updateUnavailability(agentId("A"), { startMs: 1, durationMs: 5 });
  t.same(h.allocator.inverseOffers(h.nowMs), []);
  t.equal(show(h.framework("F", "*"), "full"), "A→F cpus:1; mem:1024");
});

t.test("after a failover with quota nothing is offered until most agents are back", async (t) => {
  const start = (known: number, quota: boolean): Harness => {
    const h = new Harness();
    if (quota) h.quota("q", "cpus:9;mem:9999");
    h.allocator.recover(known, h.nowMs);
    h.framework("F", "q");
    return h;
  };
  t.equal(show(start(5, false).agent("A1", R)), "A1→F", "no quota, no pause");
  t.equal(show(start(1, true).agent("A1", R)), "A1→F", "too few to wait for");
  const h = start(5, true);
  for (const name of ["A1", "A2", "A3"]) t.equal(show(h.agent(name, "cpus:1;mem:64")), "");
  t.equal(show(h.batch()), "");
  t.equal(h.allocator.pausedUntilMs(), 600_000);
  t.equal(h.agent("A4", "cpus:1;mem:64").length, 4, "all that came meanwhile is run over");
  t.equal(h.allocator.pausedUntilMs(), undefined);
  const late = start(5, true);
  late.agent("A1", R);
  late.nowMs = 599_000;
  t.equal(show(late.batch()), "A1→F", "ten minutes are the end of it");
});
