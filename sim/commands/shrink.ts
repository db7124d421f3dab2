/** `sim shrink`: a failure without the faults, the work and the members that it does not need. */
import { readFailure, writeFailure } from "../failure.ts";
import { count, parsed } from "../options.ts";
import { shrink } from "../shrink.ts";
import { EXIT, type ExitCode, onlyFile, type SimCommand, say } from "./command.ts";

const FLAGS = {
  output: { type: "string", short: "o", default: "small.json" },
  budget: { type: "string", default: "500" },
} as const;

export const SHRINK: SimCommand = {
  name: "shrink",
  usage: ["shrink FAILURE [-o small.json] [--budget 500]   leaves out what it does not need"],
  run(args): ExitCode {
    const { values, positionals } = parsed(args, FLAGS);
    const failure = readFailure(onlyFile(positionals, "a failure"));
    const { output, budget } = values;
    const { failure: small, runs } = shrink(
      failure,
      count(budget, "budget", 1),
      ({ faults, scenario }) =>
        say(`${faults.length} faults, ${scenario.agents} agents, ${scenario.items} items`),
    );
    writeFailure(output, small);
    say(`${output}: ${small.faults.length} of ${failure.faults.length} faults after ${runs} runs`);
    return EXIT.pass;
  },
};
