/** Rows of the table: what the agent itself bounds, the disk by measuring and the ports. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { defaultIsolators, insideIsolators, overstepped } from "#isolation";
import type { Resource } from "#protocol";
import { Resources } from "#resources";
import { show } from "./acceptance.ts";
import { endOf } from "./agent-rig.ts";
import { insideOptions } from "./inside-rig.ts";
import { row } from "./planned.ts";
import { listenScript, type RealRig } from "./rig.ts";

const PIDS_MAX = 64;
const WATCH_MS = 200;

const disk = (rig: RealRig) => ({
  isolators: [
    ...defaultIsolators({
      pidsMax: PIDS_MAX,
      disk: {
        isolator: "du",
        projects: [5_000, 10_000],
        volumesDir: join(rig.directory, "work", "volumes"),
      },
    }),
    ...insideIsolators(
      insideOptions(rig, { volumesDir: join(rig.directory, "work", "volumes"), hidden: [] }),
    ),
  ],
  watch: { diskMs: WATCH_MS },
});

const write = (mib: number, path: string): string => `head -c ${mib}M /dev/zero > ${path}`;

row("a task that is past its disk is ended with its reason", async (t, rig) => {
  const wanted = {
    run: `${write(3, "one")}; sleep 1; ${write(4, "two")}; exec sleep 1000`,
    resources: Resources.of("cpus:0.1;mem:32;disk:4").toWire(),
  };
  const end = await endOf(t, rig, wanted, disk(rig));
  t.match(end, {
    state: "TASK_FAILED",
    reason: "REASON_CONTAINER_LIMITATION_DISK",
    limitation: { resource: "disk", limitBytes: 4 * 1_048_576 },
    message: /^Disk limit exceeded: the sandbox has [\d.]+ MiB, its limit is 4 MiB/,
  });
  const used = end.limitation?.peakBytes ?? 0;
  t.ok(used > 4 * 1_048_576 && used < 8 * 1_048_576, `${used} bytes`);
  show("du: a write past the limit ends the task with its reason", `${end.reason}: ${end.message}`);
});

const volume = (mib: number): Resource => ({
  name: "disk",
  type: "SCALAR",
  scalar: { milli: mib * 1_000 },
  reservations: [{ type: "STATIC", role: "r" }],
  disk: { persistence: { id: "data" }, volume: { containerPath: "data", mode: "RW" } },
});

row("a persistent volume is counted on its own", async (t, rig) => {
  mkdirSync(join(rig.directory, "work", "volumes"), { recursive: true });
  const plain = Resources.of("cpus:0.1;mem:32;disk:3").toWire();
  // 2 MiB here and 3 there are past neither bound; 5 in one place would be past both.
  const both = `${write(2, "file")} && ${write(3, "data/file")} && sleep 1`;
  const within = { run: `${both}; exit 7`, resources: [...plain, volume(4)] };
  const fine = await endOf(t, rig, within, disk(rig));
  t.match(fine, { state: "TASK_FAILED", exitCode: 7, limitation: undefined }, String(fine.message));
  const past = { ...within, run: `${write(5, "data/file")}; exec sleep 1000` };
  const end = await endOf(t, rig, past, disk(rig));
  t.match(end, {
    reason: "REASON_CONTAINER_LIMITATION_DISK",
    message: /^Disk limit exceeded: persistent volume data has 5 MiB, its limit is 4 MiB/,
  });
  const seen = `2 MiB of 3 in the sandbox with 3 of 4 in the volume go on; then: ${end.message}`;
  show("a persistent volume is counted on its own", seen);
});

row("a listener outside its ports ends the task with its reason", async (t, rig) => {
  const isolation = {
    isolators: defaultIsolators({ pidsMax: PIDS_MAX, ports: { isolatedRange: null } }),
    watch: { portsMs: WATCH_MS },
  };
  const resources = Resources.of("cpus:0.1;mem:32;ports:[31001-31002]").toWire();
  const perl = (port: number, then: string): string =>
    `perl -MIO::Socket::INET -e '${listenScript(port).replace("sleep 1000", then)}'`;
  const own = { run: perl(31_002, "sleep 2; exit 7"), resources };
  const fine = await endOf(t, rig, own, isolation);
  t.match(fine, { exitCode: 7, limitation: undefined }, String(fine.message));
  const end = await endOf(t, rig, { run: perl(31_003, "sleep 1000"), resources }, isolation);
  t.match(end, {
    state: "TASK_FAILED",
    reason: "REASON_CONTAINER_LIMITATION",
    limitation: { resource: "ports" },
    message: /^It listens on port 31003 \(tcp\), which is none of its ports: 31001-31002/,
  });
  show(
    "a listener outside its ports ends the task with its reason",
    `${end.reason}: ${end.message}; on 31002 it went on`,
  );
});

void t.test("what is past its bounds is named with figures", async (t) => {
  const MIB = 1_048_576;
  const watch = {
    disk: [
      { name: "the sandbox", path: "/s", limitBytes: 4 * MIB },
      { name: "persistent volume v", path: "/v", limitBytes: MIB },
    ],
    ports: [[80, 80] as const, [31_000, 31_005] as const],
  };
  const measure = { containerId: "c", bytes: [4 * MIB, MIB], listeners: [] };
  t.equal(overstepped(watch, "disk", measure), null);
  t.match(overstepped(watch, "disk", { ...measure, bytes: [0, MIB + 1] }), {
    resource: "disk",
    limitBytes: MIB,
    peakBytes: MIB + 1,
    detail: "Disk limit exceeded: persistent volume v has 1 MiB, its limit is 1 MiB",
  });
  const on = (port: number) =>
    overstepped(watch, "ports", { ...measure, listeners: [{ protocol: "tcp6", port }] });
  t.same([80, 31_000, 31_005].map(on), [null, null, null]);
  t.match(on(31_006), {
    resource: "ports",
    detail: "It listens on port 31006 (tcp6), which is none of its ports: 80, 31000-31005",
  });
});
