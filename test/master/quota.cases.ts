/** Quotas and weights: what is refused in which words, what is offered, what a new leader knows. */
import t from "tap";
import { asId, type BodyOf } from "#protocol";
import { Quantities } from "#resources";
import {
  AT,
  ROOT,
  accept,
  frameworkOf,
  launch,
  offersOf,
  register,
  reported,
  resources,
  subscribe,
  task,
} from "./cluster.ts";
import { EVENTS_INTERVAL_MS } from "../../src/actors/master/publish.ts";
import { Stage, type StageOptions } from "./stage.ts";

type Update = BodyOf<"OPERATOR_UPDATE_QUOTA">;

function wire(text: string): Update["guarantee"] {
  return [...Quantities.parse(text)].map(([name, milli]) => ({ name, milli }));
}

function quota(stage: Stage, role: string, more: Partial<Update>): string[] {
  const none = { guarantee: [], limit: [], lends: false, force: false, dryRun: false };
  stage.mail(ROOT, "OPERATOR_UPDATE_QUOTA", { role, ...none, ...more }, AT);
  return stage.take();
}

function weigh(stage: Stage, role: string, weight: number): string[] {
  stage.mail(ROOT, "OPERATOR_UPDATE_WEIGHT", { role, weight }, AT);
  return stage.take();
}

function why(stage: Stage, question: BodyOf<"OPERATOR_EXPLAIN">): string {
  stage.take();
  stage.mail(ROOT, "OPERATOR_EXPLAIN", question, AT);
  return stage.taken("OPERATOR_ANSWER").join();
}

/** Two agents of (4, 1024). */
function set(more: StageOptions = {}): Stage {
  const stage = new Stage(more).lead();
  register(stage, "a1");
  register(stage, "a2");
  stage.take();
  return stage;
}

t.test("a quota is answered when the log has it, and not before", async (t) => {
  const stage = set();
  stage.moods.push("late");
  const said = quota(stage, "eng", { guarantee: wire("cpus:2"), limit: wire("cpus:3") });
  t.same(said, ["log ← QuotaSet"]);
  t.equal(stage.state.registry.quotas.size, 0);
  stage.settleLog();
  t.match(stage.take(), [/inbox ← OPERATOR_ANSWER to 1 .*"accepted":true.*"event":\d+/]);
  t.match(stage.state.registry.quotas.get("eng"), { guarantee: wire("cpus:2"), lends: false });
  t.equal(`${stage.state.allocator.quotaOf("eng")?.limit}`, "cpus:3");
  t.match(weigh(stage, "ops", 2.5), ["log ← WeightSet", /"accepted":true/]);
  t.equal(stage.state.allocator.weightOf("ops"), 2.5);
});

t.test("the event that an answer names tells of the change", async (t) => {
  const stage = set();
  stage.elapse(2000);
  stage.events.length = 0;
  const before = stage.state.publisher.last;
  const [, answer = ""] = weigh(stage, "ops", 2);
  const number = Number(/"event":(\d+)/.exec(answer)?.[1]);
  stage.elapse(EVENTS_INTERVAL_MS);
  const event = stage.events[number - before - 1];
  t.match(event, { type: "ROLE_UPDATED", role: { role: "ops", weight: 2 } });
  weigh(stage, "ops", 1);
  stage.elapse(EVENTS_INTERVAL_MS);
  t.match(stage.events.at(-1), { type: "ROLE_REMOVED", role: "ops" }, "nothing is left to tell");
});

interface Refused {
  readonly role?: string;
  readonly quota: Partial<Update>;
  readonly says: RegExp;
  /** Force passes over it. */
  readonly forced?: true;
}

const REFUSED: Readonly<Record<string, Refused>> = {
  "a role that is no path": {
    role: "a//b",
    quota: { limit: wire("cpus:1") },
    says: /role .*a\/\/b.* has an empty component/,
  },
  "nothing at all": { quota: {}, says: /neither a guarantee nor a limit.*remove the quota/ },
  "a name twice": {
    quota: { limit: [...wire("cpus:1"), ...wire("cpus:2")] },
    says: /limit: cpus is named twice/,
  },
  ports: { quota: { limit: [{ name: "ports", milli: 1000 }] }, says: /ports are no amount/ },
  "more memory than there can be": {
    quota: { limit: wire("mem:2000000000000") },
    says: /limit: mem 2000000000000 is above 1099511627776/,
  },
  "a guarantee above its limit": {
    quota: { guarantee: wire("cpus:4"), limit: wire("cpus:3") },
    says: /guarantee: cpus 4 is above the limit 3; lower the guarantee or raise/,
  },
  "lending of nothing": {
    quota: { limit: wire("cpus:1"), lends: true },
    says: /lends: there is no/,
  },
  "less than roles below are guaranteed": {
    role: "top",
    quota: { guarantee: wire("cpus:1;mem:64") },
    says: /guarantee: cpus 1 is less than the 2 that roles below top/,
  },
  "more than the role above is guaranteed": {
    role: "org/c",
    quota: { guarantee: wire("cpus:2") },
    says: /roles below org are guaranteed cpus 4, and org itself 3; .*raise the guarantee of org/,
  },
  "more than the role above may have": {
    role: "cap/c/d",
    quota: { guarantee: wire("mem:65") },
    says: /roles below cap are guaranteed mem 65, above the limit 64 of cap/,
  },
  "more than the agents have": {
    role: "big",
    quota: { guarantee: wire("cpus:4") },
    says: /with it cpus 9 are guaranteed, and the 2 registered agents have 8; .*force/,
    forced: true,
  },
  "less than the role has already": {
    role: "used",
    quota: { limit: wire("cpus:0.5") },
    says: /limit: cpus 0.5 is below the 1 that used has already; raise it.*force/,
    forced: true,
  },
};

t.test("a quota that cannot be is refused with field, value, limit and mend", async (t) => {
  const stage = set();
  subscribe(stage, "u", { info: { roles: ["used"] } });
  const onA1 = offersOf(stage, "u").filter((id) => stage.state.offers.get(id)?.agentId === "a1");
  accept(stage, "u", [launch(task("t1", "a1"))], { offerIds: onA1 });
  const given = (role: string, more: Partial<Update>): void => {
    t.match(quota(stage, role, more).join(), /"accepted":true/, role);
  };
  given("top/low", { guarantee: wire("cpus:2") });
  given("org", { guarantee: wire("cpus:3"), limit: wire("cpus:4") });
  given("org/b", { guarantee: wire("cpus:2") });
  given("cap", { limit: wire("mem:64") });
  for (const [title, { role = "r", quota: asked, says, forced }] of Object.entries(REFUSED)) {
    const answers = quota(stage, role, asked);
    t.equal(answers.length, 1, `${title}: nothing is appended`);
    t.match(answers[0], says, title);
    t.match(answers[0], forced ? /"reason":"overcommitted"/ : /"reason":"invalid"/, title);
    const again = quota(stage, role, { ...asked, force: true }).join();
    t.match(again, forced ? /log ← QuotaSet/ : says, `${title}, by force`);
    if (forced) stage.mail(ROOT, "OPERATOR_REMOVE_QUOTA", { role }, AT);
    stage.take();
  }
  stage.mail(ROOT, "OPERATOR_REMOVE_QUOTA", { role: "nobody" }, AT);
  t.match(stage.take(), [/"not-found".*nobody has no quota; see quota list/]);
  t.match(weigh(stage, "-x", 2), [/role .* starts with/]);
  t.match(weigh(stage, "x", 1e10), [/weight: 10000000000 is above 1000000000/]);
});

t.test("what is proposed counts as well: two at once do not pass together", async (t) => {
  const stage = set();
  stage.moods.push("late");
  t.same(quota(stage, "a", { guarantee: wire("cpus:5") }), ["log ← QuotaSet"]);
  t.match(quota(stage, "b", { guarantee: wire("cpus:5") }), [/cpus 10 are guaranteed/]);
  stage.settleLog();
  t.match(stage.take(), [/"accepted":true/]);
});

t.test("a dry run is judged and changes nothing", async (t) => {
  const stage = set();
  t.match(quota(stage, "a", { guarantee: wire("cpus:99"), dryRun: true }), [/overcommitted/]);
  t.match(quota(stage, "a", { guarantee: wire("cpus:1"), dryRun: true }), [/"accepted":true/]);
  t.equal(stage.state.registry.quotas.size, 0);
});

t.test("a limit holds the role, and those below it, from the next offer on", async (t) => {
  const stage = set();
  quota(stage, "eng", { limit: wire("cpus:2;mem:512") });
  subscribe(stage, "f", { info: { roles: ["eng/web"] } });
  const offered = [...stage.state.offers.values()].map(({ resources: bag }) => bag.quantities());
  t.equal(`${offered.reduce((sum, each) => sum.add(each), Quantities.EMPTY)}`, "cpus:2; mem:512");
  t.match(why(stage, { role: "eng/web" }), /eng has consumed cpus 2 of 2, mem 512 of 512/);
  t.match(quota(stage, "eng", { limit: wire("cpus:1;mem:512"), force: true }), [
    "log ← QuotaSet",
    /framework.f.i1 ← RESCIND .*eng is above its limit/,
    /"accepted":true/,
    /OFFERS/,
  ]);
  t.equal(stage.state.allocator.consumedBy("eng").get("cpus"), 1000);
});

t.test("offers of others go where a guarantee lacks them, and come to the role", async (t) => {
  const stage = set();
  subscribe(stage, "n", { info: { roles: ["n"] } });
  subscribe(stage, "q", { info: { roles: ["q"] } });
  t.equal(offersOf(stage, "n").length, 2);
  stage.take();
  const said = quota(stage, "q", { guarantee: wire("cpus:3;mem:256") });
  t.match(said, [
    "log ← QuotaSet",
    /framework.n.i1 ← RESCIND/,
    /accepted/,
    /framework.q.i1 ← OFFERS/,
  ]);
  t.equal(offersOf(stage, "n").length, 1, "no more than needed");
  t.match(why(stage, { role: "n" }), /"offered":1/);
});

t.test("what is kept free for others is told with its figures", async (t) => {
  const stage = set();
  quota(stage, "q", { guarantee: wire("cpus:7;mem:1024") });
  subscribe(stage, "n", { info: { roles: ["n"] } });
  stage.elapse(1500);
  const said = why(stage, { role: "n", demand: resources("cpus:3;mem:64") });
  t.match(said, /1 of 2 agents: free, but not within quota/);
  t.match(said, /kept free for guarantees that are not met: cpus 7 mem 1024 for q/);
});

t.test("why of an agent names each framework and role", async (t) => {
  const stage = set();
  subscribe(stage, "f", { info: { roles: ["eng"] } });
  subscribe(stage, "g", { info: { roles: ["ops"] }, suppressedRoles: ["ops"] });
  const said = why(stage, { agentId: asId("a1") });
  t.match(said, /"role":"eng","detail":"fits"/);
  t.match(said, /"role":"ops","reason":"suppressed"/);
  t.match(said, /1 of 2 subscriptions may be offered it; free of it now: nothing/);
  t.match(why(stage, { agentId: asId("a9") }), /not-found.*see agent list/);
});

t.test("a new leader has quotas and weights, and waits for most agents", async (t) => {
  const first = set();
  register(first, "a3");
  quota(first, "eng", { guarantee: wire("cpus:2;mem:64"), limit: wire("cpus:4") });
  weigh(first, "ops", 3);
  const second = new Stage({ name: "m2", log: first.log, ask: "no-responders" } as StageOptions);
  second.lead();
  t.equal(`${second.state.allocator.quotaOf("eng")?.guarantee}`, "cpus:2; mem:64");
  t.equal(second.state.allocator.weightOf("ops"), 3);
  subscribe(second, "n", { info: { roles: ["n"] } });
  subscribe(second, "e", { info: { roles: ["eng"] } });
  register(second, "a1");
  second.elapse(1500);
  t.same(second.taken("OFFERS"), [], "nobody knows what eng uses");
  t.match(why(second, { role: "n" }), /2 of 3 agents have not come back.*at the latest in \d+ s/);
  t.match(why(second, { role: "n" }), /"recovering":3/);
  register(second, "a1", { incarnation: 2 });
  second.elapse(1500);
  t.same(second.taken("OFFERS"), [], "one that comes twice is one");
  register(second, "a2", { resources: "cpus:4;mem:1024" });
  second.elapse(1500);
  t.not(offersOf(second, "n").length, 0, "most are back");
  t.equal(offersOf(second, "e").length, 0, "but eng is limited: a3 may run four cpus of it");
  t.match(why(second, { role: "eng" }), /roles under a limit are offered nothing until all are/);
  register(second, "a3", { tasks: [reported("t1", "a3", "x")] });
  second.elapse(1500);
  t.not(offersOf(second, "e").length, 0, "all are back");
});

t.test("declines and ends lead to an event run, without waiting for the batch", async (t) => {
  const stage = set({ allocationIntervalMs: 60_000 });
  subscribe(stage, "f", { info: { roles: ["f"] } });
  subscribe(stage, "g", { info: { roles: ["g"] } });
  stage.take();
  stage.mail(frameworkOf("f"), "DECLINE", { offerIds: offersOf(stage, "f").slice(0, 1) });
  t.match(stage.take(), [/framework.g.i1 ← OFFERS/], "in the same drain");
});
