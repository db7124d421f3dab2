/** In which order agents are served, and that the seed alone decides between equals. */
import type { Placement } from "#allocator";
import { Resources } from "#resources";
import t from "tap";
import { Harness, seeded } from "./harness.ts";

/** A1 is a quarter taken, A2 half, A3 not at all. */
function order(placement: Placement | undefined, seed: number): string {
  const h = new Harness({ random: seeded(seed), ...(placement ? { placement } : {}) });
  const taken = [1, 2, 0];
  for (const [i, cpus] of taken.entries()) {
    const used = cpus === 0 ? {} : { X: Resources.of(`cpus:${cpus}`).allocate("x") };
    h.agent(`A${i + 1}`, "cpus:4;mem:64", used);
  }
  return h
    .framework("F", "role")
    .map(({ agentId }) => agentId)
    .join(" ");
}

t.test("pack serves the fullest agent first, spread the emptiest", async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    t.equal(order("pack", seed), "A2 A1 A3");
    t.equal(order("spread", seed), "A3 A1 A2");
  }
});

t.test("random is the default, and equals change places with the seed", async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    t.equal(order(undefined, seed), order("random", seed));
    seen.add(order("random", seed));
  }
  t.equal(seen.size, 6, "every order of three occurs");
  t.equal(order("random", 7), order("random", 7));
});

t.test(
  "what a limit lets pass comes of one agent when packed, so that others stay whole",
  async (t) => {
    const h = new Harness({ placement: "pack" });
    h.limit("role", "cpus:2;mem:64");
    h.agent("A1", "cpus:4;mem:128");
    h.agent("A2", "cpus:4;mem:128", { X: Resources.of("cpus:2;mem:64").allocate("x") });
    const offers = h.framework("F", "role");
    t.same(
      offers.map(({ agentId }) => agentId),
      ["A2"],
    );
  },
);
