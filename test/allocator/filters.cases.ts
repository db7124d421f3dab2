/** Refusals: what they cover, when they end, what drops them (mesos.md §11.5, §12.2). */
import { FILTERS_PER_CLIENT_MAX, REFUSE_MS_MAX } from "#allocator";
import { Resources } from "#resources";
import t from "tap";
import { agentId, frameworkId, frameworkSpec, Harness, show } from "./harness.ts";

t.test("OfferFilter", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  h.recover(h.agent("A", "cpus:1;mem:512"), 2000);
  t.equal(h.allocator.nextFilterExpiryMs(), 2000);
  t.equal(show(h.batch()), "");
  t.equal(show(h.batch()), "A→F", "two intervals are over with the second batch");
  t.equal(h.allocator.nextFilterExpiryMs(), undefined);
});

t.test("SmallOfferFilterTimeout: a filter outlives the next batch, however short", async (t) => {
  const h = new Harness({ allocationIntervalMs: 60_000 });
  h.framework("F1", "role");
  h.framework("F2", "role");
  h.agent("A1", "cpus:1;mem:512", { F1: Resources.of("cpus:1;mem:512").allocate("role") });
  const second = h.agent("A2", "cpus:1;mem:512");
  t.equal(show(second), "A2→F2");
  h.recover(second, 1000);
  const third = h.batch();
  t.equal(show(third), "A2→F1");
  h.recover(third);
  t.equal(show(h.batch()), "A2→F2");
});

t.test(
  "QuotaProvidesGuarantee's filter, without the quota: declined, then offered to others",
  async (t) => {
    const h = new Harness();
    h.framework("F1", "role1");
    const offers = h.agent("A", "cpus:1;mem:512");
    h.framework("F2", "role2");
    h.recover(offers, 5000);
    t.equal(show(h.event()), "A→F2", "by event, long before the batch");
  },
);

t.test("a refusal covers what it contains; more of anything passes", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  const offers = h.agent("A", "cpus:2;mem:512");
  h.recover(offers, 60_000);
  t.equal(show(h.event()), "");
  t.equal(h.allocator.refusals().get("filtered"), 1);
  h.allocator.updateAgent(agentId("A"), { total: Resources.of("cpus:1;mem:512") });
  t.equal(show(h.event()), "", "less is contained");
  h.allocator.updateAgent(agentId("A"), { total: Resources.of("cpus:1;mem:512;disk:1") });
  t.equal(show(h.event()), "A→F", "a kind more is not");
});

t.test(
  "a refusal for no time is no filter, but an event does not answer it by the same offer",
  async (t) => {
    const h = new Harness();
    h.framework("F", "role");
    h.recover(h.agent("A", "cpus:1;mem:512"), 0);
    t.equal(show(h.event()), "");
    t.equal(h.allocator.refusals().get("backoff"), 1);
    t.equal(h.allocator.nextFilterExpiryMs(), undefined);
    t.equal(show(h.batch()), "A→F");
  },
);

t.test("what comes back without a filter is offered again at once", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  h.recover(h.agent("A", "cpus:1;mem:512"));
  t.equal(show(h.event()), "A→F");
});

t.test("a filter that ends touches its agent", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  h.recover(h.agent("A", "cpus:1;mem:512"), 2500);
  t.equal(show(h.event()) + show(h.batch()) + show(h.batch()), "");
  t.same(h.allocator.dirtyAgents(h.nowMs), []);
  h.nowMs = h.allocator.nextFilterExpiryMs() ?? -1;
  t.equal(h.nowMs, 2500);
  t.same(h.allocator.dirtyAgents(h.nowMs), ["A"]);
  t.equal(show(h.event()), "A→F");
});

t.test(
  "a filter that is due before any batch ran asks for no timer and ends with the batch",
  async (t) => {
    const h = new Harness();
    h.framework("F", "role");
    h.recover(h.agent("A", "cpus:1;mem:512"), 10);
    h.nowMs = 5000;
    t.equal(show(h.event()), "");
    t.equal(h.allocator.nextFilterExpiryMs(), undefined);
    t.equal(show(h.allocator.allocate(h.nowMs)), "");
    t.equal(show(h.event()), "A→F");
  },
);

t.test(
  "RemoveFilters, ReviveOffers, disconnect, role and framework changes drop filters",
  async (t) => {
    const drops: [name: string, act: (h: Harness) => void][] = [
      ["revive", (h) => h.allocator.revive(frameworkId("F"))],
      ["revive of the role", (h) => h.allocator.revive(frameworkId("F"), ["role"])],
      [
        "attributes",
        (h) =>
          h.allocator.updateAgent(agentId("A"), {
            attributes: [{ name: "rack", type: "TEXT", text: "r1" }],
          }),
      ],
      [
        "disconnect",
        (h) => {
          h.allocator.deactivateFramework(frameworkId("F"));
          h.allocator.activateFramework(frameworkId("F"));
        },
      ],
      [
        "un-suppression by update",
        (h) => {
          h.allocator.suppress(frameworkId("F"));
          h.allocator.updateFramework(frameworkId("F"), frameworkSpec(["role"]));
        },
      ],
      [
        "another role and back",
        (h) => {
          h.allocator.updateFramework(
            frameworkId("F"),
            frameworkSpec(["other"], { suppressedRoles: ["other"] }),
          );
          h.allocator.updateFramework(frameworkId("F"), frameworkSpec(["role"]));
        },
      ],
    ];
    const keeps: [name: string, act: (h: Harness) => void][] = [
      ["suppression", (h) => h.allocator.suppress(frameworkId("F"))],
      ["revive of another role", (h) => h.allocator.revive(frameworkId("F"), ["other"])],
      ["the same attributes", (h) => h.allocator.updateAgent(agentId("A"), { attributes: [] })],
      [
        "the same total",
        (h) => h.allocator.updateAgent(agentId("A"), { total: Resources.of("cpus:1;mem:512") }),
      ],
    ];
    for (const [rows, expected] of [
      [drops, "A→F"],
      [keeps, ""],
    ] as const) {
      for (const [name, act] of rows) {
        const h = new Harness();
        h.framework("F", "role");
        h.recover(h.agent("A", "cpus:1;mem:512"), 2000_000);
        t.equal(show(h.event()), "");
        act(h);
        t.equal(show(h.event()), expected, name);
      }
    }
  },
);

t.test("the longest refusal is a year, and refusals per agent are bounded", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  h.recover(h.agent("A", "cpus:1;mem:512"), Number.MAX_SAFE_INTEGER);
  t.equal(h.allocator.nextFilterExpiryMs(), REFUSE_MS_MAX);
  const many = new Harness();
  many.framework("F", "role");
  let offers = many.agent("A", "cpus:1;mem:512;ports:[1-1]");
  const refused = FILTERS_PER_CLIENT_MAX + 2;
  for (let i = 2; i <= refused; i++) {
    many.recover(offers, 1000_000 + i);
    const total = Resources.of(`cpus:1;mem:512;ports:[${i}-${i}]`);
    many.allocator.updateAgent(agentId("A"), { total });
    offers = many.event();
    t.equal(show(offers), "A→F");
  }
  many.recover(offers);
  many.allocator.updateAgent(agentId("A"), { total: Resources.of("cpus:1;mem:512;ports:[1-1]") });
  t.equal(show(many.event()), "A→F", "the refusal that would have ended first gave way");
});

t.test("removed agents and frameworks take their filters along", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  h.recover(h.agent("A", "cpus:1;mem:512"), 9000);
  h.allocator.removeAgent(agentId("A"));
  t.equal(h.allocator.nextFilterExpiryMs(), undefined);
  t.equal(show(h.agent("A", "cpus:1;mem:512")), "A→F");
});

t.test("a filter lasts one interval at least, whenever batches run", async (t) => {
  const h = new Harness();
  h.framework("F", "role");
  const offers = h.agent("A", "cpus:1;mem:512");
  h.nowMs = 500;
  h.recover(offers, 100);
  h.nowMs = 0;
  t.equal(show(h.batch()), "");
  t.equal(h.allocator.nextFilterExpiryMs(), 1500);
  h.nowMs = 1499;
  t.equal(show(h.event()), "");
  h.nowMs = 1500;
  t.equal(show(h.event()), "A→F");
});
