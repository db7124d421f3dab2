/**
 * `filesystem/linux`: what a container sees. By default the host's root, read only, with `/proc`,
 * `/dev`, `/tmp` and `/run` of its own and nothing of what the agents keep; or a minimal root, or
 * a given one. Its sandbox is always there, and its volumes with it.
 */
import type { Inside, InsideMount, MountFlag } from "#runtime";
import type { ContainerSpec } from "../container.ts";
import type { Fragment, Isolator } from "../isolator.ts";
import type { InsideOptions } from "./inside-options.ts";
import { allowedText, placeVolumes, withinAllowed } from "./volumes.ts";

/** Where the sandbox is in a root that is not the host's; the path is Mesos'. */
export const SANDBOX_INSIDE = "/mnt/mesos/sandbox";
/** Below the sandbox: what the container finds as `/tmp` and `/var/tmp`. */
const TMP = ".tmp";
/** Below the sandbox: where a custom executor finds the folder of its credential. */
const CREDENTIAL_DIR = ".credential";
/** The file in that folder, and the variable that names its path. */
export const CREDENTIAL_FILE = "executor.creds";
export const CREDENTIAL_VARIABLE = "MESETA_EXECUTOR_CREDENTIAL";
const SHM_MIB = 64;

/** Files of `/proc` that tell of the host or reach it. */
const PROC_MASKED = ["acpi", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list"];
const PROC_FROZEN = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
const DEVICES = ["full", "null", "random", "tty", "urandom", "zero"];
/** What programs of a minimal root need. */
const MINIMAL = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const MINIMAL_ETC = [
  "alternatives",
  "ca-certificates",
  "group",
  "hosts",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "localtime",
  "mime.types",
  "nsswitch.conf",
  "passwd",
  "protocols",
  "resolv.conf",
  "services",
  "ssl",
];

const bind = (
  source: string,
  target: string,
  flags: readonly MountFlag[],
  within: string | null = null,
): InsideMount => ({ kind: "bind", source, target, flags, within });
const tmpfs = (target: string, data: string, flags: readonly MountFlag[]): InsideMount => ({
  kind: "tmpfs",
  target,
  data,
  flags,
});
const link = (target: string, to: string): InsideMount => ({ kind: "link", target, to, flags: [] });

function proc(): InsideMount[] {
  return [
    { kind: "proc", target: "/proc", flags: ["nosuid", "nodev", "noexec"] },
    ...PROC_MASKED.map(
      (name): InsideMount => ({ kind: "mask", target: `/proc/${name}`, flags: [] }),
    ),
    ...PROC_FROZEN.map(
      (name): InsideMount => ({
        kind: "freeze",
        target: `/proc/${name}`,
        flags: ["ro", "optional"],
      }),
    ),
  ];
}

function devices({ container, limits }: ContainerSpec): InsideMount[] {
  const plain = ["nosuid", "noexec"] as const;
  const shmMib = container?.linuxInfo?.shmSize ?? SHM_MIB;
  return [
    tmpfs("/dev", "mode=755,size=64k", plain),
    ...DEVICES.map((name) => bind(`/dev/${name}`, `/dev/${name}`, [...plain, "optional"])),
    ...(limits.devices ?? []).map((path) => bind(path, path, plain)),
    { kind: "devpts", target: "/dev/pts", flags: plain },
    tmpfs("/dev/shm", `mode=1777,size=${shmMib}m`, [...plain, "nodev"]),
    { kind: "mqueue", target: "/dev/mqueue", flags: [...plain, "nodev"] },
    link("/dev/ptmx", "pts/ptmx"),
    link("/dev/fd", "/proc/self/fd"),
    link("/dev/stdin", "/proc/self/fd/0"),
    link("/dev/stdout", "/proc/self/fd/1"),
    link("/dev/stderr", "/proc/self/fd/2"),
  ];
}

/** `/tmp` lies in the sandbox: on its disk, counted with it and gone with it. */
function temporary(sandbox: string): InsideMount[] {
  const flags = ["nosuid", "nodev", "make", "optional"] as const;
  return ["/tmp", "/var/tmp"].map((target) => bind(`${sandbox}/${TMP}`, target, flags, sandbox));
}

const HOST_ROOT: InsideMount = { kind: "attr", target: "/", flags: ["ro", "nodev", "recursive"] };

function hostView({ hidden, masked }: InsideOptions, sandbox: string): InsideMount[] {
  const resolve = "/run/systemd/resolve";
  return [
    { kind: "mask", target: "/sys/firmware", flags: [] },
    // Sockets of the host's daemons: a read-only mount does not keep root from connecting.
    tmpfs("/run", "mode=755,size=64m", ["nosuid", "nodev"]),
    bind(resolve, resolve, ["ro", "nosuid", "nodev", "optional"]),
    ...masked.map((target): InsideMount => ({ kind: "mask", target, flags: [] })),
    ...temporary(sandbox),
    ...hidden.map((path) => tmpfs(path, "mode=755,size=1m", ["nosuid", "nodev"])),
    bind(sandbox, sandbox, ["nosuid", "nodev"]),
  ];
}

const SYSFS: readonly InsideMount[] = [
  bind("/sys", "/sys", ["ro", "nosuid", "nodev", "noexec", "recursive", "optional"]),
  { kind: "mask", target: "/sys/firmware", flags: [] },
];

function minimalView(sandbox: string): InsideMount[] {
  const flags = ["ro", "nosuid", "nodev", "recursive", "optional"] as const;
  return [
    ...MINIMAL.map((path) => bind(path, path, flags)),
    ...MINIMAL_ETC.map((name) => bind(`/etc/${name}`, `/etc/${name}`, flags)),
    ...SYSFS,
    ...temporary(sandbox),
    bind(sandbox, SANDBOX_INSIDE, ["nosuid", "nodev"]),
  ];
}

function directoryView(sandbox: string): InsideMount[] {
  return [
    { kind: "attr", target: "/", flags: ["nosuid", "nodev", "recursive"] },
    ...SYSFS,
    ...temporary(sandbox),
    bind(sandbox, SANDBOX_INSIDE, ["nosuid", "nodev"]),
  ];
}

/** Whether the sandbox has its path of the host inside, or Mesos' own. */
export function sandboxInside({
  container,
  sandbox,
}: Pick<ContainerSpec, "container" | "sandbox">): string {
  const type = container?.rootfs?.type ?? "HOST";
  return type === "HOST" ? sandbox : SANDBOX_INSIDE;
}

/** Root and mounts of what is asked for, or why it cannot be. */
function viewOf(
  spec: ContainerSpec,
  volumes: readonly InsideMount[],
  options: InsideOptions,
): (Pick<Inside, "mounts"> & Partial<Pick<Inside, "root">>) | string {
  const { container, sandbox } = spec;
  const own = [...proc(), ...devices(spec)];
  const closed: InsideMount = { kind: "attr", target: "/", flags: ["ro"] };
  const rootfs = container?.rootfs ?? { type: "HOST" };
  if (rootfs.type === "HOST") {
    return { mounts: [HOST_ROOT, ...own, ...hostView(options, sandbox), ...volumes] };
  }
  if (rootfs.type === "MINIMAL") {
    return { root: "tmpfs", mounts: [...minimalView(sandbox), ...own, ...volumes, closed] };
  }
  const { path = "", mode } = rootfs;
  const within = withinAllowed(path, options.hostPaths);
  if (within === null) return `rootfs.path: ${path || "nothing"} ${allowedText(options)}`;
  const mounts = [...directoryView(sandbox), ...own, ...volumes];
  return { root: { path, within }, mounts: mode === "RW" ? mounts : [...mounts, closed] };
}

/** The folder, not the file: what is renewed is another file of that name. */
function credentialMount(spec: ContainerSpec): InsideMount[] {
  const { credentialDir } = spec;
  if (credentialDir === undefined) return [];
  const target = `${sandboxInside(spec)}/${CREDENTIAL_DIR}`;
  return [bind(credentialDir, target, ["ro", "nosuid", "nodev", "noexec"])];
}

/** Where the process reads its credential, in a view of its own or in the host's. */
function credentialEnv(spec: ContainerSpec, isMounted: boolean): Pick<Fragment, "env"> {
  const { credentialDir } = spec;
  if (credentialDir === undefined) return {};
  const folder = isMounted ? `${sandboxInside(spec)}/${CREDENTIAL_DIR}` : credentialDir;
  return { env: { [CREDENTIAL_VARIABLE]: `${folder}/${CREDENTIAL_FILE}` } };
}

export function filesystemIsolator(options: InsideOptions): Isolator {
  return {
    name: "filesystem/linux",
    fragment(spec) {
      const { container } = spec;
      const wishes = [...(container?.volumes ?? []), ...(spec.persistentVolumes ?? [])];
      const why = options.unavailable;
      if (why !== null) {
        if (wishes.length > 0 || container?.rootfs !== undefined) {
          return { refused: `container: it asks for volumes or a root: ${why}` };
        }
        // The folder lies where only the agent's own user may look.
        if (spec.credentialDir !== undefined && spec.user !== null) {
          return { refused: `executor: another user than the agent's has no credential: ${why}` };
        }
        return credentialEnv(spec, false);
      }
      const workingDirectory = sandboxInside(spec);
      const volumes = placeVolumes(spec, workingDirectory, options);
      if (typeof volumes === "string") return { refused: volumes };
      const view = viewOf(spec, [...credentialMount(spec), ...volumes], options);
      if (typeof view === "string") return { refused: view };
      return { inside: { workingDirectory, ...view }, ...credentialEnv(spec, true) };
    },
  };
}
