/**
 * An agent with twenty containers is ended at each of its numbered fault points and comes back:
 * each task's outcome arrives once, none began twice, and nothing of any is left.
 */
import t, { type Test } from "tap";
import { FAULT_POINTS, type FaultPoint, faultPlaceText } from "#actors/agent";
import { machine } from "../isolation/rig.ts";
import { Lives } from "./lives.ts";
import type { TaskOrder } from "./a-life.ts";

const TASKS = 20;
/** Points that a part of the tests passes, one of each kind. */
const FEW = [35, 38, 56, 65];
/** In the middle of the launches: answered, and the agent does not hear it. */
const AMID_LAUNCHES = "39:10";
/** Passed when an agent comes back, before it has done anything else. */
const isAtStart = ({ place }: FaultPoint): boolean =>
  ("file" in place && place.file !== "sandbox") ||
  ("launcher" in place && ["prepare", "recover"].includes(place.launcher));

/** Some end by themselves, some are killed, some resized; two ignore the signal. */
const TASK_ORDERS: readonly TaskOrder[] = Array.from({ length: TASKS }, (_, index) => {
  const id = `t${index}`;
  if (index < 8) return { id, script: `exit ${index}` };
  if (index < 14) return { id, script: `sleep 1; exit ${index}`, resized: true };
  if (index < 18) return { id, script: "exec sleep 600", killMs: 2_000 };
  return { id, script: "trap '' TERM; while :; do sleep 1; done", killMs: 100 };
});

function expected(index: number): RegExp {
  if (index === 0) return /^TASK_FINISHED 0$/;
  return index < 14 ? new RegExp(`^TASK_FAILED ${index}$`) : /^TASK_KILLED /;
}

/** What is not as if nothing had happened. */
function faults(lives: Lives, point: FaultPoint): string[] {
  const found: string[] = [];
  const outcomes = lives.outcomes();
  let others = 0;
  for (let index = 0; index < TASKS; index++) {
    const id = `t${index}`;
    const ends = outcomes.get(id) ?? [];
    const [end = ""] = ends;
    const starts = lives.starts(id);
    if (ends.length !== 1) found.push(`${id} ended ${ends.length} times: ${ends.join(", ")}`);
    if (starts > 1) found.push(`${id} began ${starts} times`);
    if (expected(index).test(end)) continue;
    others += 1;
    // The container whose own shim or launch was ended with the agent: nobody saw its end.
    if ("native" in point.place && others === 1 && /^TASK_(FAILED|KILLED)/.test(end)) continue;
    found.push(`${id} came to ${end}`);
  }
  return found;
}

/** Writes take many records at once; calls come one by one, so one in the middle can be met. */
function passing(point: FaultPoint): number {
  const { place } = point;
  const isFew = "launcher" in place && place.launcher === "update";
  return isFew || isAtStart(point) || "journal" in place || "file" in place ? 1 : 3;
}

async function endAt(t: Test, point: FaultPoint): Promise<void> {
  const lives = new Lives(TASK_ORDERS, TASKS);
  t.teardown(() => lives.remove());
  if (isAtStart(point)) {
    lives.begin(AMID_LAUNCHES);
    t.equal(await lives.ended(), "killed", "a life before");
  }
  lives.begin(`${point.number}:${passing(point)}`);
  t.equal(await lives.ended(), "killed", "the point is passed");
  lives.begin();
  t.equal(await lives.ended(), "over", "the next life ends by itself");
  t.same(faults(lives, point), [], "each outcome arrives once");
  t.same(await lives.leftovers(), [], "nothing is left");
}

const isWhole = process.env["MESETA_LIFECYCLE"] === "whole";
const only = process.env["MESETA_POINTS"]?.split(",").map(Number);
const points = FAULT_POINTS.filter(({ number }) =>
  only === undefined ? isWhole || FEW.includes(number) : only.includes(number),
);
const skip = machine.isRoot && machine.cgroupMode !== "none" ? false : "needs root and cgroups";

for (const point of points) {
  t.test(`SIGKILL at ${point.number}, ${faultPlaceText(point.place)}`, { skip }, (t) =>
    endAt(t, point),
  );
}
