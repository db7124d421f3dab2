/** Who leads a cluster with several masters, asked of whichever master answers. */
import { join } from "node:path";
import { readCredentialFile } from "#adapters";
import { type OutputOf, readAnswer, requestOf } from "#api";
import type { Cluster, Command } from "../support/cluster.ts";
import { untilAnswer } from "../support/answers.ts";
import { startWiretap, type Wiretap } from "../support/wiretap.ts";

export type Status = OutputOf<"status">;

export async function statusOf(cluster: Cluster): Promise<Status | undefined> {
  const { token } = await cluster.context();
  for (const server of await cluster.servers()) {
    const { target, ...request } = requestOf("status", { token });
    const response = await fetch(`${server}${target}`, request).catch(() => undefined);
    if (response !== undefined) return readAnswer("status", response.status, await response.text());
  }
  return undefined;
}

/** The leader, once `fits` it. */
export async function leaderOf(
  cluster: Cluster,
  fits: (leader: NonNullable<Status["leader"]>) => boolean = () => true,
): Promise<NonNullable<Status["leader"]>> {
  const status = await untilAnswer(
    () => statusOf(cluster),
    (answer) => answer?.leader !== undefined && fits(answer.leader),
    "the leader",
  );
  if (status?.leader === undefined) throw new Error("nobody leads");
  return status.leader;
}

/** The part of `up` that a master is. */
export function partOf(masterId: string): string {
  return masterId === "master-1" ? "master" : masterId;
}

/** A master started by hand beside those of `up`, all of whose words go over a wire of ours. */
export interface Tapped {
  readonly command: Command;
  readonly wire: Wiretap;
}

export async function startTappedMaster(cluster: Cluster, name: string): Promise<Tapped> {
  const { bench } = cluster;
  const out = join(bench.dir, `${name}.creds`);
  const args = ["credential", "create", "master", name, "--out", out, "--data", bench.data];
  const { exit, stderr } = await bench.meseta(args);
  if (exit !== 0) throw new Error(stderr);
  const wire = await startWiretap(readCredentialFile(out).servers[0] ?? "");
  const data = join(bench.dir, name);
  const flags = ["--credential", out, "--nats", wire.url, "--data", data, "--masters", "3"];
  const command = bench.start(["master", ...flags]);
  await command.says(/listens on/);
  return { command, wire };
}
