/** Frameworks that let offers time out get one at a time until they answer. */
import t from "tap";
import { agentId, frameworkId, frameworkSpec, Harness, show } from "./harness.ts";

const F1 = frameworkId("F1");

function cluster(agents = 3): Harness {
  const h = new Harness();
  for (let i = 1; i <= agents; i++) h.agent(`A${i}`, "cpus:2;mem:512");
  return h;
}

t.test("one offer at a time after a timeout, everything again after an answer", async (t) => {
  const h = cluster();
  const all = h.framework("F1", "role");
  t.equal(all.length, 3);
  h.recover(all);
  h.allocator.offerTimedOut(F1);
  const one = h.event();
  t.equal(one.length, 1, "one agent of three");
  t.same(h.batch(), []);
  t.ok((h.allocator.refusals().get("hoarding") ?? 0) > 0);
  const { counts, sentences } = h.allocator.explain({ frameworkId: F1 });
  t.equal(counts.get("hoarding"), 3);
  t.match(sentences, ["3 of 3 agents: not offered before the framework answers the one offer"]);
  h.recover(one);
  h.allocator.offerTimedOut(F1);
  t.equal(h.event().length, 1, "timed out again: the next one, still alone");
  h.allocator.offerAnswered(F1);
  t.equal(h.event().length, 2, "the rest comes by event");
});

t.test("others get what a hoarding framework is not offered", async (t) => {
  const h = cluster();
  const all = h.framework("F1", "role");
  h.framework("F2", "role");
  h.recover(all);
  h.allocator.offerTimedOut(F1);
  const offers = h.event();
  t.equal(offers.filter(({ frameworkId: id }) => id === "F1").length, 1);
  t.equal(offers.filter(({ frameworkId: id }) => id === "F2").length, 2);
});

t.test("a rescinded or lost offer makes room; a task beside it does not", async (t) => {
  const h = cluster(1);
  h.recover(h.framework("F1", "role"));
  h.allocator.offerTimedOut(F1);
  t.equal(h.event().length, 1);
  h.allocator.removeAgent(agentId("A1"));
  t.equal(show(h.agent("A2", "cpus:2;mem:512")), "A2→F1");
  t.equal(show(h.agent("A3", "cpus:2;mem:512")), "");
});

t.test("an answer of who does not hoard, and strangers, change nothing", async (t) => {
  const h = cluster();
  h.framework("F1", "role");
  h.allocator.offerAnswered(F1);
  h.allocator.offerTimedOut(frameworkId("X"));
  h.allocator.offerAnswered(frameworkId("X"));
  t.same(h.allocator.dirtyAgents(h.nowMs), []);
  h.allocator.addFramework(frameworkId("X"), frameworkSpec(["role"]), true);
  t.equal(h.agent("A4", "cpus:2;mem:512").length, 1);
});
