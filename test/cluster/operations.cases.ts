/**
 * Operators reserve, make volumes, drain and plan maintenance on a running cluster, by the command
 * line; a framework's task finds what an earlier one has written; and all of it outlives the
 * processes that hold it.
 */
import { join } from "node:path";
import t from "tap";
import {
  connect,
  type Framework,
  isTerminal,
  type Offer,
  type TaskId,
  type TaskStatus,
} from "#sdk";
import { untilAnswer } from "../support/answers.ts";
import { Cluster, skipWithoutRoot } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { isBack, isWhole, killPart } from "../support/parts.ts";

async function done(cluster: Cluster, ...args: string[]): Promise<string> {
  const { exit, stdout, stderr } = await cluster.bench.meseta(args);
  if (exit !== 0) throw new Error(`meseta ${args.join(" ")} ended with ${exit}: ${stderr}`);
  return stdout;
}

/** Runs one command after the other on the volume `db`, as it is offered. */
class VolumeUser {
  readonly told: TaskStatus[] = [];
  asked = 0;
  readonly #framework: Framework;
  #wish: { readonly id: string; readonly command: string } | undefined;

  constructor(cluster: Cluster) {
    this.#framework = connect(
      {
        credentials: join(cluster.bench.data, "credentials", "framework.creds"),
        name: "volume-user",
        roles: ["eng"],
      },
      {
        offers: (offers, driver) => {
          for (const offer of offers) {
            const task = this.#take(offer);
            if (task === undefined) driver.decline([offer.offerId], { refuseMs: 100 });
            else driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos: [task] }], 100);
          }
        },
        inverseOffers: (offers, driver) => {
          this.asked += 1;
          driver.acceptInverseOffers(offers.map(({ inverseOfferId }) => inverseOfferId));
        },
        update: (status) => void this.told.push(status),
      },
    );
  }

  #take(offer: Offer) {
    const wish = this.#wish;
    const volume = offer.resources.find(({ disk }) => disk?.persistence?.id === "db");
    if (wish === undefined || volume === undefined) return undefined;
    this.#wish = undefined;
    const allocationInfo = { role: offer.allocationRole };
    const cpus = { name: "cpus", type: "SCALAR", scalar: { milli: 100 }, allocationInfo } as const;
    const mem = { name: "mem", type: "SCALAR", scalar: { milli: 32_000 }, allocationInfo } as const;
    return {
      name: wish.id,
      taskId: wish.id as TaskId,
      agentId: offer.agentId,
      resources: [cpus, mem, volume],
      command: { shell: true, value: wish.command },
    };
  }

  /** The exit code of the command, run to its end. */
  async run(id: string, command: string): Promise<number | undefined> {
    this.#wish = { id, command };
    const end = () => this.told.find((one) => one.taskId === id && isTerminal(one.state));
    await until(() => end() !== undefined, `${id} ends`);
    t.comment(`${id} ended: ${end()?.state} ${end()?.message}`);
    return end()?.exitCode;
  }

  end(): Promise<void> {
    return this.#framework.end();
  }
}

void t.test("operators change what agents have and do", { skip: skipWithoutRoot }, async (t) => {
  const cluster = await Cluster.start(["--resources", "cpus:4;mem:1024;disk:500"]);
  t.teardown(() => cluster.stop());
  const user = new VolumeUser(cluster);
  t.teardown(() => user.end());
  const { items } = await untilAnswer(
    () => cluster.call("listAgents"),
    ({ items }) => items.length > 0,
    "the agent is listed",
  );
  const [{ id: agent = "", hostname = "" } = {}] = items;

  await t.test("a reservation and a volume are made, and shown", async (test) => {
    const reserve = ["reserve", agent, "disk:200", "--role", "eng"];
    test.match(await done(cluster, ...reserve), /the agent has done it/);
    await done(cluster, "volume", "create", agent, "db", "--role", "eng", "--disk", "100");
    const shown = await done(cluster, "agent", "show", agent);
    test.match(shown, /reserved +eng \(DYNAMIC\): cpus 0, mem 0, disk 200/);
    test.match(shown, /volume +db of eng, 100 MiB at db/);
    test.match(await done(cluster, "volume", "list"), /^db +eng +100 +db /m);
    const much = await cluster.bench.meseta(["reserve", agent, "disk:900", "--role", "eng"]);
    test.match(much.stderr, /needs disk.*:900, free for it is .*disk:300/);
  });

  await t.test(
    "a task finds what an earlier one wrote, also behind kill -9 of all",
    async (test) => {
      test.equal(await user.run("writes", "echo kept > db/file"), 0);
      const before = await cluster.pidOf("agent-1");
      await killPart(cluster, "agent-1");
      await killPart(cluster, "master");
      await isBack(cluster, "agent-1", before);
      await isWhole(cluster, 1);
      test.equal(await user.run("reads", "grep kept db/file"), 0);
      test.match(await done(cluster, "volume", "list"), /^db +eng/m);
    },
  );

  await t.test("a drain kills what runs, ends as drained, and is taken back", async (test) => {
    await done(cluster, "run", "--detach", "--name", "sleeper", "--", "sleep", "1000");
    const running = () => cluster.call("listTasks", { query: { filter: "state=TASK_RUNNING" } });
    await untilAnswer(running, ({ items: tasks }) => tasks.length === 1, "it runs");
    await done(cluster, "agent", "drain", agent, "--grace", "1s");
    await untilAnswer(
      () => cluster.call("showAgent", { path: { agent } }),
      ({ activity }) => activity === "drained",
      "it is drained",
    );
    test.match(await done(cluster, "status"), /^agents +1 drained/m);
    await done(cluster, "run", "--detach", "--name", "waits", "--", "sleep", "1000");
    test.match(await done(cluster, "why", "waits"), /^draining +1$/m);
    await done(cluster, "agent", "drain", agent, "--cancel");
    await untilAnswer(running, ({ items: tasks }) => tasks.length === 1, "what waited runs");
    await done(cluster, "agent", "deactivate", agent);
    test.match(await done(cluster, "agent", "list"), / deactivated /);
    await done(cluster, "agent", "reactivate", agent);
  });

  await t.test("maintenance is planned, told to frameworks, and called off", async (test) => {
    await done(cluster, "maintenance", "schedule", hostname, "--start", "+1h", "--for", "2h");
    const status = await done(cluster, "maintenance", "status");
    test.match(status, new RegExp(`^${hostname.toLowerCase()} +DRAINING `, "m"));
    await done(cluster, "maintenance", "unschedule", hostname);
    const up = await cluster.bench.meseta(["maintenance", "up", hostname]);
    test.match(up.stderr, /is not down/);
  });

  await t.test("a destroyed volume is empty when its name is used again", async (test) => {
    await done(cluster, "volume", "destroy", agent, "db", "--role", "eng");
    await done(cluster, "unreserve", agent, "disk:100", "--role", "eng");
    await done(cluster, "volume", "create", agent, "db", "--role", "eng", "--disk", "50");
    test.not(await user.run("finds-nothing", "test -e db/file"), 0);
    test.match(await done(cluster, "agent", "show", agent), /eng \(DYNAMIC\): .*disk 100/);
  });
});
