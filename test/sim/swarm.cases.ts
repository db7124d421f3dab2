/** The swarm as a command: seeds in child processes, the same text however many of them. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { SOMETIMES } from "../../sim/sometimes.ts";

const CLI = fileURLToPath(new URL("../../sim/cli.js", import.meta.url));
const OTHER_CLOCK = new URL("./other-clock.js", import.meta.url).href;
/** How often each rare branch was reached in the last swarm. */
const COUNTS = new URL("../../../sim/sometimes.json", import.meta.url);
/** A cluster that is over in a moment. */
const SMALL = "--agents 2 --frameworks 1 --items 8 --until 60s --faults-every 4s".split(" ");
/** The same, over before its work can be: LV is violated. */
const TOO_SHORT = [...SMALL, "--until", "6s", "--items", "60"];

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sim(args: readonly string[], flags: readonly string[] = []): Promise<Ended> {
  const child = spawn(process.execPath, [...flags, CLI, ...args]);
  const text = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (chunk: string) => {
      text[stream] += chunk;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("close", (code) => resolve({ code, ...text }));
  });
}

t.test("the number of processes changes nothing of what a swarm says", async (t) => {
  const args = ["swarm", ...SMALL, "--seeds", "4", "--from", "11"];
  const [one, two] = await Promise.all([
    sim([...args, "--jobs", "1"]),
    sim([...args, "--jobs", "2"]),
  ]);
  t.equal(one.code, 0, one.stdout + one.stderr);
  t.equal(two.stdout, one.stdout);
  t.match(one.stdout, /^seed 11: passed, \d+ events, 8 tasks .* digest [0-9a-f]{16}$/m);
  t.match(one.stdout, /^seed 14: /m);
  t.match(one.stdout, /^4 seeds: 4 passed, 0 failed$/m);
  t.match(one.stdout, /^each seed: at least 8 tasks, \d+ faults, \d+ changes of leader/m);
  t.match(
    one.stderr,
    /^\d+ events a second and \d+ times real time per core, \S+ s of processor in \S+ s, \d+ times real time in all$/m,
  );
});

t.test("a failure has a line with its command, and a group by statement and place", async (t) => {
  const { code, stdout } = await sim(["swarm", ...TOO_SHORT, "--seeds", "3", "--jobs", "2"]);
  t.equal(code, 2, "not converged");
  const [, again = ""] = /^2 LV event \d+ at 6\.000 s {2}meseta sim (run .*)$/m.exec(stdout) ?? [];
  t.match(again, /^run --seed 2 --until 6s --agents 2 /);
  t.match(stdout, /^LV in .*sim\/checkers\/tasks\.[jt]s:\d+: seeds 1, 2, 3 \(3\): framework-1/m);
  const repeated = await sim([...again.split(" "), "--failures", "none"]);
  t.equal(repeated.code, 2);
  t.match(repeated.stdout, /VIOLATION LV at 6\.0 s/);
});

t.test("with --fail-fast the first seed that fails is the last", async (t) => {
  const args = ["swarm", ...TOO_SHORT, "--seeds", "5", "--jobs", "2", "--fail-fast"];
  const { code, stdout } = await sim(args);
  t.equal(code, 2);
  t.match(stdout, /^1 seeds: 0 passed, 1 failed$/m);
  t.match(stdout, /^4 seeds were not run$/m);
});

t.test("flags that make no sense are refused by name", async (t) => {
  for (const [args, complaint] of [
    [["swarm", "--jobs", "0"], /--jobs: 0 is not between 1 and 256/],
    [["swarm", "--seeds", "1.5"], /--seeds: 1\.5 is not/],
    [["swarm", "--budget", "soon"], /--budget: soon is no duration/],
    [["swarm", "seven"], /seven: no more arguments/],
    [["swarms"], /swarms: there is no such command; there are run, swarm, /],
    [["replay"], /name the file of a failure/],
  ] as const) {
    const { code, stderr } = await sim(args);
    t.equal(code, 4, args.join(" "));
    t.match(stderr, complaint);
  }
});

t.test(
  "another clock and another Math.random change nothing, and nothing of ours reads them",
  async (t) => {
    const args = ["run", "--seed", "clock", ...SMALL, "--failures", "none"];
    const digestOf = ({ stdout }: Ended): string => /^digest (\w+)$/m.exec(stdout)?.[1] ?? stdout;
    const plain = digestOf(await sim(args));
    t.match(plain, /^[0-9a-f]{64}$/);
    for (let run = 1; run <= 2; run++) {
      const other = await sim(args, ["--import", OTHER_CLOCK]);
      t.equal(digestOf(other), plain, `run ${run}`);
      const readers: Record<string, number> = JSON.parse(
        /^read by (.*)$/m.exec(other.stderr)?.[1] ?? "{}",
      );
      // The command tells how long the run took, and so proves that readers are counted. XState
      // would read both for delayed transitions; no machine here has any.
      t.same(Object.keys(readers), ["sim/commands"]);
    }
  },
);

t.test("every rare branch was reached in the last swarm, and `list` says how often", async (t) => {
  const counts: { seeds: number; sometimes: Record<string, number> } = JSON.parse(
    readFileSync(COUNTS, "utf8"),
  );
  const { code, stdout } = await sim(["list"]);
  t.equal(code, 0);
  t.match(stdout, new RegExp(`^rare branches, over ${counts.seeds} seeds$`, "m"));
  t.same(Object.keys(counts.sometimes).sort(), Object.keys(SOMETIMES).sort());
  for (const name of Object.keys(SOMETIMES)) {
    const count = counts.sometimes[name] ?? 0;
    t.ok(count > 0, `${name}: ${count}`);
    t.match(stdout, new RegExp(`^  ${name} +${count} × `, "m"));
  }
});
