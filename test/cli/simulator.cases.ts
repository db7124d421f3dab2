/** `meseta sim` as a process: what ends it ends the simulator that it has handed over to. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import t from "tap";
import { processesNaming } from "../support/cluster.ts";
import { until } from "../support/until.ts";

const MESETA = fileURLToPath(new URL("../../../bin/meseta.js", import.meta.url));

t.test("a simulator whose command is ended ends too, and says of what", async (t) => {
  const seed = randomUUID();
  const command = spawn(process.execPath, [MESETA, "sim", "--seed", seed, "--until", "24h"], {
    stdio: "ignore",
  });
  const ended = new Promise<number | null>((resolve) => command.once("exit", resolve));
  await until(() => processesNaming(seed).length === 2, "the simulator runs");
  command.kill("SIGTERM");
  t.equal(await ended, 143);
  t.same(processesNaming(seed), []);
});
