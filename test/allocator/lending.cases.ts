/** Unused guarantees on loan: who gets them, what they count for, how they come back. */
import type { OfferCandidate } from "#allocator";
import { Resources } from "#resources";
import t from "tap";
import { agentId, frameworkId, Harness, MINIMUM, show } from "./harness.ts";

const R = "cpus:2;mem:1024";
const BORROWS = { capabilities: ["MULTI_ROLE", "REVOCABLE_RESOURCES"] };

function revocable(text: string): Resources {
  return Resources.fromWire([...Resources.of(text)].map((each) => ({ ...each, revocable: {} })));
}

/** A guarantee of two agents for `q`, which lends; B borrows, N does not. */
function lent(): { h: Harness; offers: OfferCandidate[] } {
  const h = new Harness();
  h.quota("q", "cpus:4;mem:2048");
  h.allocator.setLending("q", true);
  h.framework("N", "n");
  h.framework("B", "b", BORROWS);
  return { h, offers: [...h.agent("A1", R), ...h.agent("A2", R)] };
}

t.test(
  "what a guarantee keeps free goes to borrowers, revocable, and to nobody else",
  async (t) => {
    const { h, offers } = lent();
    t.equal(show(offers), "A1→B | A2→B");
    for (const { resources } of offers) t.ok(resources.unallocate().equals(revocable(R)));
    t.ok(h.allocator.free(agentId("A1")).isEmpty);
    t.ok(h.allocator.total(agentId("A1")).equals(Resources.of(R)), "the agent itself is as it was");
    t.equal(`${h.allocator.consumedBy("b")}`, "", "loans do not count to the borrower's quota");
    t.equal(show(h.agent("A3", R)).slice(0, 4), "A3→N", "what is no guarantee goes as ever");
  },
);

t.test("without lending it stays free, and a borrower that stops gives back", async (t) => {
  const { h, offers } = lent();
  h.allocator.setLending("q", false);
  t.notOk(h.allocator.lends("q"));
  h.recover(offers);
  t.ok(h.allocator.free(agentId("A1")).equals(Resources.of(R)), "plain again");
  t.equal(show(h.event()), "");
  h.allocator.setLending("q", true);
  t.equal(show(h.event()), "A1→B | A2→B");
});

t.test("it is called back, youngest first, when the role asks", async (t) => {
  const h = new Harness();
  h.quota("q", "cpus:4;mem:2048");
  h.allocator.setLending("q", true);
  h.framework("B", "b", BORROWS);
  h.agent("A1", R);
  h.nowMs = 500;
  const [second] = h.agent("A2", R);
  t.same(h.allocator.reclaims(h.nowMs), [], "nobody asks");
  t.same(h.framework("Q", "q"), []);
  const reclaims = h.allocator.reclaims(h.nowMs);
  t.same(
    reclaims.map(({ agentId: id, heldSinceMs }) => [id, heldSinceMs]),
    [
      ["A2", 500],
      ["A1", 0],
    ],
  );
  t.match(reclaims[0], { frameworkId: "B", role: "b", lender: "q" });
  t.ok(reclaims[0]?.resources.equals(revocable(R).allocate("b")));
  t.same(h.allocator.reclaims(h.nowMs), reclaims, "the same again until it comes");
  if (second !== undefined) h.recover([second]);
  t.equal(show(h.event(), "full"), "A2→Q cpus:2; mem:1024", "to the lender, not revocable");
  t.same(
    h.allocator.reclaims(h.nowMs).map(({ agentId: id }) => id),
    ["A1"],
    "half is still owed",
  );
  h.allocator.suppress(frameworkId("Q"));
  t.same(h.allocator.reclaims(h.nowMs), [], "who is suppressed does not ask");
});

t.test("only as much as is owed is called back, and not what was refused", async (t) => {
  const h = new Harness();
  h.quota("q", "cpus:1;mem:512");
  h.allocator.setLending("q", true);
  h.framework("B", "b", BORROWS);
  const offers = h.agent("A1", R);
  t.equal(offers.length, 2, "one plain, one on loan");
  h.framework("Q", "q");
  const [reclaim] = h.allocator.reclaims(h.nowMs);
  t.ok(reclaim?.resources.unallocate().equals(revocable("cpus:1;mem:512")));
  const loan = offers.find(({ resources }) => resources.traits.revocable);
  if (loan !== undefined) h.recover([loan]);
  const back = h.event();
  t.equal(show(back), "A1→Q");
  h.recover(back, 60_000);
  t.equal(show(h.event()), "A1→B", "refused by the lender: on loan again");
  t.same(h.allocator.reclaims(h.nowMs), [], "and it is not called back for who refused it");
});

t.test("of two loans the younger comes back where one is enough", async (t) => {
  const h = new Harness();
  h.quota("q", "cpus:4;mem:2048");
  h.allocator.setLending("q", true);
  h.framework("B", "b", BORROWS);
  h.agent("A1", R);
  h.nowMs = 500;
  h.agent("A2", R);
  h.quota("q", "cpus:2;mem:1024");
  h.framework("Q", "q");
  const reclaims = h.allocator.reclaims(h.nowMs);
  t.same(
    reclaims.map(({ agentId: id }) => id),
    ["A2"],
  );
});

t.test("the guarantee of who does not lend is never lent", async (t) => {
  const h = new Harness();
  h.quota("q", "cpus:2;mem:1024");
  h.quota("p", "cpus:2;mem:1024");
  h.allocator.setLending("q", true);
  h.framework("B", "b", BORROWS);
  t.same(h.agent("A1", R), [], "the first is p's");
  t.equal(h.agent("A2", R).length + h.event().length, 1);
});

t.test("a role above that does not lend keeps what it guarantees below", async (t) => {
  const h = new Harness();
  h.quota("a", "cpus:2;mem:1024");
  h.quota("a/b", "cpus:2;mem:1024");
  h.allocator.setLending("a/b", true);
  h.framework("B", "b", BORROWS);
  t.same(h.agent("A1", R), []);
  h.allocator.setLending("a", true);
  t.equal(h.event().length, 1);
});

t.test("loans outlive a change of the agent, and come back of what it has then", async (t) => {
  const { h, offers } = lent();
  h.allocator.updateAgent(agentId("A1"), { total: Resources.of("cpus:1;mem:1024;disk:9") });
  t.ok(h.allocator.total(agentId("A1")).equals(Resources.of("cpus:1;mem:1024;disk:9")));
  t.equal(`${h.allocator.free(agentId("A1"))}`, "disk:9");
  h.recover(offers);
  t.equal(`${h.allocator.free(agentId("A1"))}`, "cpus:1; mem:1024; disk:9");
});

t.test("after a failover loans are known again by what agents come with", async (t) => {
  const h = new Harness({ minAllocatable: MINIMUM });
  h.quota("q", "cpus:2;mem:1024");
  h.allocator.setLending("q", true);
  h.framework("Q", "q");
  t.same(h.agent("A1", R, { B: revocable(R).allocate("b") }), []);
  const [reclaim] = h.allocator.reclaims(h.nowMs);
  t.match(reclaim, { frameworkId: "B", agentId: "A1", role: "b", lender: "q", heldSinceMs: 0 });
  h.recover([
    {
      frameworkId: frameworkId("B"),
      role: "b",
      agentId: agentId("A1"),
      resources: revocable(R).allocate("b"),
    },
  ]);
  t.equal(show(h.event(), "full"), "A1→Q cpus:2; mem:1024");
});
