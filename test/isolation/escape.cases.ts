/**
 * What a container with the default isolators tries in order to get out, one test for each line
 * of the security checklist. Root inside, as that is the worst case; nothing is asked for.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t, { type Test as Tap } from "tap";
import { openSandbox } from "#adapters";
import { ARM64, X86_64 } from "#isolation";
import { collectExits, destroyAndForget } from "../contracts/launcher.cases.ts";
import { insidePlan, launchPlan, linesInside, runInside } from "./inside-rig.ts";
import { dropRig, machine, makeRig, nativePrograms, type RealRig, until } from "./rig.ts";

const skip =
  machine.unenforcedBecause ??
  (nativePrograms.kind === "native" ? false : "no C compiler on this machine");

function test(title: string, run: (t: Tap, rig: RealRig) => Promise<void>): void {
  void t.test(`escape: ${title}`, { skip, timeout: 600_000 }, async (t) => {
    const rig = await makeRig({ programs: nativePrograms, enforced: true });
    t.teardown(() => dropRig(rig));
    await run(t, rig);
  });
}

const EPERM = 1;
const call = (name: string): number =>
  (process.arch === "arm64" ? ARM64 : X86_64).get(name) ?? Number.NaN;

/** Makes a system call with perl, which every Debian has, and prints its errno. */
export const syscall = (name: string, ...words: (number | string)[]): string =>
  `perl -e '$r = syscall(${[call(name), ...words].join(", ")}); print $r < 0 ? $! + 0 : "ok", "\n"'`;

/** Each command must fail; prints those that did not. */
const allFail = (commands: readonly string[]): string =>
  commands.map((one) => `if (${one}) >/dev/null 2>&1; then echo 'DONE: ${one}'; fi`).join("\n");

async function allFailed(t: Tap, rig: RealRig, commands: readonly string[]): Promise<void> {
  const lines = await linesInside(rig, `${allFail(commands)}\necho end`);
  t.same(lines, ["end"]);
}

test("no descriptor of the host's is left open", async (t, rig) => {
  const lines = await linesInside(rig, "ls /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/fd/1");
  t.same(lines.slice(0, 4), ["0", "1", "2", "/dev/null"]);
  t.match(lines[4], /^pipe:/);
  const [cwd = "", link, root] = await linesInside(
    rig,
    "pwd -P; readlink /proc/$$/cwd /proc/$$/root",
  );
  t.ok(cwd.startsWith(`${rig.directory}/sandboxes/`) && link === cwd, `${cwd} ${link}`);
  t.equal(root, "/");
});

test("modes of the host's devices cannot be changed", async (t, rig) => {
  const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);
  const before = modeOf("/dev/full");
  t.teardown(() => chmodSync("/dev/full", Number.parseInt(before, 8)));
  // Its own nodes it may change; what hides files is the host's, and closed.
  const script = "chmod 640 /dev/full; stat -c %a /dev/full; chmod 600 /proc/keys || echo closed";
  t.same(await linesInside(rig, `${script}; echo x > /dev/null; echo end`), [
    "640",
    "closed",
    "end",
  ]);
  t.equal(modeOf("/dev/full"), before);
});

test("what /proc tells of the host is masked, and what it sets is read only", async (t, rig) => {
  const secret = ["kcore", "keys", "timer_list", "sched_debug", "latency_stats"];
  const read = secret.map((name) => `head -c 64 /proc/${name} 2>/dev/null`).join("; ");
  t.same(
    await linesInside(
      rig,
      `${read}; ls -A /proc/acpi /proc/scsi 2>/dev/null | grep -v :; echo end`,
    ),
    ["end"],
  );
  await allFailed(t, rig, [
    "echo core > /proc/sys/kernel/core_pattern",
    "echo 1 > /proc/sys/vm/drop_caches",
    "echo x > /proc/irq/default_smp_affinity",
    "touch /sys/x",
    "echo 1 > /sys/kernel/mm/ksm/run",
  ]);
});

test("no device node can be made, and the host's disks are not there", async (t, rig) => {
  await allFailed(t, rig, ["mknod disk b 8 0", "mknod kmsg c 1 11", "mknod /dev/disk b 8 0"]);
  const listed = await linesInside(rig, "ls /dev | tr '\\n' ' '");
  t.notMatch(listed.join(" "), /vda|sda|loop|kmsg|mem\b/);
});

test("processes of the host are neither seen nor traced", async (t, rig) => {
  const attach = 16;
  const lines = await linesInside(
    rig,
    `kill -0 ${process.pid} 2>/dev/null || echo unseen
    [ -e /proc/${process.ppid > 1 ? process.ppid : process.pid}/maps ] || echo absent
    ${syscall("ptrace", attach, 1, 0, 0)}
    ${syscall("process_vm_readv", 1, 0, 0, 0, 0, 0)}
    cat /proc/1/environ /proc/1/maps 2>/dev/null | head -1
    ls -l /proc/1/root >/dev/null 2>&1 || echo closed
    tr -d '\\0' < /proc/1/cmdline`,
  );
  t.same(lines, ["unseen", "absent", `${EPERM}`, `${EPERM}`, "closed"]);
});

test("nothing can be mounted, and no namespace made or entered", async (t, rig) => {
  await allFailed(t, rig, [
    "mount -t tmpfs none .",
    "mount --bind / .",
    "mount -o remount,rw /",
    "umount /proc",
    "unshare -m true",
    "unshare -U true",
    "nsenter -t 1 -m true",
    "chroot / true",
    "touch /etc/meseta-escape",
  ]);
  t.notOk(existsSync("/etc/meseta-escape"));
  const flags = 0x10000000 + 17;
  t.same(
    await linesInside(rig, syscall("clone", flags, 0, 0, 0, 0)),
    [`${EPERM}`],
    "CLONE_NEWUSER",
  );
});

test("a setuid file gives nothing", async (t, rig) => {
  const sandbox = join(rig.directory, "sandboxes", "setuid");
  mkdirSync(sandbox, { recursive: true });
  chmodSync(sandbox, 0o755);
  copyFileSync("/usr/bin/id", join(sandbox, "id"));
  chmodSync(join(sandbox, "id"), 0o4755);
  const user = { uid: 65_534, gid: 65_534, groups: [] };
  const wish = { sandbox, user };
  const lines = await linesInside(
    rig,
    "./id -u; grep -E '^(CapEff|CapBnd|NoNew)' /proc/self/status",
    wish,
  );
  t.equal(lines[0], "65534");
  t.match(lines.slice(1), [/CapEff:\s0+$/, /CapBnd:/, /NoNewPrivs:\s1$/]);
});

test("no cgroup can be changed or left", async (t, rig) => {
  const procs = rig.driver.launcherJoin();
  await allFailed(t, rig, [
    ...procs.map((path) => `echo $$ > ${path}`),
    "find /sys/fs/cgroup -name cgroup.procs -writable | grep -q .",
    "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x",
    "mount -t cgroup2 none .",
    "echo /x > /sys/fs/cgroup/memory/release_agent",
  ]);
  const own = await linesInside(rig, "cut -d: -f3 /proc/self/cgroup | sort -u");
  t.same(own, ["/"], "where it stands is not told");
});

test("the magic request key is out of reach", async (t, rig) => {
  // `h` only prints a help: should it get through, nothing breaks.
  await allFailed(t, rig, ["echo h > /proc/sysrq-trigger", "echo 1 > /proc/sys/kernel/sysrq"]);
});

test("keys of the kernel are out of reach", async (t, rig) => {
  const lines = await linesInside(
    rig,
    `${syscall("keyctl", 0, -3, 0, 0, 0)}; ${syscall("add_key", 0, 0, 0, 0, 0)}
    ${syscall("request_key", 0, 0, 0, 0)}; cat /proc/keys`,
  );
  t.same(lines, [`${EPERM}`, `${EPERM}`, `${EPERM}`]);
});

test("kernel programs, modules, clocks and the host's name are out of reach", async (t, rig) => {
  const names = ["bpf", "perf_event_open", "init_module", "kexec_load", "reboot", "swapon", "acct"];
  const more = ["settimeofday", "sethostname", "open_by_handle_at", "userfaultfd", "iopl"];
  const there = [...names, ...more].filter((name) => !Number.isNaN(call(name)));
  const lines = await linesInside(
    rig,
    there.map((name) => syscall(name, 0, 0, 0, 0, 0)).join("\n"),
  );
  t.same(
    lines,
    there.map(() => `${EPERM}`),
  );
});

test("the launcher's socket and the sandboxes of others are not there", async (t, rig) => {
  const socket = join(rig.directory, "runtime", "launcher.sock");
  const other = join(rig.directory, "sandboxes", "other");
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, "file"), "theirs");
  t.ok(existsSync(socket), "it is there outside");
  const lines = await linesInside(
    rig,
    `ls ${socket} ${other}/file 2>/dev/null; ls -A ${rig.directory} ${rig.directory}/sandboxes | wc -l`,
  );
  t.equal(lines.length, 1);
  t.ok(Number(lines[0]) <= 6, `${lines[0]} names`);
});

test("logs that became links or FIFOs do not reach those who read them", async (t, rig) => {
  const script = `rm -f stdout stderr; ln -s /etc/passwd stdout; mkfifo stderr fifo
    ln -s ../.. up; ln -s /proc/self/root/etc/passwd deep; sleep 0.1`;
  const ran = await runInside(rig, `${script}; exit 0`, {}, {}, false);
  if (typeof ran === "string") throw new Error(ran);
  writeFileSync(join(rig.directory, "theirs"), "theirs");
  const files = openSandbox(ran.sandbox);
  const read = (path: string): string => {
    const answer = files.read(path, { offset: 0, length: 10 });
    return answer.ok ? "read" : answer.reason;
  };
  const begun = performance.now();
  t.same(["stdout", "deep", "up/theirs", "fifo", "stderr"].map(read), [
    "outside",
    "outside",
    "outside",
    "wrongKind",
    "wrongKind",
  ]);
  t.ok(performance.now() - begun < 5_000, "a FIFO does not hang");
});

test("nothing of it is left when it is gone", async (t, rig) => {
  const mounts = (): number => readFileSync("/proc/self/mountinfo", "utf8").split("\n").length;
  const inits = (): number =>
    readdirSync("/proc").filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      const stat = existsSync(`/proc/${pid}/stat`) ? readStat(pid) : "";
      return stat.includes("(meseta-init)") && stat.includes(` ${process.pid} `);
    }).length;
  const before = mounts();
  await linesInside(rig, "setsid sleep 1000 & echo up");
  t.equal(mounts(), before);
  t.equal(inits(), 0);
});

test("a shim that is killed takes everything inside with it", async (t, rig) => {
  const plan = insidePlan(rig, "setsid sleep 1000 & echo up; exec sleep 1000");
  if (typeof plan === "string") throw new Error(plan);
  const { exitOf } = collectExits(rig);
  const answer = await launchPlan(rig, plan);
  if (!answer.ok) throw new Error(answer.message);
  const { shimPid, pid } = answer.pids;
  await until("it is up", () => readFileSync(join(plan.sandbox, "stdout"), "utf8") === "up\n");
  process.kill(shimPid, "SIGKILL");
  t.match(await exitOf(plan.containerId), { outcome: "lost" });
  await until("the task is gone", () => !readStat(String(pid)).includes(`${pid} (sleep) S`));
  await destroyAndForget(rig, plan.containerId);
});

function readStat(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}
