/**
 * What `meseta registrar` runs: the registrar of a cluster whose brokers and masters have machines of their
 * own, beside the keys. While it is away nobody joins and nothing is renewed; all that runs, runs on.
 */
import { takeLock, LockHeld } from "#adapters";
import type { Config } from "#config";
import { openTrust } from "./credentials.ts";
import { reachOf } from "./known-brokers.ts";
import { openRegistrar } from "./registrar.ts";
import { clusterOf, trustedDirOf } from "./role-processes.ts";
import { catchSignals } from "./signals.ts";

/** @returns the exit code. @throws Error in one sentence what keeps it from starting. */
export async function runRegistrar(
  config: Config,
  dataOfContext: string | undefined,
  { tell }: { tell(sentence: string): void },
): Promise<number> {
  const signals = catchSignals(["SIGTERM", "SIGINT"]);
  const root = trustedDirOf(config, dataOfContext);
  const cluster = clusterOf(config);
  const reach = await reachOf(config, root);
  const lock = await lockOf(root);
  try {
    const trust = await openTrust({ dataDir: root, cluster, nowMs: () => Date.now() });
    const registrar = openRegistrar({ reach, dataDir: root, trust, tell });
    const servers = reach.servers.join(", ");
    registrar.bus.onStatus((status) => {
      if (status.kind === "connected")
        tell(`registrar of cluster ${cluster} answers at ${servers}`);
      if (status.kind === "disconnected") tell(`no broker of ${servers}: ${status.why}`);
    });
    await signals.first;
    await registrar.stop();
    return 0;
  } finally {
    await lock.release();
  }
}

/** Two that count the uses of one token would let a machine too many in; `up` has one of its own. */
async function lockOf(root: string) {
  try {
    return await takeLock(root, "up.lock");
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error;
    throw new Error(
      `--data: a registrar or a meseta up, which has one of its own, runs from ${root} already; end ` +
        "that one first",
    );
  }
}
