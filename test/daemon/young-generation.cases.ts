/** The flags with which a master's process is started. */
import { spawnSync } from "node:child_process";
import t from "tap";
import { YOUNG_GENERATION_MIB_MAX, youngGenerationFlags } from "#daemon";

/** The size that V8 says it will not go beyond, in MiB, in a process with these flags. */
function heapLimitMib(flags: readonly string[]): number {
  const script = 'console.log(require("node:v8").getHeapStatistics().heap_size_limit)';
  const env = { ...process.env, NODE_OPTIONS: "--max-old-space-size=256" };
  const { stdout } = spawnSync(process.execPath, [...flags, "-e", script], {
    encoding: "utf8",
    env,
  });
  return Number(stdout) / 2 ** 20;
}

t.test("Node takes the size of the young generation", async (t) => {
  const [small, large] = [
    heapLimitMib(["--max-semi-space-size=16"]),
    heapLimitMib(youngGenerationFlags({})),
  ];
  // Two halves and the space for large objects.
  t.equal(large - small, 3 * (YOUNG_GENERATION_MIB_MAX - 16));
});

t.test("whoever named a size is obeyed", async (t) => {
  t.same(youngGenerationFlags({ NODE_OPTIONS: "--max-semi-space-size=32" }), []);
  t.same(youngGenerationFlags({ NODE_OPTIONS: "--enable-source-maps" }).length, 1);
});
