/** What would be offered if something changed, without changing anything. */
import { Limits, Quantities } from "#resources";
import t from "tap";
import { agentId, agentSpec, frameworkId, frameworkSpec, Harness, show } from "./harness.ts";

const R = "cpus:2;mem:1024";

/** Two agents that F1 refused, and F2 in a role without anything. */
function cluster(): Harness {
  const h = new Harness();
  h.framework("F1", "q");
  h.recover([...h.agent("A1", R), ...h.agent("A2", R)], 60_000);
  return h;
}

t.test("a quota, a weight, an agent, a framework that come, change and go", async (t) => {
  const h = cluster();
  h.event();
  const plan = (change: Parameters<typeof h.allocator.plan>[0]): string =>
    show(h.allocator.plan(change, h.nowMs));
  t.equal(plan({ kind: "weight", role: "q", weight: 2 }), "", "refused is refused");
  t.equal(plan({ kind: "agent", agentId: agentId("A3"), spec: agentSpec(R) }), "A3→F1");
  const F2 = frameworkId("F2");
  t.equal(
    plan({ kind: "framework", frameworkId: F2, spec: frameworkSpec(["n"]) }),
    "A1→F2 | A2→F2",
  );
  const held = h.framework("F2", "n");
  t.equal(held.length, 2);
  t.equal(plan({ kind: "framework", frameworkId: F2 }), "", "F1 still refuses them");
  t.equal(
    plan({ kind: "framework", frameworkId: frameworkId("F1"), spec: frameworkSpec(["z"]) }),
    "",
    "nothing is free",
  );
  t.equal(
    plan({ kind: "agent", agentId: agentId("A1"), spec: agentSpec("cpus:4;mem:1024") }),
    "A1→F2",
  );
  h.recover(held);
  t.equal(plan({ kind: "agent", agentId: agentId("A1") }), "A2→F2");
  const limit = Limits.parse("cpus:2;mem:1024");
  t.match(
    plan({ kind: "quota", role: "n", quota: { guarantee: Quantities.EMPTY, limit } }),
    /^A[12]→F2$/,
  );
  t.throws(() => plan({ kind: "weight", role: "q", weight: 0 }), /not a finite number above 0/);
  t.equal(show(h.event()), "A1→F2 | A2→F2", "nothing of all that has happened");
});
