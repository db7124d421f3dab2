/** The machine's clock and chance, and the log for people. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { pinoLogger, systemClock, systemRandom } from "#adapters";
import { isId } from "#protocol";
import { until } from "../support/until.ts";

t.test(
  "a timer fires once, never early, never within the call, and not when cancelled",
  async (test) => {
    const clock = systemClock();
    const story: string[] = [];
    const fromMs = clock.monotonicMs();
    const early: number[] = [];
    for (const inMs of [20, 0.4, 7.5, 1]) {
      clock.timer(inMs, () => {
        if (clock.monotonicMs() - fromMs < inMs) early.push(inMs);
        story.push(String(inMs));
      });
    }
    clock.timer(5, () => void story.push("cancelled")).cancel();
    clock.soon(() => void story.push("soon"));
    test.same(story, []);
    await until(() => story.length === 5, "all have fired");
    test.equal(story[0], "soon");
    test.equal(story.at(-1), "20");
    test.notOk(story.includes("cancelled"));
    test.same(early, []);
    test.ok(Math.abs(clock.wallMs() - Date.now()) < 1_000);
  },
);

t.test("chance stays within its bound, and what it names is an id", async (test) => {
  const random = systemRandom();
  const drawn = new Set(Array.from({ length: 500 }, () => random.below(4)));
  test.same([...drawn].sort(), [0, 1, 2, 3]);
  test.equal(random.below(1), 0);
  for (const length of [1, 8, 32]) {
    const token = random.token(length);
    test.match(token, /^[a-z][a-z0-9]*$/);
    test.equal(token.length, length);
  }
  test.match(
    random.uuid(),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  test.ok(isId(random.uuid()));
});

t.test(
  "a line is written before the call returns, and children follow a change of level",
  async (test) => {
    const dir = await mkdtemp(join(tmpdir(), "meseta-test-logger-"));
    test.teardown(() => rm(dir, { recursive: true, force: true }));
    const to = join(dir, "log");
    const logger = pinoLogger({ level: "info", to, fields: { role: "agent" } });
    const child = logger.child({ epoch: 7 });
    child.log("debug", "not yet");
    child.log("info", "hello", { taskId: "t1" });
    logger.setLevel("debug");
    test.equal(child.level, "debug");
    child.log("debug", "now");
    logger.setLevel("error");
    logger.log("warn", "not any more");
    const lines = (await readFile(to, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    test.match(lines, [
      { level: 30, role: "agent", epoch: 7, taskId: "t1", msg: "hello" },
      { level: 20, role: "agent", epoch: 7, msg: "now" },
    ]);
    test.equal(lines.length, 2);
  },
);
