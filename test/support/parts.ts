/** Parts of a cluster: killing one, and waiting until it and the whole are there again. */
import t from "tap";
import { away, untilAnswer } from "./answers.ts";
import { type Cluster, isAlive } from "./cluster.ts";
import { until } from "./until.ts";

/** The agents are registered and the framework is connected, as the leader of now sees it. */
export async function isWhole(cluster: Cluster, agents: number): Promise<void> {
  const beganMs = performance.now();
  await untilAnswer(
    () => cluster.call("status").catch((error: Error) => error),
    (status) => !(status instanceof Error) && status.agents["registered"] === agents,
    "all agents are registered",
  );
  t.comment(`whole again ${Math.round(performance.now() - beganMs)} ms later`);
}

export async function killPart(cluster: Cluster, part: string): Promise<void> {
  const pid = await cluster.pidOf(part);
  process.kill(pid, "SIGKILL");
  await until(() => !isAlive(pid), `${part} is dead`);
}

export async function isBack(cluster: Cluster, part: string, before: number): Promise<void> {
  await untilAnswer(
    () => cluster.pidOf(part),
    (pid) => pid !== before && isAlive(pid),
    `${part} is started again`,
  );
}

/** When each agent was registered the last time; a leader of before may still tell of it. */
async function registrations(cluster: Cluster): Promise<ReadonlyMap<string, number>> {
  const { items } = await cluster.call("listAgents");
  return new Map(
    items.map(({ id, registeredAtMs, reregisteredAtMs }) => [
      id,
      reregisteredAtMs ?? registeredAtMs,
    ]),
  );
}

/** Kills a part of a cluster with one agent and waits until its next process is there and the whole again. */
export async function killAndReturn(cluster: Cluster, part: string): Promise<void> {
  const isAgent = part.startsWith("agent-");
  const seen = isAgent ? await registrations(cluster) : undefined;
  const before = await cluster.pidOf(part);
  await killPart(cluster, part);
  await isBack(cluster, part, before);
  // Until the next process registers, the one before stands in the leader's list as registered.
  if (seen !== undefined) {
    await untilAnswer(
      () => registrations(cluster),
      (now) => [...now].some(([id, atMs]) => atMs !== seen.get(id)),
      `${part} is registered again`,
    );
  }
  await isWhole(cluster, 1);
}

/** The broker of a cluster with one agent is killed, stays away for so long, and comes back; so does the whole. */
export async function loseBroker(cluster: Cluster, awayMs: number): Promise<void> {
  const before = await cluster.pidOf("broker");
  // Who would start another at once is stopped meanwhile.
  cluster.up.signal("SIGSTOP");
  await killPart(cluster, "broker");
  await away(awayMs);
  cluster.up.signal("SIGCONT");
  await isBack(cluster, "broker", before);
  await isWhole(cluster, 1);
}
