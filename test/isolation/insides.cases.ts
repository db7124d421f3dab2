/**
 * What a container sees and may, measured from inside and from the host: the rows of file
 * systems, namespaces, capabilities, seccomp, limits and secrets, with effect and refusal.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t, { type Test as Tap } from "tap";
import { parseProfile } from "#daemon";
import { volumeBelow } from "#isolation";
import type { ContainerInfo, Volume } from "#protocol";
import { destroyAndForget } from "../contracts/launcher.cases.ts";
import { cannotShow, show, type What } from "./acceptance.ts";
import { syscall } from "./escape.cases.ts";
import { insidePlan, launchPlan, linesInside, runInside } from "./inside-rig.ts";
import {
  dropRig,
  machine,
  makeRig,
  nativePrograms,
  type RealRig,
  shellPrograms,
  until,
} from "./rig.ts";

const skip =
  machine.unenforcedBecause ??
  (nativePrograms.kind === "native" ? false : "no C compiler on this machine");

/** A test of rows of the table; what it returns is written down for each. */
function rows(
  whats: readonly What[],
  run: (t: Tap, rig: RealRig) => Promise<readonly string[]>,
): void {
  if (skip !== false) for (const what of whats) cannotShow(what, skip);
  void t.test(whats.join("; "), { skip, timeout: 600_000 }, async (t) => {
    const rig = await makeRig({ programs: nativePrograms, enforced: true });
    t.teardown(() => dropRig(rig));
    const seen = await run(t, rig);
    if (!t.passing()) return;
    for (const [index, what] of whats.entries()) show(what, seen[index] ?? "");
  });
}

const container = (info: Partial<ContainerInfo>): { container: ContainerInfo } => ({
  container: { type: "MESOS", ...info },
});

const MINIMAL = container({ rootfs: { type: "MINIMAL" } });

/** A directory with a shell and a few programs, and nothing else of this machine. */
function makeRoot(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const script = `set -e; for file in /bin/sh /bin/cat /bin/ls /usr/bin/touch /usr/bin/id; do
    for one in $file $(ldd $file | grep -o '/[^ ]*'); do
      mkdir -p ${directory}$(dirname $one); cp -L $one ${directory}$one; done; done`;
  const { status, stderr } = spawnSync("/bin/sh", ["-c", script], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

rows(["own root, and nothing of the host", "read-only root"], async (t, rig) => {
  const names = await linesInside(
    rig,
    "ls /; ls /etc/shadow /root /home 2>/dev/null; true",
    MINIMAL,
  );
  t.notOk(names.some((name) => ["root", "home", "work", "shadow", "srv"].includes(name)));
  const roots = join(rig.directory, "roots");
  makeRoot(join(roots, "one"));
  const rootfs = { type: "DIRECTORY", path: join(roots, "one") } as const;
  const change = { hostPaths: [roots] };
  const script = "ls /; touch /x 2>/dev/null || echo closed; touch here; cat /proc/1/comm";
  const lines = await linesInside(rig, script, container({ rootfs }), change);
  t.ok(lines.includes("closed") && lines.includes("meseta-init"), lines.join(" "));
  t.notOk(lines.some((name) => ["etc", "home", "root", "opt"].includes(name)));
  const open = container({ rootfs: { ...rootfs, mode: "RW" } });
  t.same(await linesInside(rig, "touch /x && echo open", open, change), ["open"]);
  t.ok(existsSync(join(roots, "one", "x")), "it was written where the root lies");
  const minimal = await linesInside(rig, "touch /x 2>&1 || true", MINIMAL);
  t.match(minimal, [/Read-only file system/]);
  t.same(await linesInside(rig, "touch /x 2>/dev/null || echo closed"), ["closed"], "the default");
  const tmpfs = { type: "TMPFS", tmpfs: { sizeMib: 1 } } as const;
  const volumes = [{ containerPath: "/no-such-place", mode: "RW", source: tmpfs } as const];
  t.match(
    await runInside(rig, "true", container({ volumes })),
    /^mount tmpfs on \/no-such-place: the root is read only and has no such place; name one/,
  );
  const denied = await runInside(rig, "true", container({ rootfs }));
  t.match(denied, /rootfs.path: .* is not below what --allowed-host-paths/);
  return [`${names.length} names in a minimal root: ${names.join(" ")}`, minimal[0] ?? ""];
});

rows(["bind, tmpfs, secret, host path, sandbox path seen from inside"], async (t, rig) => {
  const data = join(rig.directory, "data");
  const secretsDir = join(rig.directory, "secrets");
  for (const path of [data, join(data, "sub"), secretsDir]) mkdirSync(path);
  writeFileSync(join(data, "sub", "file"), "from the host");
  writeFileSync(join(secretsDir, "key"), "s3cret", { mode: 0o600 });
  const secret = { type: "REFERENCE", reference: { name: "key" } } as const;
  const volumes: Volume[] = [
    { containerPath: "/mnt/ro", mode: "RO", hostPath: join(data, "sub") },
    {
      containerPath: "host",
      mode: "RW",
      source: { type: "HOST_PATH", hostPath: { path: data } },
    },
    { containerPath: "memory", mode: "RW", source: { type: "TMPFS", tmpfs: { sizeMib: 1 } } },
    { containerPath: "key", mode: "RO", source: { type: "SECRET", secret } },
    {
      containerPath: "/mnt/sub",
      mode: "RW",
      source: { type: "SANDBOX_PATH", sandboxPath: { type: "SELF", path: "a/b" } },
    },
  ];
  const script = `cat /mnt/ro/file; echo; touch /mnt/ro/x 2>/dev/null || echo closed
    echo back > host/answer; head -c 4000000 /dev/zero > memory/big 2>/dev/null || wc -c < memory/big
    cat key; echo; stat -c %a key; echo sub > /mnt/sub/file; cat a/b/file`;
  const wish = container({ rootfs: { type: "MINIMAL" }, volumes });
  const ran = await runInside(rig, script, wish, { hostPaths: [data], secretsDir });
  if (typeof ran === "string") throw new Error(ran);
  const lines = ran.out.trimEnd().split("\n");
  t.same(lines, ["from the host", "closed", "1048576", "s3cret", "400", "sub"], ran.err);
  t.equal(readFileSync(join(data, "answer"), "utf8"), "back\n", "what is written is on the host");
  t.equal(readFileSync(join(ran.sandbox, "key"), "utf8"), "", "the secret is not on the disk");
  return [
    "host path read and written, 1 MiB of memory and no more, secret 0400, a/b of the sandbox",
  ];
});

rows(["persistent and shared volumes seen from inside"], async (t, rig) => {
  const volumesDir = join(rig.directory, "volumes");
  mkdirSync(volumesDir);
  const volume = (mode: "RW" | "RO") => ({
    persistentVolumes: [{ role: "eng/db", id: "data", containerPath: "data", mode }],
  });
  const change = { volumesDir };
  await linesInside(rig, "echo kept > data/file", volume("RW"), change);
  const again = await linesInside(
    rig,
    "cat data/file; touch data/x 2>/dev/null || echo closed",
    { ...volume("RO"), ...MINIMAL },
    change,
  );
  t.same(again, ["kept", "closed"]);
  t.equal(readFileSync(join(volumesDir, volumeBelow("eng/db", "data"), "file"), "utf8"), "kept\n");
  return ["what one task wrote the next one read, and could not change"];
});

rows(
  ["a path outside the allow-list", "a path with ..", "a symbolic link that leads out"],
  async (t, rig) => {
    const allowed = join(rig.directory, "allowed");
    mkdirSync(allowed);
    mkdirSync(join(rig.directory, "allowed-beside"));
    symlinkSync("/etc", join(allowed, "link"));
    const refusal = async (hostPath: string): Promise<string> => {
      const volumes: Volume[] = [{ containerPath: "v", mode: "RO", hostPath }];
      const said = await runInside(rig, "ls v", container({ volumes }), { hostPaths: [allowed] });
      return typeof said === "string" ? said : `it ran: ${said.out}`;
    };
    const outside = await refusal("/etc");
    t.match(outside, /volumes\[0\]: host path \/etc is not below what --allowed-host-paths/);
    t.match(await refusal(`${allowed}-beside`), /is not below/);
    const up = await refusal(`${allowed}/../../etc`);
    t.match(up, /is not below/);
    const link = await refusal(join(allowed, "link"));
    t.match(link, /volume .*link leads out of/);
    t.match(await refusal(join(allowed, "link", "ssl")), /leads out of/);
    t.match(await refusal(join(allowed, "none")), /none: No such file/);
    const target: Volume[] = [{ containerPath: "../x", mode: "RO", hostPath: allowed }];
    t.match(
      await runInside(rig, "true", container({ volumes: target }), { hostPaths: [allowed] }),
      /containerPath ..\/x names/,
    );
    const short = (text: string): string => text.replaceAll(rig.directory, "…");
    return [short(outside), short(up), short(link)];
  },
);

rows(
  ["host processes are unseen", "ipc, uts and net are its own", "nsenter from the host finds it"],
  async (t, rig) => {
    const wish = container({ hostname: "inside-1", networkInfos: [{ name: "none" }] });
    const script = `ls /proc | grep -c '^[0-9]'; hostname; tail -n +3 /proc/net/dev | wc -l
      for kind in mnt pid ipc uts net cgroup; do readlink /proc/self/ns/$kind; done; sleep 1000`;
    const plan = insidePlan(rig, script, wish);
    if (typeof plan === "string") throw new Error(plan);
    const answer = await launchPlan(rig, plan);
    if (!answer.ok) throw new Error(answer.message);
    const out = join(plan.sandbox, "stdout");
    await until("it has told", () => readFileSync(out, "utf8").split("\n").length > 9);
    const [count, hostname, links, ...spaces] = readFileSync(out, "utf8").trim().split("\n");
    t.ok(Number(count) <= 5, `${count} processes`);
    t.same([hostname, links], ["inside-1", "1"]);
    for (const space of spaces) {
      const kind = space.split(":")[0] ?? "";
      t.not(space, readlinkSync(`/proc/self/ns/${kind}`), kind);
    }
    const args = [
      "-t",
      String(answer.pids.pid),
      "-a",
      "sh",
      "-c",
      "hostname; pwd; ls /proc/1/comm",
    ];
    const entered = spawnSync("nsenter", args, { encoding: "utf8" });
    t.same(entered.stdout.split("\n")[0], "inside-1", entered.stderr);
    await destroyAndForget(rig, plan.containerId);
    return [
      `${count} processes in /proc`,
      `hostname inside-1, ${links} network interface, 6 namespaces differ from the host's`,
      `nsenter -t ${answer.pids.pid} -a hostname says ${entered.stdout.split("\n")[0]}`,
    ];
  },
);

rows(
  ["root inside is nobody outside", "a user namespace with a volume that it cannot map"],
  async (t, rig) => {
    const userIds = { first: 200_000, count: 65_536 };
    const user = { uid: 0, gid: 0, groups: [] };
    const mapped = { linuxInfo: { userNamespace: true } };
    const script = "id -u; touch mine && ls -n mine | cut -d' ' -f3; echo up; sleep 1000";
    const plan = insidePlan(rig, script, { ...container(mapped), user }, { userIds });
    if (typeof plan === "string") throw new Error(plan);
    const answer = await launchPlan(rig, plan);
    if (!answer.ok) throw new Error(answer.message);
    const out = join(plan.sandbox, "stdout");
    await until("it is up", () => readFileSync(out, "utf8").includes("up\n"));
    const status = readFileSync(`/proc/${answer.pids.pid}/status`, "utf8");
    const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
    t.equal(uid, "200000");
    t.same(readFileSync(out, "utf8"), "0\n0\nup\n");
    await destroyAndForget(rig, plan.containerId);
    const theirs = join(rig.directory, "theirs");
    mkdirSync(theirs);
    const volumes: Volume[] = [{ containerPath: "v", mode: "RW", hostPath: theirs }];
    const wish = { ...container({ ...mapped, volumes }), user };
    const change = { userIds, hostPaths: [theirs] };
    const refused = await runInside(rig, "true", wish, change);
    t.match(refused, /belongs to a user or group that the user namespace does not map/);
    chownSync(theirs, 200_000, 200_000);
    t.same(await linesInside(rig, "touch v/x && echo ok", wish, change), ["ok"]);
    t.match(
      await runInside(rig, "true", { ...container(mapped), user }),
      /has no --userns-ids to map/,
    );
    const elsewhere = { networkInfos: [{ name: "none" }, { name: "blue" }] };
    t.match(
      await runInside(rig, "true", { ...container(elsewhere), user }),
      /this agent has no network "blue"/,
    );
    const sentence = String(refused).replaceAll(rig.directory, "…");
    return [`uid 0 inside is ${uid} outside`, sentence];
  },
);

rows(["a denied call gives EPERM", "a setuid file gains nothing"], async (t, rig) => {
  const lines = await linesInside(
    rig,
    `${syscall("keyctl", 0, -3, 0, 0, 0)}; grep -E '^(CapEff|CapBnd|Seccomp|NoNewPrivs):' /proc/self/status`,
  );
  t.match(lines, ["1", /CapEff:\s00000000000004fb/, /CapBnd:\s00000000000004fb/, /:\s1$/, /:\s2$/]);
  const none = await linesInside(rig, "chown 1 . 2>&1 || true", {
    ...container({ linuxInfo: { effectiveCapabilities: { capabilities: [] } } }),
  });
  t.match(none, [/Operation not permitted/]);
  const more = container({ linuxInfo: { effectiveCapabilities: { capabilities: ["SYS_ADMIN"] } } });
  t.match(await runInside(rig, "true", more), /SYS_ADMIN is not among what this agent grants/);
  const granted = await linesInside(rig, "mount -t tmpfs none /mnt && echo mounted", more, {
    boundingCapabilities: ["SYS_ADMIN"],
  });
  t.same(granted, ["mounted"], "what the agent grants works, its system calls too");
  const sandbox = join(rig.directory, "sandboxes", "setuid");
  mkdirSync(sandbox, { recursive: true });
  chmodSync(sandbox, 0o755);
  spawnSync("cp", ["/usr/bin/id", sandbox]);
  chmodSync(join(sandbox, "id"), 0o4755);
  const user = { uid: 65_534, gid: 65_534, groups: [] };
  const [uid] = await linesInside(rig, "./id -u", { sandbox, user });
  t.equal(uid, "65534");
  return ["keyctl: EPERM, chown without CAP_CHOWN: EPERM", `a setuid copy of id says ${uid}`];
});

const PROFILE = `{
  "defaultAction": "SCMP_ACT_ALLOW",
  "syscalls": [
    { "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }
  ]
}
`;

rows(["a profile from a file", "a profile that does not parse"], async (t, rig) => {
  const seccompProfiles = { own: parseProfile(PROFILE, "own.json") };
  const wish = container({ linuxInfo: { seccomp: { profileName: "own" } } });
  const lines = await linesInside(rig, "mkdir x 2>&1 || true; touch y && echo ok", wish, {
    seccompProfiles,
  });
  t.match(lines, [/Operation not supported/, "ok"]);
  t.match(await runInside(rig, "true", wish), /this agent has no own, it has default/);
  const sentence = (text: string): string => {
    try {
      parseProfile(text, "own.json");
    } catch (error) {
      return (error as Error).message;
    }
    return "it parsed";
  };
  const broken = sentence(PROFILE.replace("SCMP_ACT_ERRNO", "SCMP_ACT_ERNO"));
  t.match(broken, /own\.json:4: syscalls\.0\.action: "SCMP_ACT_ERNO"/);
  t.match(sentence(PROFILE.replace("95 }", "95")), /own\.json:[56]: /);
  t.match(
    sentence('{\n"defaultAction": "SCMP_ACT_ALLOW",\n"syscals": []\n}'),
    /own\.json:1: syscalls: nothing/,
  );
  return [`mkdir denied: ${lines[0]}`, broken];
});

rows(["nofile bites"], async (t, rig) => {
  const rlimitInfo = { rlimits: [{ type: "RLMT_NOFILE" as const, soft: 16, hard: 16 }] };
  const script = `perl -e 'my @f; while (open(my $h, "<", "/dev/null")) { push @f, $h } print scalar @f'`;
  const [count] = await linesInside(rig, script, container({ rlimitInfo }));
  t.equal(count, "13");
  const raised = [{ type: "RLMT_NOFILE" as const, soft: 9, hard: 8 }];
  t.match(
    await runInside(rig, "true", container({ rlimitInfo: { rlimits: raised } })),
    /RLMT_NOFILE: soft 9 is above hard 8/,
  );
  return [`${count} files beside the three that were open, of 16`];
});

rows(["present inside, absent everywhere else", "an unknown secret"], async (t, rig) => {
  const value = `hush-${process.pid}-${Date.now()}`;
  const secretsDir = join(rig.directory, "vault");
  mkdirSync(secretsDir);
  writeFileSync(join(secretsDir, "token"), value, { mode: 0o600 });
  const secret = (name: string) => ({ type: "REFERENCE", reference: { name } }) as const;
  const volumes: Volume[] = [
    { containerPath: "token", mode: "RO", source: { type: "SECRET", secret: secret("token") } },
  ];
  const wish = {
    ...container({ volumes }),
    secretEnv: [{ name: "TOKEN", secret: secret("token") }],
  };
  const script = `[ "$TOKEN" = "$(cat token)" ] && echo same $(printf %s "$TOKEN" | wc -c); sleep 1000`;
  const plan = insidePlan(rig, script, wish, { secretsDir });
  if (typeof plan === "string") throw new Error(plan);
  t.notOk(JSON.stringify(plan).includes(value), "the plan");
  const answer = await launchPlan(rig, plan);
  if (!answer.ok) throw new Error(answer.message);
  await until("it is up", () => readFileSync(join(plan.sandbox, "stdout"), "utf8") !== "");
  t.equal(readFileSync(join(plan.sandbox, "stdout"), "utf8"), `same ${value.length}\n`);
  const found = spawnSync("grep", ["-rlaF", value, join(rig.directory, "runtime"), plan.sandbox]);
  t.equal(found.stdout.toString(), "", "runtime directory, checkpoint, sandbox and logs");
  const holders = readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const files = ["environ", "cmdline"].map((name) => `/proc/${pid}/${name}`);
    return files.some((path) => readLoosely(path).includes(value));
  });
  const own = holders.filter((pid) => !readLoosely(`/proc/${pid}/environ`).includes(plan.nonce));
  t.same(own, [], "no process but the task's own");
  await destroyAndForget(rig, plan.containerId);
  const unknown = await runInside(
    rig,
    "true",
    { secretEnv: [{ name: "TOKEN", secret: secret("other") }] },
    { secretsDir },
  );
  t.match(unknown, /secret other is not known to this agent/);
  t.match(await runInside(rig, "true", wish), /this agent knows no secrets \(--secrets-dir\)/);
  return [
    "same in file and variable; not in plan, checkpoint, runtime files, logs, /proc",
    `${unknown}`,
  ];
});

const bare = machine.unenforcedBecause ?? false;

void t.test("what the shell launcher can do, and refuses", { skip: bare }, async (t) => {
  const rig = await makeRig({ programs: shellPrograms, enforced: true });
  t.teardown(() => dropRig(rig));
  const change = { launcher: "shell", unavailable: "the shell launcher makes none" } as const;
  const rlimits = [{ type: "RLMT_NOFILE" as const, soft: 16, hard: 20 }];
  const script = "ulimit -n; ulimit -Hn; grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status";
  const limited = container({ rlimitInfo: { rlimits } });
  const lines = await linesInside(rig, script, limited, change);
  t.match(lines, ["16", "20", /CapEff:\s00000000000004fb/, /CapBnd:\s00000000000004fb/, /:\s1$/]);
  const user = { uid: 65_534, gid: 65_534, groups: [] };
  const other = await linesInside(rig, `id -u; ${script}`, { ...limited, user }, change);
  t.match(other, ["65534", "16", "20", /CapEff:\s0+$/, /4fb$/, /:\s1$/]);
  const asked = container({ volumes: [{ containerPath: "x", mode: "RO", hostPath: "/srv" }] });
  t.match(await runInside(rig, "true", asked, change), /asks for volumes or a root: the shell/);
  const profiles = { seccompProfiles: { own: parseProfile(PROFILE, "own.json") } };
  const seccomp = container({ linuxInfo: { seccomp: { profileName: "own" } } });
  t.match(await runInside(rig, "true", seccomp, { ...change, ...profiles }), /cannot filter calls/);
  // Whoever plans for the compiled one is refused by the scripts themselves.
  t.match(await runInside(rig, "true"), /cannot do what the tag [a-z] of the plan asks for/);
});

/** Empty where the process has ended meanwhile. */
function readLoosely(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}
