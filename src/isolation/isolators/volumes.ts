/**
 * Volumes: where each comes from and where it is put. Paths are judged as text here, and once
 * more by the launcher when it opens them, so that no link leads out of what is allowed.
 */
import type { Volume } from "#protocol";
import type { InsideMount, MountFlag } from "#runtime";
import type { ContainerSpec, PersistentVolume } from "../container.ts";
import type { InsideOptions } from "./inside-options.ts";
import { secretSource } from "./secrets.ts";

interface VolumePlace {
  readonly sandbox: string;
  /** The sandbox as seen from inside. */
  readonly directory: string;
  readonly options: InsideOptions;
  /** Whether the ids inside are others than those outside. */
  readonly mapped: boolean;
}

const flagsOf = (mode: Volume["mode"]): MountFlag[] =>
  mode === "RO" ? ["nosuid", "nodev", "ro"] : ["nosuid", "nodev"];

const isPlain = (path: string): boolean => !path.split("/").some((part) => part === "..");

/** The allowed directory below which the path is, by its text; null where there is none. */
export function withinAllowed(path: string, allowed: readonly string[]): string | null {
  if (!path.startsWith("/") || !isPlain(path)) return null;
  return allowed.find((root) => path === root || path.startsWith(`${root}/`)) ?? null;
}

function targetOf(containerPath: string, { directory }: VolumePlace): string | null {
  if (!isPlain(containerPath)) return null;
  if (containerPath.startsWith("/")) return containerPath === "/" ? null : containerPath;
  return `${directory}/${containerPath}`;
}

export function allowedText({ hostPaths }: Pick<InsideOptions, "hostPaths">): string {
  const allowed = hostPaths.join(" ") || "none";
  return `is not below what --allowed-host-paths of this agent names: ${allowed}`;
}

function placeHostPath(
  source: string,
  target: string,
  { mode }: Volume,
  { options, mapped }: VolumePlace,
): InsideMount | string {
  const within = withinAllowed(source, options.hostPaths);
  if (within === null) return `host path ${source} ${allowedText(options)}`;
  const owned: MountFlag[] = mapped && mode === "RW" ? ["owned"] : [];
  const flags: MountFlag[] = [...flagsOf(mode), "recursive", ...owned];
  return { kind: "bind", source, within, target, flags };
}

/** One mount, or why it cannot be. */
function placeVolume(volume: Volume, place: VolumePlace): InsideMount | string {
  const { sandbox, options } = place;
  const { source, mode, containerPath, hostPath } = volume;
  const target = targetOf(containerPath, place);
  if (target === null) return `containerPath ${containerPath} names / or ..`;
  switch (source?.type) {
    case undefined:
      if (hostPath === undefined) return "it has neither source nor hostPath";
      return placeHostPath(hostPath, target, volume, place);
    case "HOST_PATH":
      return placeHostPath(source.hostPath.path, target, volume, place);
    case "SANDBOX_PATH": {
      const { path } = source.sandboxPath;
      if (path.startsWith("/") || !isPlain(path)) return `sandbox path ${path} leaves the sandbox`;
      const flags: MountFlag[] = [...flagsOf(mode), "make"];
      return { kind: "bind", source: `${sandbox}/${path}`, within: sandbox, target, flags };
    }
    case "TMPFS": {
      const data = `mode=1777,size=${source.tmpfs.sizeMib}m`;
      return { kind: "tmpfs", target, data, flags: flagsOf(mode) };
    }
    case "SECRET": {
      const secret = secretSource(source.secret, options);
      if (typeof secret === "string") return secret;
      return { kind: "secret", ...secret, target, flags: ["ro", "nosuid", "nodev", "noexec"] };
    }
  }
}

/**
 * Where a persistent volume is, below the folder of all of them. A role is one segment, whatever
 * it is made of: the volumes of eng/web must not lie within one of eng.
 */
export function volumeBelow(role: string, id: string): string {
  const segment = role.replace(/[^A-Za-z0-9-]/gu, (sign) => {
    return sign === "_" ? "__" : `_${(sign.codePointAt(0) ?? 0).toString(16)}_`;
  });
  return `roles/${segment}/${id}`;
}

/** Where a persistent volume lies on the host. */
export function persistentPath(
  volumesDir: string,
  { role, id }: Pick<PersistentVolume, "role" | "id">,
): string {
  return `${volumesDir}/${volumeBelow(role, id)}`;
}

function placePersistent(volume: PersistentVolume, place: VolumePlace): InsideMount | string {
  const { volumesDir } = place.options;
  const target = targetOf(volume.containerPath, place);
  if (target === null) return `containerPath ${volume.containerPath} names / or ..`;
  const flags: MountFlag[] = [...flagsOf(volume.mode), "make"];
  const source = persistentPath(volumesDir, volume);
  if (!isPlain(source)) return `persistence ${volume.id} of ${volume.role} names ..`;
  return { kind: "bind", source, within: volumesDir, target, flags };
}

/**
 * All of them in the order asked for, or a sentence that names the first that cannot be.
 * @param directory the sandbox as seen from inside
 */
export function placeVolumes(
  spec: ContainerSpec,
  directory: string,
  options: InsideOptions,
): InsideMount[] | string {
  const mapped = spec.container?.linuxInfo?.userNamespace === true;
  const place = { sandbox: spec.sandbox, directory, options, mapped };
  const mounts: InsideMount[] = [];
  for (const [index, volume] of (spec.persistentVolumes ?? []).entries()) {
    const mount = placePersistent(volume, place);
    if (typeof mount === "string") return `persistent volume ${index}: ${mount}`;
    mounts.push(mount);
  }
  for (const [index, volume] of (spec.container?.volumes ?? []).entries()) {
    const mount = placeVolume(volume, place);
    if (typeof mount === "string") return `volumes[${index}]: ${mount}`;
    mounts.push(mount);
  }
  return mounts;
}
