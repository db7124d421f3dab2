/**
 * The container as a record, and the shape in which it is kept in `config.json`. The checkpoint
 * holds no environment (secrets live there) and is read by every later version: fields are
 * added, never changed; an older shape gets its own reader.
 */
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { ContainerInfo, Secret } from "#protocol";
import type { LogRotation } from "#runtime";

/** A limit that may say `infinite`; null where the task names none. */
const LimitOrNull = Type.Union([
  Type.Integer({ minimum: 0 }),
  Type.Literal("infinite"),
  Type.Null(),
]);

const Port = Type.Integer({ minimum: 0, maximum: 65_535 });

const Resources = Type.Object({
  /** Thousandths of a cpu that nobody may take back. */
  cpuMilli: Type.Integer({ minimum: 0 }),
  cpuMilliRevocable: Type.Integer({ minimum: 0 }),
  memMib: Type.Integer({ minimum: 0 }),
  gpus: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Disk of the sandbox; what persistent volumes have is theirs. Absent: no bound. */
  diskMib: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Ports as ranges, both ends in them; absent: none. */
  ports: Type.Optional(Type.Array(Type.Tuple([Port, Port]))),
});

const Rate = Type.Optional(Type.Integer({ minimum: 1 }));

/** Bytes and operations in a second; `device` is a name such as `vda`. */
const Io = Type.Object({
  device: Type.String({ minLength: 1, maxLength: 64 }),
  readBps: Rate,
  writeBps: Rate,
  readIops: Rate,
  writeIops: Rate,
});

const Limits = Type.Object({
  cpuMilli: LimitOrNull,
  memMib: LimitOrNull,
  pids: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  /** Swap beside the memory; absent: what the agent gives everybody. */
  swapMib: Type.Optional(LimitOrNull),
  /** From here on it is slowed down instead of killed. */
  memHighMib: Type.Optional(LimitOrNull),
  /** Size of page (`2MB`) to the MiB of them. */
  hugetlbMib: Type.Optional(Type.Record(Type.String(), Type.Integer({ minimum: 0 }))),
  io: Type.Optional(Type.Array(Io, { maxItems: 32 })),
  /** Paths of devices that it may use beside the harmless ones. */
  devices: Type.Optional(Type.Array(Type.String({ maxLength: 255 }), { maxItems: 64 })),
  /** Its cpus are whole and nobody else's who asks for the same. */
  exclusiveCpus: Type.Optional(Type.Boolean()),
});

const Numbers = Type.Array(Type.Integer({ minimum: 0 }));

/** What the isolator chose among what the machine has; nobody else gets it meanwhile. */
const Assigned = Type.Object({ cpus: Numbers, mems: Numbers, gpus: Numbers });

const User = Type.Object({
  uid: Type.Integer({ minimum: 0 }),
  gid: Type.Integer({ minimum: 0 }),
  groups: Type.Array(Type.Integer({ minimum: 0 })),
});

const Mode = Type.Union([
  Type.Literal("v1"),
  Type.Literal("v2"),
  Type.Literal("hybrid"),
  Type.Literal("none"),
]);

/** Newest shape of a checkpoint that this build reads. */
export const CHECKPOINT_VERSION = 1;

const Persistent = Type.Object({
  role: Type.String(),
  id: Type.String(),
  containerPath: Type.String(),
  mode: Type.Union([Type.Literal("RW"), Type.Literal("RO")]),
  /** Its size; absent in checkpoints of earlier versions. */
  mib: Type.Optional(Type.Integer({ minimum: 0 })),
});

/** Checkpoint shape v1: the content of `config.json`. */
export const CheckpointV1 = Type.Object({
  v: Type.Literal(CHECKPOINT_VERSION),
  containerId: Type.String({ minLength: 1, maxLength: 200 }),
  nonce: Type.String({ minLength: 1, maxLength: 200 }),
  agentId: Type.String({ minLength: 1, maxLength: 200 }),
  /** Compared for equality only: another boot means that the process is gone. */
  bootId: Type.String(),
  createdAtMs: Type.Number(),
  sandbox: Type.String(),
  user: Type.Union([User, Type.Null()]),
  resources: Resources,
  limits: Limits,
  assigned: Type.Optional(Assigned),
  persistentVolumes: Type.Optional(Type.Array(Persistent)),
  /** Networks that it asked for, by name; absent or empty: the host's. */
  networks: Type.Optional(Type.Array(Type.String())),
  cgroupMode: Mode,
  graceMs: Type.Integer({ minimum: 0 }),
  /** The agent's own data (task, framework, executor): opaque here, given back as it was. */
  owner: Type.Unknown(),
});

export type Checkpoint = Static<typeof CheckpointV1>;
export type ContainerResources = Static<typeof Resources>;
export type ContainerLimits = Static<typeof Limits>;
export type Assigned = Static<typeof Assigned>;

/** What the agent asks for: the checkpoint's content and what may not be written down. */
export interface ContainerSpec extends Checkpoint {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly logs: LogRotation;
  /** What its task asks for; needed to start it and never again. */
  readonly container?: ContainerInfo;
  readonly secretEnv?: readonly { readonly name: string; readonly secret: Secret }[];
  /** Folder of this machine with the credential of a custom executor, which finds it inside. */
  readonly credentialDir?: string;
}

/** A volume that outlives its tasks, of the disk that a role has reserved. */
export type PersistentVolume = Static<typeof Persistent>;

const check = TypeCompiler.Compile(CheckpointV1);

/** The networks that a task asks for, by name; none: the host's. */
export function networksOf({
  container,
  networks = [],
}: {
  readonly container?: ContainerInfo | undefined;
  readonly networks?: readonly string[];
}): readonly string[] {
  const infos = container?.networkInfos;
  return infos === undefined ? networks : infos.flatMap(({ name }) => name ?? []);
}

/** Drops what must not be on disk. */
export function checkpointOf(spec: ContainerSpec): Checkpoint {
  const {
    argv: _argv,
    env: _env,
    logs: _logs,
    container,
    secretEnv: _secrets,
    credentialDir: _credential,
    ...kept
  } = spec;
  const networks = networksOf({ container });
  return networks.length === 0 ? kept : { ...{}, ...kept, networks: [...networks] };
}

export function encodeCheckpoint(checkpoint: Checkpoint): string {
  return `${JSON.stringify(checkpoint)}\n`;
}

export type Decoded =
  | { readonly ok: true; readonly checkpoint: Checkpoint }
  | {
      readonly ok: false;
      readonly message: string;
      /** Set where a newer agent wrote it. */
      readonly newerVersion?: number;
    };

const checkVersion = TypeCompiler.Compile(Type.Object({ v: Type.Integer() }));

export function decodeCheckpoint(text: string): Decoded {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, message: `config.json is no JSON: ${String(error)}` };
  }
  if (check.Check(value)) return { ok: true, checkpoint: value };
  if (checkVersion.Check(value) && value.v > CHECKPOINT_VERSION) {
    const message = `config.json is of version ${value.v}, this build reads ${CHECKPOINT_VERSION}`;
    return { ok: false, message, newerVersion: value.v };
  }
  const first = check.Errors(value).First();
  const where = first === undefined || first.path === "" ? "the whole" : first.path;
  return { ok: false, message: `config.json: ${where}: ${first?.message ?? "not understood"}` };
}
