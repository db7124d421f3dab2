/**
 * A leader that stands still while another takes over, and goes on half a minute later: every word
 * that it says after waking is looked at, on the wire.
 */
import t from "tap";
import { open } from "#replication";
import { subjectsOf } from "#protocol";
import { away } from "../support/answers.ts";
import { Cluster, skipWithoutRoot } from "../support/cluster.ts";
import { Ledger } from "../support/ledger.ts";
import { leaderOf, partOf, startTappedMaster, statusOf, type Tapped } from "./leaders.ts";

const STOPPED_MS = 30_000;
/** Long enough for anything that is left in its queues to come out. */
const AWAKE_MS = 5_000;

/** Masters of `up` in these tests. */
const OWN = ["master-1", "master-2"];

/**
 * The lead goes from one to the next until the one that is tapped has it. The other one that stands
 * by is killed before, for its way to the broker is shorter: it would come first each time.
 */
async function makeLeader(cluster: Cluster, name: string): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    const { masterId } = await leaderOf(cluster);
    if (masterId === name) return;
    const rival = OWN.find((own) => own !== masterId);
    if (rival !== undefined) process.kill(await cluster.pidOf(partOf(rival)), "SIGKILL");
    await cluster.bench.meseta(["master", "transfer"]);
  }
  throw new Error(`${name} did not come to lead`);
}

void t.test(
  "a leader that slept changes nothing when it wakes",
  { skip: skipWithoutRoot },
  async (t) => {
    const flags = ["--masters", "2", "--agents", "2", "--resources", "cpus:2;mem:2048"];
    const cluster = await Cluster.start(flags);
    let tapped: Tapped | undefined;
    t.teardown(async () => {
      tapped?.command.signal("SIGKILL");
      await tapped?.wire.close();
      await cluster.stop();
    });
    tapped = await startTappedMaster(cluster, "sleeper");
    const { command, wire } = tapped;
    const ledger = new Ledger(cluster);
    t.teardown(() => ledger.end());
    await ledger.launch([{ id: "task", resources: "cpus:0.1;mem:32", command: "sleep 1000" }]);
    await makeLeader(cluster, "sleeper");
    const { epoch } = await leaderOf(cluster);
    command.signal("SIGSTOP");
    const next = await leaderOf(cluster, (leader) => leader.epoch > epoch);
    t.not(next.masterId, "sleeper");
    await away(STOPPED_MS);
    const before = await statusOf(cluster);
    const silentFrom = wire.said.length;
    command.signal("SIGCONT");
    await command.says(/deposed/);
    await away(AWAKE_MS);

    const { log, cluster: name } = subjectsOf("local" as never);
    const words = wire.said.slice(silentFrom);
    const subjects = [...new Set(words.map(({ subject }) => subject))];
    t.comment(`said after waking: ${words.length} messages to ${subjects.join(", ")}`);
    t.ok(words.length > 0, "the wire hears it");
    for (const { subject, payload } of words) {
      if (subject === log) {
        // At most what it had in hand when it fell asleep: it names an end that is not the end.
        const opened = open(payload);
        t.equal(
          opened.kind === "record" && opened.record.epoch,
          epoch,
          "a record of its own epoch",
        );
        continue;
      }
      // Reads of the log, and whether anybody leads: the same as of any master that stands by.
      const harmless = /^\$JS\.API\.STREAM\.(MSG\.GET|INFO)\./.test(subject);
      const asks =
        subject === `meseta.${name}.master.master` || /\.master\.operator\./.test(subject);
      const asClient = subject === `meseta.${name}.master.framework.run.sleeper`;
      t.ok(harmless || asks || asClient, `${subject}: nothing is said as a leader`);
    }
    const after = await statusOf(cluster);
    t.same(after?.leader, next, "the one that took over leads on");
    t.same(after?.agents, before?.agents);
    t.same(after?.tasks, before?.tasks);
    t.equal(ledger.hasEnded("task"), false);
  },
);
