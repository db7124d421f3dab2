/**
 * The simulated disk, log and machine under the same contracts as the real ones. Time is
 * virtual: waiting for a condition runs the world.
 */
import t from "tap";
import type { Launcher, LaunchPlan, Log } from "#runtime";
import {
  BusNetwork,
  LogCluster,
  Paths,
  SimDisk,
  SimLauncher,
  SimLog,
  SimMachine,
  type SimNode,
} from "#sim";
import { diskContract } from "../contracts/disk.cases.ts";
import { launcherContract } from "../contracts/launcher.cases.ts";
import { type Lost, logContract } from "../contracts/log.cases.ts";
import { aWorld, settleIn, STEP_MS, untilIn, WAIT_MS_MAX } from "./a-world.ts";

/** Long enough for an answer to be lost on it. */
const CUT_MS = 100;
const BROKERS = ["n1", "n2", "n3"];

diskContract(t, {
  name: "the simulated disk",
  async make() {
    const { world, node } = aWorld();
    const store = new SimDisk(world, "one");
    let lives = 0;
    let owner: SimNode | undefined;
    const open = async () => {
      lives += 1;
      owner = node(`life-${lives}`);
      world.runUntil(world.nowMs + 1);
      return store.open(owner);
    };
    return {
      open,
      openMortal: open,
      until: untilIn(world),
      async crash() {
        owner?.crash();
      },
    };
  },
  teardown: async () => undefined,
});

logContract(t, {
  name: "the simulated log",
  exclusive: false,
  async make() {
    const { world, node } = aWorld();
    const network = new BusNetwork(world, new Paths(world), { brokers: BROKERS, profile: "nats" });
    const cluster = new LogCluster(network, BROKERS);
    let opened = 0;
    let way: string | undefined = "n2";
    const open = async (via = (): string | undefined => "n2"): Promise<Log> => {
      opened += 1;
      const owner = node(`master-${opened}`);
      world.runUntil(world.nowMs + 1);
      return new SimLog(cluster, owner, via);
    };
    const cut = (): void => {
      way = undefined;
      world.after(CUT_MS, () => {
        way = "n2";
      });
    };
    return {
      open: () => open(),
      openMortal: () => open(),
      async openLossy() {
        const lose = (what: Lost): void => {
          if (what === "append") cut();
          else cluster.onceCommitted = cut;
        };
        return { log: await open(() => way), suffers: ["append", "answer"], lose };
      },
      until: untilIn(world),
      settle: settleIn(world),
      async crash() {
        const leader = cluster.leader ?? "n1";
        network.stopBroker(leader);
        world.runUntil(world.nowMs + 3_000);
        network.startBroker(leader);
        world.runUntil(world.nowMs + 3_000);
      },
    };
  },
  teardown: async () => undefined,
});

function aRig() {
  const { world, node } = aWorld();
  const machine = new SimMachine(world, "host");
  const agent = node("agent");
  world.runUntil(1);
  let plans = 0;
  const sh = (text: string): LaunchPlan["argv"] => ["/bin/sh", "-c", text];
  const rig = {
    launcher: new SimLauncher(machine, agent) as Launcher,
    commands: {
      exits: (code: number) => sh(`exit ${code}`),
      runs: sh("hang"),
      stubborn: sh("ignore-term; hang"),
      obedient: sh("on-term 5; hang"),
      missing: ["/no/such/program"] as const,
      fills: (mib: number) => sh(`fill ${mib}; sleep infinity`),
      listens: (port: number) => sh(`listen ${port}; sleep infinity`),
    },
    plan(argv: LaunchPlan["argv"], containerId?: string): LaunchPlan {
      plans += 1;
      return {
        containerId: containerId ?? `c${plans}`,
        nonce: `n${plans}`,
        argv,
        env: {},
        sandbox: "/sandbox",
        user: null,
        cgroups: {
          steps: [],
          join: [],
          counters: { oomPath: null, peakPath: null },
          kill: { kind: "descendants" },
          remove: [],
        },
        oomScoreAdj: null,
        logs: { bytes: 65_536, files: 1 },
        graceMs: 1_000,
        config: `{"plan":${plans}}`,
      };
    },
    async reopen() {
      rig.launcher.close();
      rig.launcher = new SimLauncher(machine, agent);
    },
    async settle<T>(promise: Promise<T>): Promise<T> {
      let settled = false;
      const end = (): void => {
        settled = true;
      };
      promise.then(end, end);
      const endMs = world.nowMs + WAIT_MS_MAX;
      // A promise tells in a turn of the real loop; the world goes on between turns.
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (settled || world.nowMs > endMs) return promise;
        world.runUntil(world.nowMs + STEP_MS);
      }
    },
  };
  return rig;
}

launcherContract({
  name: "the simulated machine",
  make: async () => aRig(),
  teardown: async () => undefined,
});
