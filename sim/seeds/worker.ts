/**
 * A worker of the swarm: a child process that runs the seeds it is sent, one after another, and
 * answers each with its outcome. It ends when its parent hangs up.
 */
import type { ClusterOptions } from "../cluster.ts";
import { crashed, runSeed, type SeedOutcome } from "./outcome.ts";

function outcomeOf(options: ClusterOptions): SeedOutcome {
  try {
    return runSeed(options);
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return crashed(options.seed, why);
  }
}

// The parent sends nothing else.
process.on("message", (options) => {
  process.send?.(outcomeOf(options as ClusterOptions), undefined, {}, (error) => {
    // The parent was ended while the seed ran: nobody is left whom the outcome is for.
    if (error !== null) process.exit(1);
  });
});
