/**
 * Launches and kills at random while agent and launcher are killed at random, from a seed that is
 * told: every outcome arrives once, and nothing is left of any container.
 */
import t from "tap";
import { machine } from "../isolation/rig.ts";
import { until } from "../support/until.ts";
import type { TaskOrder } from "./a-life.ts";
import { Lives } from "./lives.ts";

const isWhole = process.env["MESETA_LIFECYCLE"] === "whole";
const TASKS = isWhole ? 1_000 : 60;
const AT_ONCE = 32;
/** Each so many tasks that have ended, agent or launcher are killed. */
const KILL_EVERY = isWhole ? 60 : 25;
const ALL_MS_MAX = 400_000;
const skip = machine.isRoot && machine.cgroupMode !== "none" ? false : "needs root and cgroups";

/** Numerical Recipes' generator: what is drawn depends on the seed alone. */
function drawing(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const SCRIPTS = ["exit 0", "exit 7", "sleep 0.02; exit 3", "setsid sleep 600 & exit 4"] as const;
const KILLED = [
  "exec sleep 600",
  "sleep 600 & sleep 600",
  "trap '' TERM; while :; do sleep 1; done",
];

function draw(seed: number): TaskOrder[] {
  const below = drawing(seed);
  return Array.from({ length: TASKS }, (_, index) => {
    const id = `r${index}`;
    if (below(3) > 0) return { id, script: SCRIPTS[below(SCRIPTS.length)] ?? "exit 0" };
    const script = KILLED[below(KILLED.length)] ?? "exec sleep 600";
    return { id, script, killMs: below(2) * 50, resized: below(2) === 0 };
  });
}

t.test(`${TASKS} launches and kills at random leave nothing`, { skip }, async (t) => {
  const seed = Number(process.env["MESETA_SEED"] ?? Date.now() & 0xffff);
  t.comment(`MESETA_SEED=${seed}`);
  const orders = draw(seed);
  const lives = new Lives(orders, AT_ONCE);
  t.teardown(() => lives.remove());
  const below = drawing(seed + 1);
  const beganMs = performance.now();
  let agents = 0;
  let launchers = 0;
  lives.begin();
  for (let next = KILL_EVERY; next < TASKS; next += KILL_EVERY) {
    await until(() => lives.outcomes().size >= next, `${next} ended`, ALL_MS_MAX);
    const pid = below(2) === 0 ? lives.launcherPid() : undefined;
    if (pid !== undefined) {
      process.kill(pid, "SIGKILL");
      launchers += 1;
      continue;
    }
    await lives.kill();
    agents += 1;
    lives.begin();
  }
  t.equal(await lives.ended(), "over", "the last life ends by itself");
  t.comment(`${agents} agents and ${launchers} launchers killed in ${seconds(beganMs)} s`);
  const outcomes = lives.outcomes();
  const faults = orders.flatMap(({ id }) => {
    const ends = outcomes.get(id) ?? [];
    const starts = lives.starts(id);
    return ends.length === 1 && starts <= 1 ? [] : [`${id} began ${starts} times: ${ends}`];
  });
  t.same(faults, [], "each outcome arrives once, none began twice");
  t.same(await lives.leftovers(), [], "nothing is left");
});

const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1_000).toFixed(1);
