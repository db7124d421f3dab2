/** What leads to a run without waiting for the batch, in both directions, and that runs are batched. */
import { Resources } from "#resources";
import t from "tap";
import { agentId, agentSpec, frameworkId, frameworkSpec, Harness, show } from "./harness.ts";

const R = "cpus:2;mem:1024";
const F1 = frameworkId("F1");
const A = agentId("A");

t.test(
  "each event that can change what is offered is answered by the run that it leads to",
  async (t) => {
    /** F1 holds all of the one agent; what happens, and what the event run then offers. */
    const rows: [what: string, happens: (h: Harness) => void, offered: string][] = [
      ["a decline goes to somebody else at once", (h) => h.recover(held(h), 5000), "A→F2"],
      ["so does one for no time", (h) => h.recover(held(h), 0), "A→F2"],
      ["what a task held comes back", (h) => h.recover(held(h)), "A→F2"],
      ["an agent comes", (h) => h.allocator.addAgent(agentId("B"), agentSpec(R)), "B→F2"],
      [
        "an agent grows",
        (h) => h.allocator.updateAgent(A, { total: Resources.of(`${R};disk:9;cpus:3`) }),
        "A→F2",
      ],
      [
        "a framework comes",
        (h) => {
          h.allocator.suppress(frameworkId("F2"));
          h.recover(held(h), 5000);
          h.allocator.addFramework(frameworkId("F3"), frameworkSpec(["role3"]), true);
        },
        "A→F3",
      ],
      [
        "one revives",
        (h) => {
          h.allocator.suppress(frameworkId("F2"));
          h.recover(held(h), 5000);
          h.allocator.revive(F1);
        },
        "A→F1",
      ],
      [
        "an agent is active again",
        (h) => {
          h.allocator.deactivateAgent(A);
          h.recover(held(h));
          h.event();
          h.allocator.activateAgent(A);
        },
        "A→F2",
      ],
      [
        "a limit is raised",
        (h) => {
          h.limit("role2", "cpus:0;mem:0");
          h.recover(held(h), 5000);
          t.equal(show(h.event()), "", "nobody may have it");
          h.limit("role2", "cpus:9;mem:9999");
        },
        "A→F2",
      ],
      [
        "a role lends",
        (h) => {
          h.quota("q", R);
          h.recover(held(h), 5000);
          t.equal(show(h.event()), "", "it is kept for q");
          h.allocator.setLending("q", true);
        },
        "A→F2",
      ],
    ];
    for (const [what, happens, offered] of rows) {
      const h = new Harness();
      h.agent("A", R);
      h.framework("F1", "role1");
      h.framework("F2", "role2", { capabilities: ["MULTI_ROLE", "REVOCABLE_RESOURCES"] });
      happens(h);
      t.equal(show(h.event()), offered, what);
      t.same(h.allocator.dirtyAgents(h.nowMs), [], "and the run answers it");
    }
  },
);

t.test(
  "however many events come, one run answers them, and looks at those agents only",
  async (t) => {
    const h = new Harness();
    for (let i = 0; i < 20; i++) h.agent(`A${i}`, R);
    const offers = h.framework("F1", "role1");
    h.framework("F2", "role2");
    const before = h.allocator.runs();
    for (const offer of offers.slice(0, 5)) h.recover([offer], 5000);
    for (const offer of offers.slice(0, 5)) h.allocator.requestAllocation([offer.agentId]);
    t.equal(h.allocator.dirtyAgents(h.nowMs).length, 5);
    t.equal(h.event().length, 5);
    t.equal(h.allocator.runs(), before + 1);
  },
);

function held(h: Harness) {
  const resources = h.allocator.held(F1, A);
  return [{ frameworkId: F1, role: "role1", agentId: A, resources }];
}
