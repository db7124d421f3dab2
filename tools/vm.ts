/**
 * Runs one command in a throw-away virtual machine that has the whole of cgroup v2, for machines
 * whose controllers live in v1 (a controller in use there cannot be given to v2).
 *
 *   node dist/tools/vm.js [--memory MIB] [--cpus N] [--timeout S] [--verbose] [--directory DIR] -- COMMAND…
 *
 * The guest is Debian's cloud kernel under QEMU's software emulation: no KVM, network or disk
 * image is needed. It sees the host's root read-only below a tmpfs overlay, so the same node and
 * node_modules are there and nothing that it writes stays. Output, errors and exit code are the
 * command's own; 124 is a timeout, 125 a failure of the machine itself. Needs root and the Debian
 * packages qemu-system-x86, busybox-static, cpio, kmod; the kernel is fetched once into
 * $MESETA_VM_CACHE or ~/.cache/meseta/vm and never installed.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { countFrom, runCommand, UsageError } from "./command.ts";
import { guestInit, guestScript } from "./vm-guest.ts";

const VIRTIOFSD_PATHS = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"];
const NEEDED = [
  "qemu-system-x86_64",
  "busybox",
  "cpio",
  "depmod",
  "modprobe",
  "unshare",
  "dpkg-deb",
];
/** What the guest must load before it can reach the host's root. */
const MODULES = ["virtio_pci", "virtio_console", "virtiofs", "overlay"];
const FAILED = 125;
const TIMED_OUT = 124;

class VmFailure extends Error {}

function run(command: string, args: readonly string[], cwd?: string): string {
  const options = { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 } as const;
  const result = spawnSync(command, args, cwd === undefined ? options : { ...options, cwd });
  if (result.error !== undefined) throw new VmFailure(`${command}: ${result.error.message}`);
  if (result.status !== 0) {
    throw new VmFailure(`${command} ${args.join(" ")} failed:\n${result.stderr.trimEnd()}`);
  }
  return result.stdout;
}

function findProgram(name: string): string | null {
  const directories = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`.split(":");
  return directories.map((path) => join(path, name)).find((path) => existsSync(path)) ?? null;
}

function checkHost(): { virtiofsd: string; busybox: string } {
  if (process.geteuid?.() !== 0) throw new VmFailure("needs root (bind mount, virtiofsd)");
  const missing = NEEDED.filter((name) => findProgram(name) === null);
  const virtiofsd = VIRTIOFSD_PATHS.find((path) => existsSync(path));
  const busybox = findProgram("busybox");
  if (missing.length > 0 || virtiofsd === undefined || busybox === null) {
    const names = [...missing, ...(virtiofsd === undefined ? ["virtiofsd"] : [])].join(", ");
    throw new VmFailure(
      `missing ${names}; on Debian: apt-get install qemu-system-x86 busybox-static cpio kmod`,
    );
  }
  return { virtiofsd, busybox };
}

interface Kernel {
  readonly directory: string;
  readonly version: string;
}

/** Fetches and unpacks the kernel package once; a half-made cache is made anew. */
function provideKernel(cache: string): Kernel {
  const directory = join(cache, "kernel");
  const ready = join(directory, "ready");
  if (!existsSync(ready)) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    const depends = run("apt-cache", ["depends", "linux-image-cloud-amd64"]);
    const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
    if (name === undefined) throw new VmFailure("apt knows no linux-image-cloud-amd64");
    run("apt-get", ["-o", "APT::Sandbox::User=root", "download", name], directory);
    for (const file of readdirSync(directory).filter((entry) => entry.endsWith(".deb"))) {
      run("dpkg-deb", ["-x", join(directory, file), directory]);
      rmSync(join(directory, file));
    }
    run("depmod", ["-b", directory, versionIn(directory)]);
    writeFileSync(ready, "");
  }
  return { directory, version: versionIn(directory) };
}

function versionIn(directory: string): string {
  const version = readdirSync(join(directory, "lib", "modules"))[0];
  if (version === undefined) throw new VmFailure("the kernel package holds no modules");
  return version;
}

/** The first root file system: a static shell, a few modules, the first script. */
function provideInitrd(cache: string, kernel: Kernel, busybox: string): string {
  const init = guestInit();
  const stamp = createHash("sha256").update(init).update(kernel.version).digest("hex");
  const initrd = join(cache, `initrd-${stamp.slice(0, 16)}`);
  if (existsSync(initrd)) return initrd;
  const tree = mkdtempSync(join(cache, "initrd-tree-"));
  for (const name of ["bin", "dev", "proc", "sys", "mod", "lower", "rw", "new"]) {
    mkdirSync(join(tree, name));
  }
  copyFileSync(busybox, join(tree, "bin", "busybox"));
  const args = ["-d", kernel.directory, "-S", kernel.version, "-a", "--show-depends", ...MODULES];
  const files = run("modprobe", args)
    .split("\n")
    .flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
  // Numbered in the order in which they must be loaded.
  [...new Set(files)].forEach((file, index) => {
    copyFileSync(file, join(tree, "mod", `${100 + index}-${basename(file)}`));
  });
  writeFileSync(join(tree, "init"), init);
  chmodSync(join(tree, "init"), 0o755);
  // Not compressed: under emulation unpacking costs more than reading the bytes.
  run("sh", ["-c", 'find . | cpio --quiet -o -H newc > "$1"', "sh", `${initrd}.new`], tree);
  renameSync(`${initrd}.new`, initrd);
  rmSync(tree, { recursive: true });
  return initrd;
}

/** Shares the host's root, read-only, from a mount namespace of its own. */
const SHARE_ROOT = `
mount --bind / "$1" && mount -o remount,bind,ro "$1" || exit 1
shift
root=$1 share=$2 socket=$3
shift 3
for path in "$@"; do
  mount=$(findmnt -n -o TARGET -T "$path")
  [ "$mount" = / ] || { mount --bind "$mount" "$root$mount" && mount -o remount,bind,ro "$root$mount"; } || exit 1
done
exec "$share" --socket-path="$socket" -o source="$root" -o cache=always -o sandbox=chroot --thread-pool-size=0 --rlimit-nofile=0
`;

interface Options {
  readonly directory: string;
  readonly command: readonly string[];
  readonly memoryMib: number;
  readonly cpus: number;
  readonly timeoutS: number;
  readonly verbose: boolean;
}

async function waitFor(what: string, paths: readonly string[], log: () => string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!paths.every((path) => existsSync(path))) {
    if (performance.now() > end) throw new VmFailure(`${what} did not start:\n${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function qemuArgs(options: Options, work: string, kernel: Kernel, initrd: string): string[] {
  const image = join(kernel.directory, "boot", `vmlinuz-${kernel.version}`);
  const append =
    "console=ttyS0 loglevel=4 cgroup_no_v1=all psi=1 panic=-1 mitigations=off " +
    "random.trust_cpu=on tsc=unstable no_timer_check nokaslr";
  const devices = ["root", "out"].flatMap((tag, index) => [
    "-chardev",
    `socket,id=fs${index},path=${join(work, `${tag}.sock`)}`,
    "-device",
    `vhost-user-fs-pci,chardev=fs${index},tag=${tag}`,
  ]);
  const ports = ["stdout", "stderr"].flatMap((name) => [
    "-chardev",
    `file,id=${name},path=${join(work, name)}`,
    "-device",
    `virtserialport,chardev=${name},name=${name}`,
  ]);
  return [
    ...["-accel", process.env["MESETA_VM_ACCEL"] ?? "tcg,thread=multi", "-cpu", "Nehalem"],
    ...["-smp", String(options.cpus), "-m", String(options.memoryMib)],
    ...["-M", "q35,memory-backend=mem"],
    ...["-object", `memory-backend-memfd,id=mem,size=${options.memoryMib}M,share=on`],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none"],
    ...["-kernel", image, "-initrd", initrd, "-append", append],
    ...["-chardev", `file,id=con,path=${join(work, "console")}`, "-serial", "chardev:con"],
    ...["-device", "virtio-serial-pci", ...ports, ...devices],
  ];
}

/** Copies a growing file to a stream until told to finish the rest. */
function follow(path: string, target: NodeJS.WriteStream): () => Promise<void> {
  let at = 0;
  const copy = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const source = createReadStream(path, { start: at });
      source.on("data", (chunk) => {
        at += chunk.length;
        target.write(chunk);
      });
      source.on("error", reject);
      source.on("close", resolve);
    });
  let last: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    last = last.then(copy);
  }, 250);
  return async () => {
    clearInterval(timer);
    await last;
    await copy();
  };
}

async function boot(options: Options): Promise<number> {
  const { virtiofsd, busybox } = checkHost();
  const cache = process.env["MESETA_VM_CACHE"] ?? join(homedir(), ".cache", "meseta", "vm");
  mkdirSync(cache, { recursive: true });
  const kernel = provideKernel(cache);
  const initrd = provideInitrd(cache, kernel, busybox);
  const work = mkdtempSync(join(tmpdir(), "meseta-vm-"));
  const helpers: ChildProcess[] = [];
  try {
    mkdirSync(join(work, "root"));
    mkdirSync(join(work, "out"));
    for (const name of ["stdout", "stderr", "console"]) writeFileSync(join(work, name), "");
    const modules = join(kernel.directory, "lib", "modules", kernel.version);
    const script = guestScript({ ...options, modules, version: kernel.version });
    writeFileSync(join(work, "out", "stage2"), script);
    const logs: string[] = [];
    const help = (command: string, args: readonly string[]): void => {
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => logs.push(chunk.toString("utf8")));
      }
      helpers.push(child);
    };
    const sockets = [join(work, "root.sock"), join(work, "out.sock")] as const;
    const root = join(work, "root");
    const share = ["-c", SHARE_ROOT, "sh", root, root, virtiofsd, sockets[0]];
    const paths = [options.directory, realpathSync(cache)];
    help("unshare", ["-m", "--propagation", "private", "sh", ...share, ...paths]);
    const outShare = [`--socket-path=${sockets[1]}`, "-o", `source=${join(work, "out")}`];
    help(virtiofsd, [...outShare, "-o", "cache=auto", "-o", "sandbox=chroot", "--rlimit-nofile=0"]);
    await waitFor("virtiofsd", sockets, () => logs.join(""));
    const finish = [
      follow(join(work, "stdout"), process.stdout),
      follow(join(work, "stderr"), process.stderr),
    ];
    const qemu = spawn("qemu-system-x86_64", qemuArgs(options, work, kernel, initrd), {
      stdio: ["ignore", "inherit", "inherit"],
    });
    helpers.push(qemu);
    const inTime = await endOf(qemu, options.timeoutS * 1_000);
    for (const done of finish) await done();
    return outcome(work, inTime, options.verbose, logs);
  } finally {
    for (const child of helpers) child.kill("SIGKILL");
    await Promise.all(helpers.map((child) => endOf(child, 5_000)));
    rmSync(work, { recursive: true, force: true });
  }
}

/** True when the process ended by itself in time; else it is killed. */
function endOf(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(true);
  return new Promise((resolve) => {
    let inTime = true;
    const timer = setTimeout(() => {
      inTime = false;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.on("exit", () => {
      clearTimeout(timer);
      resolve(inTime);
    });
    child.on("error", () => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}

function outcome(work: string, inTime: boolean, verbose: boolean, logs: readonly string[]): number {
  const consoleText = readFileSync(join(work, "console"), "utf8");
  if (verbose) process.stderr.write(consoleText);
  const status = join(work, "out", "status");
  if (existsSync(status)) return Number(readFileSync(status, "utf8"));
  process.stderr.write(`${consoleText.split("\n").slice(-40).join("\n")}\n${logs.join("")}`);
  process.stderr.write(inTime ? "vm: ended without a result\n" : "vm: no result in time\n");
  return inTime ? FAILED : TIMED_OUT;
}

async function begin(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      memory: { type: "string", default: "1536" },
      cpus: { type: "string", default: "2" },
      timeout: { type: "string", default: "600" },
      verbose: { type: "boolean", default: false },
      directory: { type: "string", default: "." },
    },
  });
  if (positionals.length === 0) {
    throw new UsageError("a command is missing");
  }
  return boot({
    directory: realpathSync(values.directory),
    command: positionals,
    memoryMib: countFrom("memory", values.memory),
    cpus: countFrom("cpus", values.cpus),
    timeoutS: countFrom("timeout", values.timeout),
    verbose: values.verbose,
  });
}

const USAGE =
  "node dist/tools/vm.js [--memory MIB] [--cpus N] [--timeout S] [--verbose] [--directory DIR] -- COMMAND…";

await runCommand(USAGE, async () => {
  try {
    return await begin();
  } catch (error) {
    if (!(error instanceof VmFailure)) throw error;
    process.stderr.write(`vm: ${error.message}\n`);
    return FAILED;
  }
});
