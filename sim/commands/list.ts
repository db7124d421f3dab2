/** `sim list`: what the simulator has. */
import { FAULTS } from "../faults/index.ts";
import { parsed } from "../options.ts";
import { EXIT, type ExitCode, noMore, type SimCommand, say } from "./command.ts";

export const LIST: SimCommand = {
  name: "list",
  usage: ["list   the faults"],
  run(args): ExitCode {
    noMore(parsed(args, {}).positionals[0]);
    for (const { name, statement } of FAULTS) say(`${name.padEnd(18)} ${statement}`);
    return EXIT.pass;
  },
};
