/** Maintenance windows: what is offered, who is asked to leave, who is admitted. */
import t from "tap";
import type { BodyOf, InverseOfferId } from "#protocol";
import { machinesFault, scheduleFault } from "../../src/actors/master/maintenance.ts";
import {
  AT,
  ROOT,
  accept,
  agentId,
  agentOf,
  frameworkIdOf,
  frameworkOf,
  launch,
  offersOf,
  register,
  subscribe,
  task,
  update,
} from "./cluster.ts";
import { Stage, type StageOptions } from "./stage.ts";

const START_MS = 1_800_000_000_000;

/** Agents on machines a1.test and a2.test; the framework runs a task on the first. */
function set(more: StageOptions = {}): Stage {
  const stage = new Stage(more).lead();
  register(stage, "a1");
  subscribe(stage, "f");
  stage.elapse(1000);
  accept(stage, "f", [launch(task("t1", "a1"))]);
  update(stage, "a1", "f", "t1", "TASK_RUNNING");
  register(stage, "a2");
  stage.elapse(6000);
  stage.take();
  return stage;
}

function schedule(stage: Stage, ...hostnames: string[]): string[] {
  const unavailability = { startMs: START_MS, durationMs: 60_000 };
  const windows = hostnames.length === 0 ? [] : [{ hostnames, unavailability }];
  stage.mail(ROOT, "OPERATOR_SCHEDULE_MAINTENANCE", { windows }, AT);
  return stage.take();
}

function move(stage: Stage, verb: "START" | "STOP", ...hostnames: string[]): string[] {
  stage.mail(ROOT, `OPERATOR_${verb}_MAINTENANCE`, { hostnames }, AT);
  return stage.take();
}

function asked(lines: readonly string[]): BodyOf<"INVERSE_OFFERS">["inverseOffers"] {
  return lines.flatMap((line) => {
    if (!line.includes("INVERSE_OFFERS {")) return [];
    return JSON.parse(line.slice(line.indexOf("{"))).inverseOffers;
  });
}

t.test("offers of a scheduled machine are taken back, and say the window then", async (t) => {
  const stage = set();
  const lines = schedule(stage, "A1.Test").join("\n");
  t.match(lines, /log ← MaintenanceScheduled/);
  t.equal(lines.match(/RESCIND /g)?.length, 1, "the other machine's offer stays");
  t.match(lines, /OPERATOR_ANSWER.*"accepted":true/);
  stage.elapse(1000);
  const offers = stage.taken("OFFERS").filter((line) => line.includes('"a1"'));
  t.match(offers.join(), /"unavailability":\{"startMs":1800000000000,"durationMs":60000\}/);
});

t.test("whoever holds something there is asked to leave, once, until it answers", async (t) => {
  const stage = set();
  schedule(stage, "a1.test");
  stage.elapse(1000);
  const [inverse, ...more] = asked(stage.take());
  t.match(inverse, { agentId: "a1", unavailability: { startMs: START_MS } });
  t.same(more, []);
  stage.elapse(20_000);
  t.same(asked(stage.take()), []);
  const leaving = () => stage.state.leaving.get(agentId("a1"))?.get(frameworkIdOf("f"));
  t.equal(leaving(), "UNKNOWN");
  const inverseOfferIds: InverseOfferId[] = inverse ? [inverse.inverseOfferId] : [];
  const filters = { refuseMs: 30_000 };
  stage.mail(frameworkOf("f"), "DECLINE_INVERSE_OFFERS", { inverseOfferIds, filters });
  t.equal(leaving(), "DECLINE");
  stage.elapse(20_000);
  t.same(asked(stage.take()), [], "not within its filter");
  stage.elapse(20_000);
  const [again] = asked(stage.take());
  t.equal(leaving(), "DECLINE", "what it said stands until it says otherwise");
  const ids = again ? [again.inverseOfferId] : [];
  stage.mail(frameworkOf("f"), "ACCEPT_INVERSE_OFFERS", { inverseOfferIds: ids });
  t.equal(leaving(), "ACCEPT");
});

t.test("another schedule takes back what was asked", async (t) => {
  const stage = set();
  schedule(stage, "a1.test");
  stage.elapse(1000);
  stage.take();
  const lines = schedule(stage).join("\n");
  t.match(lines, /RESCIND_INVERSE_OFFER/);
  stage.elapse(6000);
  const told = stage.take();
  t.same(asked(told), []);
  t.notMatch(told.join(), /unavailability/);
});

t.test("a machine that is down loses its agents, and admits none until it is up", async (t) => {
  const stage = set();
  schedule(stage, "a1.test");
  const lines = move(stage, "START", "a1.test").join("\n");
  t.match(lines, /log ← MachinesDown.*AgentMarkedUnreachable a1/);
  t.match(lines, /UPDATE .*TASK_UNREACHABLE/);
  register(stage, "a1");
  t.match(stage.take().join("\n"), /AgentRefused .*down for maintenance.*"final":false/);
  const next = new Stage({ log: stage.log, name: "m2" }).lead();
  register(next, "a1");
  t.match(next.take().join("\n"), /AgentRefused .*down for maintenance/, "so says the next leader");
  t.match(move(next, "STOP", "a1.test").join("\n"), /"accepted":true/);
  t.same([next.state.registry.windows, next.state.registry.down.size], [[], 0]);
  register(next, "a1");
  t.match(next.take().join("\n"), /AgentRegistered/);
});

t.test(
  "the window is known to the next leader, and to an agent that registers again",
  async (t) => {
    const stage = set();
    schedule(stage, "a1.test");
    const next = new Stage({ log: stage.log, name: "m2" }).lead();
    register(next, "a1");
    subscribe(next, "f");
    next.elapse(6000);
    t.match(next.taken("OFFERS").join(), /unavailability/);
    next.closed(agentOf("a1"));
    register(next, "a1");
    next.elapse(6000);
    t.match(next.taken("OFFERS").join(), /unavailability/);
    t.equal(offersOf(next, "f").length, 1);
  },
);

t.test("agents that are not on the whitelist are not offered, whoever leads", async (t) => {
  const stage = set();
  stage.mail(ROOT, "OPERATOR_WHITELIST", { hostnames: ["a2.test"] }, AT);
  t.match(stage.take().join("\n"), /log ← WhitelistSet[\s\S]*"accepted":true/);
  const next = new Stage({ log: stage.log, name: "m2" }).lead();
  register(next, "a1");
  register(next, "a2");
  subscribe(next, "f");
  next.elapse(6000);
  const offered = () => offersOf(next, "f").map((id) => next.state.offers.get(id)?.agentId);
  t.same(offered(), ["a2"]);
  next.mail(ROOT, "OPERATOR_WHITELIST", {}, AT);
  next.elapse(6000);
  t.same(offered().sort(), ["a1", "a2"]);
});

t.test("what a schedule and its machines cannot be", async (t) => {
  const window = (...hostnames: string[]) => ({ hostnames, unavailability: { startMs: 0 } });
  const down = new Set(["b"]);
  t.match(
    scheduleFault({ down: new Set() }, [window("a"), window("a")]),
    /a is in the schedule twice/,
  );
  t.match(scheduleFault({ down }, [window("a")]), /b is down; bring it up before it is left out/);
  t.equal(scheduleFault({ down }, [window("a", "b")]), undefined);
  const large = Array.from({ length: 1000 }, (_, n) => `${n}`.padStart(200, "x"));
  t.match(scheduleFault({ down: new Set() }, [window(...large)]), /takes \d+ bytes, the most is/);
  const registry = { down, windows: [window("a", "b")] };
  t.match(machinesFault(registry, ["c"], true), /c has no maintenance scheduled/);
  t.match(machinesFault(registry, ["b"], true), /b is down already/);
  t.match(machinesFault(registry, ["a", "a"], true), /a is named twice/);
  t.match(machinesFault(registry, ["a"], false), /a is not down/);
  t.equal(machinesFault(registry, ["a"], true), undefined);
  t.equal(machinesFault(registry, ["b"], false), undefined);
});
