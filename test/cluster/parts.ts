/** Parts of a cluster: killing one, and waiting until it and the whole are there again. */
import t from "tap";
import { untilAnswer } from "../support/answers.ts";
import { type Cluster, isAlive } from "../support/cluster.ts";
import { until } from "../support/until.ts";

const RECOVERED_MS_MAX = 20_000;

/** The agents are registered and the framework is connected, as the leader of now sees it. */
export async function isWhole(cluster: Cluster, agents: number): Promise<void> {
  const beganMs = performance.now();
  await untilAnswer(
    () => cluster.call("status").catch((error: Error) => error),
    (status) => !(status instanceof Error) && status.agents["registered"] === agents,
    "all agents are registered",
    RECOVERED_MS_MAX,
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
