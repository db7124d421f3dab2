/**
 * A whole agent on a real launcher, in this process, with a leader beside it: for rows of the
 * table in which the agent itself must end a task and say why.
 */
import { join } from "node:path";
import type { Test as Tap } from "tap";
import { agentConfig, createAgent } from "#actors/agent";
import { MemoryBroker, openFilesDisk, pinoLogger, systemClock, systemRandom } from "#adapters";
import { defaultIsolators, type IsolatorConfig } from "#isolation";
import { asId, isTerminal, MASTER_PEER, type TaskInfo, type TaskStatus } from "#protocol";
import { Resources } from "#resources";
import { startActor } from "#runtime";
import {
  AGENT,
  FRAMEWORK,
  framework,
  LeaderState,
  leaderBehaviour,
  subjects,
  task,
} from "../agent/a-node.ts";
import { machine, type RealRig, until } from "./rig.ts";

const PRINCIPAL = asId<never>("node1");
const logger = pinoLogger({ level: "error", to: 2 });

/** Runs one task to its end and answers its last status. */
export async function endOf(
  t: Tap,
  rig: RealRig,
  wanted: Partial<TaskInfo> & { readonly run: string },
  isolation: Partial<IsolatorConfig>,
): Promise<TaskStatus> {
  const { run, ...more } = wanted;
  const info = task(`t-${t.name.length}-${Math.floor(performance.now())}`, run, more);
  const { broker, common } = busOf();
  const leader = new LeaderState();
  const bus = broker.connect({ role: "master", masterId: asId("m") });
  const options = { subjects, self: MASTER_PEER, serves: ["agent"], kinds: [] } as const;
  const master = startActor(
    leaderBehaviour(leader),
    { bus, ...common },
    { ...options, epoch: () => leader.epoch },
  );
  const workDir = join(rig.directory, "work");
  const disk = await openFilesDisk({ root: workDir, clock: common.clock });
  const config = agentConfig({
    principal: PRINCIPAL,
    agentId: AGENT,
    hostname: "host",
    resources: [...Resources.of("cpus:2;mem:1024").toWire(), ...info.resources],
    attributes: [],
    version: "0",
    isolation: rig.driver.mode,
    workDir,
    userOf: null,
    environment: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    executorAccess: null,
  });
  const { agent, isolator } = createAgent(
    {
      bus: broker.connect({ role: "agent", principal: PRINCIPAL }),
      ...common,
      disk,
      launcher: rig.launcher,
    },
    subjects,
    config,
    {
      agentId: AGENT,
      machine,
      driver: rig.driver,
      isolators: defaultIsolators({ pidsMax: 64 }),
      logs: { bytes: 65_536, files: 1 },
      ...isolation,
    },
  );
  const body = { frameworkId: FRAMEWORK, framework: framework(), task: info };
  leader.wanted.push({ kind: "RunTask", body });
  const own = () => leader.updates.filter(({ status }) => status.taskId === info.taskId);
  const last = () => own().at(-1)?.status;
  try {
    await until("the task has ended", () => {
      const state = last()?.state;
      return state !== undefined && isTerminal(state);
    });
  } finally {
    for (const actor of [agent, isolator, master]) actor.kill();
    await new Promise<void>((resolve) => disk.close(resolve));
  }
  const status = last();
  if (status === undefined) throw new Error("nothing was said of the task");
  return status;
}

function busOf() {
  const clock = systemClock();
  const common = { clock, random: systemRandom(), logger };
  return { broker: new MemoryBroker(clock, subjects), common };
}
