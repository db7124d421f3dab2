/** Flags of `run` about the inside of the container, as the `ContainerInfo` that they ask for. */
import type { Command } from "commander";
import {
  CAPABILITIES,
  CAPABILITIES_DEFAULT,
  type Capability,
  type ContainerInfo,
  RLIMIT_TYPES,
  type Volume,
} from "#protocol";
import { CliError, EXIT } from "../exit.ts";

export interface ContainerFlags {
  readonly volume?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly secret?: readonly string[];
  readonly root?: string;
  readonly readOnly?: boolean;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly seccomp?: string;
  readonly rlimit?: readonly string[];
  readonly hostname?: string;
  readonly network?: string;
  readonly userns?: boolean;
}

export function addContainerFlags(command: Command): Command {
  const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value];
  return command
    .option(
      "--volume <SOURCE:PATH[:ro]>",
      "a path of the host, or of the sandbox if relative",
      collect,
    )
    .option("--tmpfs <PATH:MiB>", "memory at this path; repeat it for more", collect)
    .option("--secret <VAR=NAME|NAME:PATH>", "a secret of the agent as variable or file", collect)
    .option(
      "--root <host|minimal|PATH>",
      "what the command sees as / (default: the host's, read only)",
    )
    .option("--read-only", "nothing of a root given by path can be written")
    .option("--cap-add <NAME>", "a capability more than usual; repeat it for more", collect)
    .option("--cap-drop <NAME>", "a capability less, or ALL; repeat it for more", collect)
    .option("--seccomp <NAME>", "a seccomp profile of the agent, or unconfined")
    .option("--rlimit <NAME=SOFT[:HARD]>", "a limit such as NOFILE=1024:4096", collect)
    .option("--hostname <name>", "what the container is called inside")
    .option("--network <name>", "a network of the agent, or none: nothing but a loopback")
    .option("--userns", "root inside is nobody outside");
}

const wrong = (flag: string, value: string, what: string): CliError =>
  new CliError(EXIT.usage, `${flag}: ${JSON.stringify(value)} ${what}`);

function volumeOf(text: string): Volume {
  const [source = "", containerPath = "", mode = "rw", ...more] = text.split(":");
  if (source === "" || containerPath === "" || more.length > 0 || !["ro", "rw"].includes(mode)) {
    throw wrong("--volume", text, "is not SOURCE:PATH or SOURCE:PATH:ro");
  }
  const place = { containerPath, mode: mode === "ro" ? "RO" : "RW" } as const;
  return source.startsWith("/")
    ? { ...place, source: { type: "HOST_PATH", hostPath: { path: source } } }
    : { ...place, source: { type: "SANDBOX_PATH", sandboxPath: { type: "SELF", path: source } } };
}

function tmpfsOf(text: string): Volume {
  const match = /^(.+):(\d+)$/.exec(text);
  const [, containerPath = "", size = ""] = match ?? [];
  if (match === null || Number(size) < 1) throw wrong("--tmpfs", text, "is not PATH:MiB");
  const source = { type: "TMPFS", tmpfs: { sizeMib: Number(size) } } as const;
  return { containerPath, mode: "RW", source };
}

/** `VAR=NAME` is a variable, `NAME:PATH` a file. */
function secretsOf(texts: readonly string[]) {
  const variables: Record<string, string> = {};
  const volumes: Volume[] = [];
  for (const text of texts) {
    const variable = /^([^=:]+)=([^=:]+)$/.exec(text);
    const file = /^([^=:]+):(.+)$/.exec(text);
    if (variable !== null) variables[variable[1] ?? ""] = variable[2] ?? "";
    else if (file !== null) {
      const secret = { type: "REFERENCE", reference: { name: file[1] ?? "" } } as const;
      const containerPath = file[2] ?? "";
      volumes.push({ containerPath, mode: "RO", source: { type: "SECRET", secret } });
    } else throw wrong("--secret", text, "is neither VAR=NAME nor NAME:PATH");
  }
  return { variables, volumes };
}

function capabilityOf(flag: string, text: string): Capability {
  const name = CAPABILITIES.find((one) => one === text.toUpperCase().replace(/^CAP_/, ""));
  if (name === undefined) throw wrong(flag, text, "is no capability");
  return name;
}

function capabilitiesOf({ capAdd = [], capDrop = [] }: ContainerFlags): Capability[] | undefined {
  if (capAdd.length === 0 && capDrop.length === 0) return undefined;
  const all = capDrop.some((text) => text.toUpperCase() === "ALL");
  const dropped = capDrop
    .filter((text) => text.toUpperCase() !== "ALL")
    .map((text) => capabilityOf("--cap-drop", text));
  const added = capAdd.map((text) => capabilityOf("--cap-add", text));
  const usual = all ? [] : CAPABILITIES_DEFAULT;
  return [...new Set([...usual, ...added])].filter((name) => !dropped.includes(name));
}

function rlimitOf(text: string) {
  const match = /^([A-Za-z]+)=(\d+|unlimited)(?::(\d+|unlimited))?$/.exec(text);
  const [, name = "", soft = "", hard = soft] = match ?? [];
  const type = RLIMIT_TYPES.find((one) => one === `RLMT_${name.toUpperCase()}`);
  if (match === null) throw wrong("--rlimit", text, "is not NAME=SOFT or NAME=SOFT:HARD");
  if (type === undefined) {
    const names = RLIMIT_TYPES.map((one) => one.slice("RLMT_".length)).sort();
    throw wrong("--rlimit", text, `names no limit; there are ${names.join(", ")}`);
  }
  if (soft === "unlimited" && hard === "unlimited") return { type };
  if (soft === "unlimited" || hard === "unlimited") {
    throw wrong("--rlimit", text, "has one bound without a limit; both or none can be so");
  }
  return { type, soft: Number(soft), hard: Number(hard) };
}

function rootOf({ root, readOnly }: ContainerFlags): ContainerInfo["rootfs"] {
  const isPath = root?.startsWith("/") === true;
  if (readOnly === true && !isPath) {
    throw wrong(
      "--read-only",
      root ?? "",
      "is no --root by path; other roots are read only anyway",
    );
  }
  if (root === undefined) return undefined;
  if (isPath) return { type: "DIRECTORY", path: root, mode: readOnly === true ? "RO" : "RW" };
  if (root === "host" || root === "minimal") return { type: root === "host" ? "HOST" : "MINIMAL" };
  throw wrong("--root", root, "is neither host, minimal nor a path");
}

function linuxInfoOf(flags: ContainerFlags): NonNullable<ContainerInfo["linuxInfo"]> {
  const capabilities = capabilitiesOf(flags);
  const { seccomp } = flags;
  const profile = seccomp === "unconfined" ? { unconfined: true } : { profileName: seccomp ?? "" };
  return {
    ...(capabilities === undefined ? {} : { effectiveCapabilities: { capabilities } }),
    ...(seccomp === undefined ? {} : { seccomp: profile }),
    ...(flags.userns === true ? { userNamespace: true } : {}),
  };
}

export interface ContainerWish {
  readonly container?: ContainerInfo;
  /** Variable to the name of its secret. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/** @throws CliError that names the flag and the value. */
export function containerWish(flags: ContainerFlags): ContainerWish {
  const { variables, volumes: files } = secretsOf(flags.secret ?? []);
  const volumes = [
    ...(flags.volume ?? []).map(volumeOf),
    ...(flags.tmpfs ?? []).map(tmpfsOf),
    ...files,
  ];
  const linuxInfo = linuxInfoOf(flags);
  const rootfs = rootOf(flags);
  const rlimits = (flags.rlimit ?? []).map(rlimitOf);
  const parts: Omit<ContainerInfo, "type"> = {
    ...(volumes.length === 0 ? {} : { volumes }),
    ...(Object.keys(linuxInfo).length === 0 ? {} : { linuxInfo }),
    ...(rootfs === undefined ? {} : { rootfs }),
    ...(rlimits.length === 0 ? {} : { rlimitInfo: { rlimits } }),
    ...(flags.hostname === undefined ? {} : { hostname: flags.hostname }),
    ...(flags.network === undefined ? {} : { networkInfos: [{ name: flags.network }] }),
  };
  return {
    ...(Object.keys(parts).length === 0 ? {} : { container: { type: "MESOS", ...parts } }),
    ...(Object.keys(variables).length === 0 ? {} : { secrets: variables }),
  };
}
