/**
 * The four properties that the paper on dominant resource fairness proves, on a cluster of one agent
 * that frameworks fill with equal tasks until nothing moves; guarantees; and that nobody starves.
 */
import { Quantities, Resources } from "#resources";
import fc from "fast-check";
import t from "tap";
import { agentId, frameworkId, frameworkSpec, Harness, seeded } from "./harness.ts";
import { ROLES, role } from "./histories.ts";

/** cpus and mem of one task, or of the cluster, in whole units. */
type Vector = readonly [cpus: number, mem: number];
type User = { readonly task: Vector; readonly weight: number };

const FOR_EVER_MS = 10 ** 9;
const text = ([cpus, mem]: Vector): string => `cpus:${cpus};mem:${mem}`;
const times = (count: number, [cpus, mem]: Vector): Vector => [count * cpus, count * mem];
/** How many such tasks a bundle holds. */
const tasksIn = (bundle: Vector, task: Vector): number =>
  Math.max(0, Math.floor(Math.min(bundle[0] / task[0], bundle[1] / task[1])));

/** Each takes one task of each offer while one fits; how many tasks each has when nothing moves. */
function filled(cluster: Vector, users: readonly User[]): number[] {
  const h = new Harness({ minAllocatable: [] });
  for (const [i, { weight }] of users.entries()) h.allocator.setWeight(`r${i}`, weight);
  for (const i of users.keys()) {
    h.allocator.addFramework(frameworkId(`F${i}`), frameworkSpec([`r${i}`]), true);
  }
  const counts = users.map(() => 0);
  for (let offers = h.agent("A", text(cluster)); offers.length > 0; offers = h.event()) {
    for (const offer of offers) {
      const index = Number(offer.frameworkId.slice(1));
      const task = Resources.of(text(users[index]?.task ?? [1, 1])).allocate(offer.role);
      if (!offer.resources.contains(task)) {
        h.recover([offer], FOR_EVER_MS);
        continue;
      }
      counts[index] = (counts[index] ?? 0) + 1;
      h.recover([{ ...offer, resources: offer.resources.subtract(task) }]);
    }
  }
  return counts;
}

const unit = fc.integer({ min: 1, max: 5 });
const task = fc.tuple(unit, unit);
const cluster = fc.tuple(fc.integer({ min: 30, max: 60 }), fc.integer({ min: 30, max: 60 }));
const weight = fc.constantFrom(1, 2, 3);
const users = fc.array(fc.record({ task, weight }), { minLength: 2, maxLength: 4 });
const sum = (of: readonly Vector[]): Vector => [
  of.reduce((all, [cpus]) => all + cpus, 0),
  of.reduce((all, [, mem]) => all + mem, 0),
];

t.test("Pareto efficiency: nobody can start one more task", async () => {
  fc.assert(
    fc.property(cluster, users, (all, who) => {
      const counts = filled(all, who);
      const [cpus, mem] = sum(who.map((user, i) => times(counts[i] ?? 0, user.task)));
      const left: Vector = [all[0] - cpus, all[1] - mem];
      return who.every((user) => tasksIn(left, user.task) === 0);
    }),
    { numRuns: 60 },
  );
});

t.test("sharing incentive: each has what its part of the cluster would hold", async () => {
  fc.assert(
    fc.property(cluster, users, (all, who) => {
      const counts = filled(all, who);
      const weights = who.reduce((total, user) => total + user.weight, 0);
      // Tasks are whole: each user may be one of its own ahead of the others.
      const [cpus, mem] = sum(who.map((user) => user.task));
      return who.every((user, i) => {
        const part = user.weight / weights;
        const own = tasksIn([part * (all[0] - cpus), part * (all[1] - mem)], user.task);
        return (counts[i] ?? 0) >= own - 1;
      });
    }),
    { numRuns: 60 },
  );
});

t.test("envy-freeness: nobody could do more with what another has, but for one task", async () => {
  fc.assert(
    fc.property(cluster, users, (all, who) => {
      const equal = who.map((user) => ({ ...user, weight: 1 }));
      const counts = filled(all, equal);
      return equal.every((user, i) =>
        equal.every((other, j) => {
          const theirs = times(Math.max(0, (counts[j] ?? 0) - 1), other.task);
          return tasksIn(theirs, user.task) <= (counts[i] ?? 0) + 1;
        }),
      );
    }),
    { numRuns: 60 },
  );
});

t.test("strategy-proofness: who asks for other tasks than it needs runs no more", async () => {
  fc.assert(
    fc.property(cluster, users, task, (all, who, lie) => {
      const equal = who.map((user) => ({ ...user, weight: 1 }));
      const honest = filled(all, equal)[0] ?? 0;
      const [liar, ...others] = equal;
      if (liar === undefined) return true;
      const got = filled(all, [{ ...liar, task: lie }, ...others])[0] ?? 0;
      const useful = tasksIn(times(Math.max(0, got - 1), lie), liar.task);
      return useful <= honest + 1;
    }),
    { numRuns: 60 },
  );
});

t.test("guarantees are met while anything that is free would do", async () => {
  const quota = fc.record({
    role: fc.constantFrom("a", "a/b", "a/c", "d"),
    cpus: fc.nat(4),
    more: fc.nat(3),
  });
  const setting = fc.record({
    quotas: fc.array(quota, { minLength: 1, maxLength: 3 }),
    frameworks: fc.array(fc.constantFrom("a", "a/b", "a/c", "d", "e"), { minLength: 1 }),
    agents: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(setting, ({ quotas, frameworks, agents, seed }) => {
      const random = seeded(seed);
      const h = new Harness({ random, minAllocatable: [] });
      for (const { role: name, cpus, more } of quotas) {
        const most = more === 3 ? "" : `cpus:${cpus + more}`;
        h.allocator.setQuota(name, h.quotaFrom(cpus === 0 ? "" : `cpus:${cpus}`, most));
      }
      for (const [i, name] of frameworks.entries()) h.framework(`F${i}`, name);
      for (const [i, cpus] of agents.entries()) h.agent(`A${i}`, `cpus:${cpus}`);
      for (let round = 0; round < 6; round++) {
        const offers = h.batch();
        checkGuarantees(h, frameworks, agents.length);
        h.recover(offers.filter(() => random() < 0.5));
      }
    }),
    { numRuns: 200 },
  );
});

/** Where a role with frameworks lacks something, nothing is free, or a limit leaves it no room. */
function checkGuarantees(h: Harness, roles: readonly string[], agents: number): void {
  const { allocator } = h;
  let free = 0;
  for (let i = 0; i < agents; i++) free += allocator.free(agentId(`A${i}`)).get("cpus");
  if (free === 0) return;
  const used = (path: string): number => allocator.consumedBy(path).get("cpus");
  const lack = (path: string): number => {
    const guarantee = allocator.quotaOf(path)?.guarantee ?? Quantities.EMPTY;
    return Math.max(0, guarantee.get("cpus") - used(path));
  };
  const room = (path: string): number => {
    const limit = allocator.quotaOf(path)?.limit.get("cpus") ?? Number.POSITIVE_INFINITY;
    return limit - used(path);
  };
  for (const name of roles) {
    // What `a` lacks may all be owed to roles below it, and so may what its limit leaves.
    const below = ["a/b", "a/c"].filter((path) => name === "a" && path !== name);
    const owed = below.reduce((milli, path) => milli + lack(path), 0);
    const left = Math.min(room(name), room(name[0] ?? "") - owed);
    if (lack(name) - owed > 0 && left > 0) {
      throw new Error(`${name} lacks cpus, ${free} are free`);
    }
  }
}

t.test(
  "nobody starves under any pattern of refusals, within a bounded number of runs",
  async () => {
    /** Not at all, and for how long an offer is refused; a pattern per framework, round by round. */
    const refusal = fc.constantFrom(undefined, 0, 500, 1500, 5000, 60_000);
    const framework = fc.record({
      role,
      pattern: fc.array(refusal, { minLength: 1, maxLength: 5 }),
    });
    fc.assert(
      fc.property(
        fc.array(framework, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 3 }),
        (frameworks, agents) => {
          const h = new Harness();
          for (let i = 0; i < agents; i++) h.agent(`A${i}`, "cpus:1;mem:64");
          for (const [i, each] of frameworks.entries()) {
            h.recover(h.framework(`F${i}`, ROLES[each.role] ?? ""));
          }
          // Runs in a row in which a framework could have been offered something and was not.
          const passed = frameworks.map(() => 0);
          const runsMax = 20 * frameworks.length;
          for (let round = 0; round < 60; round++) {
            const open = frameworks.map((_, i) => {
              return h.allocator.explain({ frameworkId: frameworkId(`F${i}`) }).fits > 0;
            });
            const offers = h.batch();
            for (const [i, could] of open.entries()) {
              const served = offers.some((offer) => offer.frameworkId === `F${i}`);
              passed[i] = served || !could ? 0 : (passed[i] ?? 0) + 1;
              if ((passed[i] ?? 0) > runsMax) throw new Error(`F${i} was passed over`);
            }
            for (const offer of offers) {
              const { pattern } = frameworks[Number(offer.frameworkId.slice(1))] ?? { pattern: [] };
              h.recover([offer], pattern[round % pattern.length]);
            }
          }
        },
      ),
      { numRuns: 80 },
    );
  },
);
