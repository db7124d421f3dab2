/**
 * Rows of the table: networks by CNI plugins. The launcher runs in a network namespace of its
 * own, which is the host to its containers: no bridge is ever made in this machine's network.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test as Tap } from "tap";
import { readNetworks } from "#daemon";
import type { InsideOptions } from "#isolation";
import type { LaunchPlan } from "#runtime";
import { collectExits, destroyAndForget } from "../contracts/launcher.cases.ts";
import { cannotShow, show } from "./acceptance.ts";
import { insidePlan, launchPlan } from "./inside-rig.ts";
import { launch, output } from "./planned.ts";
import { dropRig, machine, makeRig, nativePrograms, type RealRig, until } from "./rig.ts";

const PLUGINS = "/usr/lib/cni";
const MODULES = ["bridge", "veth", "sch_tbf", "sch_ingress", "ifb", "act_mirred", "cls_u32"];
const MBIT = 10_000_000;

type Networks = NonNullable<InsideOptions["networks"]>;

const bridge = (rig: RealRig, index: number) => ({
  type: "bridge",
  bridge: `meseta${index}`,
  ipam: {
    type: "host-local",
    dataDir: join(rig.directory, "ipam"),
    ranges: [[{ subnet: `10.77.${index}.0/24` }]],
  },
});
const slow = {
  type: "bandwidth",
  ...{ ingressRate: MBIT, ingressBurst: MBIT / 10, egressRate: MBIT, egressBurst: MBIT / 10 },
};

/** Two bridges without a way between them, and one of them slow. */
function networksOf(rig: RealRig): Networks {
  const directory = join(rig.directory, "networks");
  mkdirSync(directory);
  const put = (name: string, plugins: readonly object[]): void =>
    writeFileSync(
      join(directory, `${name}.conflist`),
      JSON.stringify({ cniVersion: "0.4.0", name, plugins }),
    );
  put("blue", [bridge(rig, 1)]);
  put("red", [bridge(rig, 2)]);
  put("slow", [bridge(rig, 3), slow]);
  put("absent", [{ type: "nosuch" }]);
  put("broken", [{ ...bridge(rig, 4), ipam: { type: "host-local", ranges: [[{ subnet: "x" }]] } }]);
  return readNetworks(directory, PLUGINS);
}

interface Net {
  readonly rig: RealRig;
  readonly plan: (network: string, script: string) => LaunchPlan;
}

/** A launcher whose network is its own. */
async function netRig(t: Tap): Promise<Net> {
  const directory = mkdtempSync(join(tmpdir(), "meseta-test-net-"));
  const launcher = makeWrapper(directory);
  const rig = await makeRig({ programs: { kind: "native", launcher }, enforced: true });
  t.teardown(async () => {
    await dropRig(rig);
    rmSync(directory, { recursive: true });
  });
  const networks = networksOf(rig);
  return {
    rig,
    plan(network, script) {
      const networkInfos = [{ name: network }];
      const container = { type: "MESOS", networkInfos } as const;
      const plan = insidePlan(rig, script, { container: { ...container } }, { networks });
      if (typeof plan === "string") throw new Error(plan);
      return plan;
    },
  };
}

function makeWrapper(directory: string): string {
  const path = join(directory, "launcher");
  const { launcher } = nativePrograms;
  writeFileSync(path, `#!/bin/sh\nexec unshare --net -- ${launcher} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

function whyNot(): string | null {
  if (machine.unenforcedBecause !== null) return machine.unenforcedBecause;
  if (nativePrograms.kind !== "native") return "no C compiler on this machine";
  if (!existsSync(join(PLUGINS, "bridge"))) return `no CNI plugins in ${PLUGINS}`;
  for (const module of MODULES) spawnSync("modprobe", [module]);
  const made = spawnSync("unshare", [
    "--net",
    "ip",
    "link",
    "add",
    "name",
    "probe0",
    "type",
    "bridge",
  ]);
  return made.status === 0 ? null : "this kernel has no bridges";
}

function netRow(
  title: string,
  whats: readonly Parameters<typeof show>[0][],
  run: (t: Tap, net: Net) => Promise<void>,
): void {
  void t.test(title, { timeout: 600_000 }, async (t) => {
    const why = whyNot();
    for (const what of whats) if (why !== null) cannotShow(what, why);
    if (why === null) await run(t, await netRig(t));
  });
}

/** Reads so many bytes of one connection, and says in how many seconds they came. */
const receive = (bytes: number): string =>
  `ip -4 -o addr show eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/at \\1/p'
exec perl -MIO::Socket::INET -MTime::HiRes=time -e '$| = 1;
  my $l = IO::Socket::INET->new(Listen => 1, LocalPort => 7000) or die $!; print "up\\n";
  my $s = $l->accept; my ($n, $first, $last) = (0, 0, 0);
  while ($n < ${bytes} && (my $got = sysread($s, my $text, 65536))) {
    $n += $got; $last = time; $first ||= $last; }
  printf "%d bytes in %.3f s\\n", $n, $last - $first;'`;

/** Stays when it has sent all: what is on its way when its network goes is lost. */
const send = (to: string, bytes: number): string =>
  `exec perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => "${to}",
    PeerPort => 7000, Timeout => 10) or die "$!\\n"; $s->blocking(1);
    print $s "x" x ${bytes}; $s->flush; sleep 1000'`;

/** Bytes and seconds of a transfer from one container of a network to another. */
async function transfer({ rig, plan }: Net, network: string, bytes: number) {
  const { exitOf } = collectExits(rig);
  const receiver = plan(network, receive(bytes));
  await launch(rig, receiver);
  await until("the receiver listens", () => output(receiver).endsWith("up\n"));
  const address = /^at (\S+)$/m.exec(output(receiver))?.[1] ?? "";
  const sender = plan(network, send(address, bytes));
  await launch(rig, sender);
  await exitOf(receiver.containerId);
  const told = /(\d+) bytes in ([\d.]+) s/.exec(output(receiver));
  const [count, seconds] = [Number(told?.[1]), Number(told?.[2])];
  const complaint = output(sender, "stderr") + output(receiver, "stderr");
  return { address, count, seconds, complaint, containers: [receiver, sender] };
}

const leases = ({ directory }: RealRig, network: string): string[] => {
  const path = join(directory, "ipam", network);
  return existsSync(path) ? readdirSync(path).filter((name) => /^\d+\./.test(name)) : [];
};

netRow(
  "containers of one bridge talk, and leave nothing",
  ["two containers on a bridge talk, a third does not"],
  async (t, net) => {
    const { rig, plan } = net;
    const { address, count, complaint, containers } = await transfer(net, "blue", 100_000);
    const { exitOf } = collectExits(rig);
    t.match(address, /^10\.77\.1\.\d+$/);
    t.equal(count, 100_000, complaint);
    const third = plan("red", send(address, 10));
    await launch(rig, third);
    const { code } = await exitOf(third.containerId);
    const refused = output(third, "stderr").trim();
    t.not(code, 0);
    t.match(refused, /unreachable|timed out/i);
    show(
      "two containers on a bridge talk, a third does not",
      `100000 bytes went to ${address}; from another bridge: ${refused}`,
    );
    for (const { containerId } of [...containers, third]) await destroyAndForget(rig, containerId);
    t.same([leases(rig, "blue"), leases(rig, "red")], [[], []]);
    // Shim and task are killed: whoever destroys it takes the network away in their place.
    const killed = plan("blue", "exec sleep 1000");
    const { shimPid } = await launch(rig, killed);
    t.equal(leases(rig, "blue").length, 1);
    process.kill(shimPid, "SIGKILL");
    await exitOf(killed.containerId);
    await destroyAndForget(rig, killed.containerId);
    t.same(leases(rig, "blue"), []);
    const looks = await launch(rig, plan("none", "exec sleep 1000"));
    const links = (): string =>
      spawnSync("nsenter", ["-t", String(looks.shimPid), "-n", "ip", "-o", "link"], {
        encoding: "utf8",
      }).stdout;
    await until("the last veth is gone", () => !links().includes("veth"));
    t.match(links(), /meseta1/, "this is the network of the launcher");
  },
);

netRow("bandwidth is held", ["10 Mbit/s hold ± 15 %"], async (t, net) => {
  const { count, seconds, complaint, containers } = await transfer(net, "slow", 4_000_000);
  t.equal(count, 4_000_000, complaint);
  const rate = (count * 8) / seconds / 1_000_000;
  t.ok(Math.abs(rate - 10) <= 1.5, `${rate} Mbit/s`);
  show("10 Mbit/s hold ± 15 %", `${rate.toFixed(2)} Mbit/s over ${seconds} s`);
  for (const { containerId } of containers) await destroyAndForget(net.rig, containerId);
});

netRow(
  "a plugin that is missing or fails refuses the launch with its words",
  ["a plugin that is missing or fails"],
  async (t, { rig, plan }) => {
    const missing = await launchPlan(rig, plan("absent", "true"));
    t.match(missing, {
      ok: false,
      message: `network plugin ${PLUGINS}/nosuch failed to add a network: No such file or directory`,
    });
    const failing = await launchPlan(rig, plan("broken", "true"));
    t.match(failing, { ok: false, message: /bridge failed to add a network: .*invalid CIDR/ });
    if (failing.ok || missing.ok) return;
    show("a plugin that is missing or fails", `${missing.message}; ${failing.message}`);
  },
);

void t.test(
  "configurations of networks that make no sense are named with their file",
  async (t) => {
    const read = (files: Record<string, string>) => readNetworks(t.testdir(files), PLUGINS);
    t.throws(() => read({ "a.conf": "{" }), /a\.conf: /);
    t.throws(() => read({ "a.conf": '{"name":"a","type":"../sh"}' }), /a\.conf: type: "..\/sh"/);
    t.throws(() => read({ "a.conflist": '{"name":"none","plugins":[{"type":"b"}]}' }), /none/);
    const one = '{"name":"a","type":"bridge","mtu":9000}';
    t.throws(() => read({ "a.conf": one, "b.conf": one }), /b\.conf: the name a is another file's/);
    t.same(read({ "a.conf": one, "README.md": "" }), {
      a: { cniVersion: "0.4.0", pluginsDir: PLUGINS, plugins: [{ type: "bridge", mtu: 9000 }] },
    });
  },
);
