/** `sim shrink`: a failure without the faults, the work and the members that it does not need. */
import { type Failure, readFailure, writeFailure } from "../failure.ts";
import { count, parsed } from "../options.ts";
import { itemsOf, shrink } from "../shrink.ts";
import { EXIT, type ExitCode, onlyFile, type SimCommand, say } from "./command.ts";

const FLAGS = {
  output: { type: "string", short: "o", default: "small.json" },
  budget: { type: "string", default: "500" },
} as const;

function sizeText({ faults, scenario }: Failure): string {
  const { masters, agents, frameworks, brokers } = scenario;
  const members = `${masters} masters, ${agents} agents, ${frameworks} frameworks`;
  return `${faults.length} faults, ${itemsOf(scenario)} operations, ${members}, ${brokers} brokers`;
}

export const SHRINK: SimCommand = {
  name: "shrink",
  usage: ["shrink FAILURE [-o small.json] [--budget 500]   leaves out what it does not need"],
  run(args): ExitCode {
    const { values, positionals } = parsed(args, FLAGS);
    const failure = readFailure(onlyFile(positionals, "a failure"));
    const { output, budget } = values;
    const { failure: small, runs } = shrink(failure, count(budget, "budget", 1), (smaller) =>
      say(sizeText(smaller)),
    );
    writeFailure(output, small);
    say(`${output}: ${sizeText(small)}; before: ${sizeText(failure)}; ${runs} runs`);
    return EXIT.pass;
  },
};
