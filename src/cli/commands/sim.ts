/** `meseta sim`: hands over to the simulator, a program of its own that is loaded on demand. */
import { spawnSync } from "node:child_process";
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
    .action((flags: readonly string[]) => {
      if (!existsSync(SIMULATOR)) {
        throw new CliError(EXIT.failed, "the simulator is not built", "run npm run build");
      }
      const { status, error } = spawnSync(process.execPath, [SIMULATOR, ...flags], {
        stdio: "inherit",
      });
      if (error !== undefined) throw error;
      process.exitCode = status ?? EXIT.failed;
    });
}
