/** `sim shrink`: a failure without the faults, the work and the members that it does not need. */
import { type Failure, readFailure, writeFailure } from "../failure.ts";
import { count, duration, parsed } from "../options.ts";
import { itemsOf, shrink } from "../shrink.ts";
import { EXIT, type ExitCode, onlyFile, type SimCommand, say } from "./command.ts";

const FLAGS = {
  output: { type: "string", short: "o", default: "small.json" },
  budget: { type: "string", default: "500" },
  within: { type: "string" },
} as const;

function sizeText({ faults, scenario }: Failure): string {
  const { masters, agents, frameworks, brokers } = scenario;
  const members = `${masters} masters, ${agents} agents, ${frameworks} frameworks`;
  return `${faults.length} faults, ${itemsOf(scenario)} operations, ${members}, ${brokers} brokers`;
}

export const SHRINK: SimCommand = {
  name: "shrink",
  usage: [
    "shrink FAILURE [-o small.json] [--budget 500]   leaves out what it does not need",
    "  --within 2m              begins no further run after that time",
  ],
  run(args): ExitCode {
    const { values, positionals } = parsed(args, FLAGS);
    const failure = readFailure(onlyFile(positionals, "a failure"));
    const { output, budget, within } = values;
    const endMs = within === undefined ? Infinity : performance.now() + duration(within, "within");
    const { failure: small, runs } = shrink(failure, {
      budget: count(budget, "budget", 1),
      isOver: () => performance.now() >= endMs,
      progress: (smaller) => say(sizeText(smaller)),
    });
    writeFailure(output, small);
    say(`${output}: ${sizeText(small)}; before: ${sizeText(failure)}; ${runs} runs`);
    return EXIT.pass;
  },
};
