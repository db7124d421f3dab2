/**
 * Runs seeds on the copy of the product that it is part of, until one of the statements that are
 * expected is violated. Started by `sim:mutants` as a process of its own; says one line of JSON
 * for each seed, and writes down the failure when it is told where.
 */
import { SimCluster } from "../cluster.ts";
import { failureOf, rerun, writeFailure } from "../failure.ts";
import { MUTANTS } from "./index.ts";
import type { Attempted } from "./mutant.ts";

/** A small, busy cluster: a run of it takes about a second. */
const CLUSTER = {
  masters: 3,
  agents: 3,
  frameworks: 2,
  brokers: 3,
  items: 60,
  untilMs: 150_000,
  faultEveryMs: 5_000,
} as const;

function attempt(name: string, seeds: number, file: string | undefined): void {
  const mutant = MUTANTS.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant ${name}`);
  if ("suite" in mutant) throw new Error(`${name} is measured by ${mutant.suite}`);
  const { noticedBy, profile, faults, scheduled, cluster: other } = mutant;
  const program = scheduled === undefined ? {} : { program: { scheduled, drawn: [] } };
  for (let run = 1; run <= seeds; run++) {
    const seed = `${name}-${run}`;
    const only = faults === undefined ? {} : { onlyFaults: faults };
    const ours = { ...{}, ...CLUSTER, ...other, ...only, ...program };
    const options = { ...{}, ...ours, seed, profile, stopAt: noticedBy };
    const cluster = new SimCluster(options);
    cluster.run();
    const ids = cluster.violations.map(({ id }) => id);
    const noticed = cluster.violations.find(({ id }) => noticedBy.includes(id));
    const said: Attempted = { seed, ids, noticed };
    process.stdout.write(`${JSON.stringify(said)}\n`);
    if (noticed === undefined) continue;
    if (file !== undefined) {
      const again = rerun(options, cluster.swarm.applied, [noticed.id]);
      const failure = failureOf(again, noticed.id, `mutant ${name}`);
      if (failure === undefined) throw new Error(`the faults of ${seed} do not repeat it`);
      writeFailure(file, failure);
    }
    return;
  }
}

const [name = "", seeds = "1", file] = process.argv.slice(2);
attempt(name, Number(seeds), file);
