/** `meseta sim`: hands over to the simulator, a program of its own that is loaded on demand. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { CliError, EXIT } from "../exit.ts";

/** Seen from the compiled file in `dist/src/cli/commands`. */
const SIMULATOR = fileURLToPath(new URL("../../../sim/cli.js", import.meta.url));

export function addSimCommand(program: Command): void {
  program
    .command("sim")
    .description("run a whole cluster in the simulator; meseta sim --help tells its own flags")
    .allowUnknownOption()
    .helpOption(false)
    .argument("[flags...]", "flags of the simulator, such as --seed 7 --until 10m")
    .action(async (flags: readonly string[]) => {
      if (!existsSync(SIMULATOR)) {
        throw new CliError(EXIT.failed, "the simulator is not built", "run npm run build");
      }
      process.exitCode = await run(flags);
    });
}

/** What ends this command ends the simulator too, which would go on for hours with nobody to read it. */
function run(flags: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [SIMULATOR, ...flags], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}
