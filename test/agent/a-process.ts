/**
 * A real agent in a process of its own, with a leader beside it: real disk, launcher, cgroups.
 * Started by the real cases, which kill it. Arguments: directory, cgroup root, agent id, whether
 * to launch. Prints every status update as a line of JSON.
 */
import { join } from "node:path";
import { agentConfig, createAgent } from "#actors/agent";
import {
  findLauncherPrograms,
  MemoryBroker,
  openFilesDisk,
  openLauncher,
  pinoLogger,
  systemClock,
  systemRandom,
} from "#adapters";
import { driverOf, probeMachine } from "#daemon";
import { defaultIsolators, noneDriver } from "#isolation";
import { type AgentId, asId, MASTER_PEER } from "#protocol";
import { Resources } from "#resources";
import { startActor } from "#runtime";
import { FRAMEWORK, framework, LeaderState, leaderBehaviour, subjects, task } from "./a-node.ts";

/** How many tasks, and after how long the first and each further one ends. */
export const TASKS = 20;
const FIRST_END_S = 2;
const NEXT_END_S = 0.15;

async function main([dir = "", root = "", agent = "", mode = ""]: readonly string[]) {
  const agentId = asId<AgentId>(agent);
  const principal = asId<never>("node1");
  const clock = systemClock();
  const random = systemRandom();
  const logger = pinoLogger({ level: "warn", to: 2 });
  const machine = probeMachine(dir);
  const driver = root === "none" ? noneDriver : driverOf(machine, { root, agentId });
  const launcher = openLauncher({
    programs: findLauncherPrograms(join(process.cwd(), "dist", "native")),
    runtimeDir: join(dir, "runtime"),
    driver,
    onMessage: (line) => process.stderr.write(`# launcher: ${line}\n`),
  });
  const workDir = join(dir, "work");
  const disk = await openFilesDisk({ root: workDir, clock });
  const broker = new MemoryBroker(clock, subjects);
  const leader = new LeaderState();
  leader.acknowledges = (update) => {
    process.stdout.write(`${JSON.stringify(update.status)}\n`);
    return true;
  };
  const bus = broker.connect({ role: "master", masterId: asId("m") });
  const master = startActor(
    leaderBehaviour(leader),
    { bus, clock, random, logger },
    { subjects, self: MASTER_PEER, serves: ["agent"], kinds: [], epoch: () => leader.epoch },
  );
  createAgent(
    { bus: broker.connect({ role: "agent", principal }), clock, random, logger, disk, launcher },
    subjects,
    agentConfig({
      principal,
      agentId,
      hostname: "host",
      resources: Resources.of("cpus:8;mem:8192").toWire(),
      attributes: [],
      version: "0",
      isolation: driver.mode,
      workDir,
      userOf: null,
      environment: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      executorAccess: null,
    }),
    {
      agentId,
      machine,
      driver,
      isolators: defaultIsolators({ pidsMax: 64 }),
      logs: { bytes: 65_536, files: 1 },
    },
  );
  if (mode !== "launch") return;
  for (let index = 0; index < TASKS; index++) {
    const seconds = FIRST_END_S + index * NEXT_END_S;
    const script = `echo x >> ${dir}/starts-${index}; sleep ${seconds.toFixed(2)}; exit ${index}`;
    const info = { ...task(`t${index}`, script), agentId };
    const message = {
      kind: "RunTask",
      body: { frameworkId: FRAMEWORK, framework: framework(), task: info },
    } as const;
    leader.wanted.push(message);
    master.tell("test", { kind: "order", ...{ message } });
  }
}

await main(process.argv.slice(2));
