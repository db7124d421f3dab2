/**
 * A cluster with masters that stand by, tasks that run, and a framework that waits for offers:
 * the leader is killed, or gives the lead away, and the time until the next leader's first offer
 * is taken. Between two times the cluster is whole again.
 */
import { Cluster, isAlive } from "../test/support/cluster.ts";
import { until, within } from "../test/support/until.ts";
import { call, type Masters, Sleepers, STEP_MS_MAX, whole } from "./failover-framework-load.ts";

export interface FailoverOptions {
  readonly masters: number;
  readonly agents: number;
  readonly tasks: number;
  readonly kills: number;
  readonly transfers: number;
}

export interface FailoverFigures {
  readonly killedMs: readonly number[];
  readonly transferredMs: readonly number[];
  /** Of the tasks that ran at first, how many have ended or were said to have. */
  readonly ended: number;
}

export async function measureFailover(options: FailoverOptions): Promise<FailoverFigures> {
  const { masters, agents, tasks, kills, transfers } = options;
  const cpus = Math.max(agents * 4, Math.ceil(tasks / 25));
  const resources = `cpus:${cpus};mem:${agents * 2048}`;
  const flags = ["--masters", masters, "--agents", agents, "--resources", resources];
  const cluster = await Cluster.start(flags.map(String));
  try {
    const path = /^\s*credential\s+(\S+)/m.exec(cluster.up.stdout)?.[1];
    if (path === undefined) throw new Error(`up names no credential: ${cluster.up.stdout}`);
    const sleepers = new Sleepers(path, tasks);
    await until(() => sleepers.running.size === tasks, "all tasks run", 2 * STEP_MS_MAX);
    const transferredMs: number[] = [];
    for (let turn = 0; turn < transfers; turn++) {
      const { epoch } = await whole(mastersOf(cluster, masters), options);
      const offer = sleepers.offerBeyond(epoch);
      const beganMs = performance.now();
      await call(mastersOf(cluster, masters), "transferLead", { body: {} });
      transferredMs.push((await within(offer, "an offer", STEP_MS_MAX)) - beganMs);
    }
    const killedMs: number[] = [];
    for (let turn = 0; turn < kills; turn++) {
      const { epoch, masterId } = await whole(mastersOf(cluster, masters), options);
      const pid = await cluster.pidOf(masterId === "master-1" ? "master" : masterId);
      const offer = sleepers.offerBeyond(epoch);
      const beganMs = performance.now();
      process.kill(pid, "SIGKILL");
      killedMs.push((await within(offer, "an offer", STEP_MS_MAX)) - beganMs);
    }
    await whole(mastersOf(cluster, masters), options);
    const { ended } = sleepers;
    await sleepers.driver.end();
    return { killedMs, transferredMs, ended: ended.size };
  } finally {
    await cluster.stop();
  }
}

function mastersOf(cluster: Cluster, masters: number): Masters {
  return {
    async doors() {
      const { token } = await cluster.context();
      return (await cluster.servers()).map((server) => ({ server, token }));
    },
    async areUp() {
      for (let number = 1; number <= masters; number += 1) {
        const part = number === 1 ? "master" : `master-${number}`;
        if (!isAlive(await cluster.pidOf(part))) return false;
      }
      return true;
    },
  };
}
