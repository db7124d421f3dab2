/**
 * Every setting: its kind, default, environment name, meaning, who reads it, and whether it can
 * change while running. Flags, file keys and documentation are made from this table.
 */

export type SettingKind = "text" | "integer" | "duration" | "boolean" | "choice" | "size";

export interface Setting {
  readonly kind: SettingKind;
  /** As it would be written; undefined: computed at start, as `meaning` says. */
  readonly default: string | undefined;
  readonly meaning: string;
  /** The commands that read it. */
  readonly for: readonly ("up" | "master" | "agent" | "broker" | "registrar" | "client")[];
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** Can be changed in a running process. */
  readonly live?: true;
}

const DAEMONS = ["up", "master", "agent"] as const;

export const SETTINGS = {
  cluster: {
    kind: "text",
    default: "local",
    meaning: "name of the cluster: a part of every subject of the bus",
    for: [...DAEMONS, "registrar"],
  },
  data: {
    kind: "text",
    default: undefined,
    meaning:
      "directory of what must survive; default: a folder of the cluster's name below the state directory of the user",
    for: [...DAEMONS, "broker", "registrar"],
  },
  agents: {
    kind: "integer",
    default: "1",
    min: 0,
    max: 100,
    meaning: "how many agents `up` starts on this machine; its resources are divided among them",
    for: ["up"],
  },
  masters: {
    kind: "integer",
    default: "1",
    min: 1,
    max: 9,
    meaning: "how many masters there are: one leads, the others stand by",
    for: ["up"],
  },
  host: {
    kind: "text",
    default: "127.0.0.1",
    meaning: "address that the HTTP API listens on; off loopback it needs --insecure",
    for: ["up", "master"],
  },
  port: {
    kind: "integer",
    default: "0",
    min: 0,
    max: 65_535,
    meaning: "port of the HTTP API; 0 picks a free one",
    for: ["up", "master"],
  },
  listen: {
    kind: "text",
    default: undefined,
    meaning:
      "ADDRESS[:PORT] on which a broker takes other machines, by TLS alone; default: of `up` none, of `broker` that of its file",
    for: ["up", "broker"],
  },
  "cluster-listen": {
    kind: "text",
    default: undefined,
    meaning: "ADDRESS[:PORT] on which it takes the other brokers; default: that of its file",
    for: ["broker"],
  },
  insecure: {
    kind: "boolean",
    default: "false",
    meaning: "allows HTTP without TLS on an address that is not loopback",
    for: ["up", "master"],
  },
  nats: {
    kind: "text",
    default: undefined,
    meaning: "addresses of a NATS cluster that runs already; default: `up` starts one of its own",
    for: [...DAEMONS, "registrar"],
  },
  "log-replicas": {
    kind: "choice",
    default: "1",
    choices: ["1", "3", "5"],
    meaning: "brokers that hold a copy of the log each; 3 survive the loss of one, 5 of two",
    for: ["master"],
  },
  bus: {
    kind: "choice",
    default: "nats",
    choices: ["nats", "memory"],
    meaning: "memory: master and agents in one process, without a broker",
    for: ["up"],
  },
  resources: {
    kind: "text",
    default: undefined,
    meaning: "what an agent offers, such as cpus:4;mem:8192;ports:[31000-32000]; default: measured",
    for: ["up", "agent"],
  },
  attributes: {
    kind: "text",
    default: "",
    meaning: "attributes of an agent, such as rack:r1;ssd:yes",
    for: ["up", "agent"],
  },
  reserve: {
    kind: "text",
    default: "",
    meaning: "what an agent reserves statically, such as cpus(ads):2;mem(ads):512",
    for: ["agent"],
  },
  "work-dir": {
    kind: "text",
    default: undefined,
    meaning: "directory of an agent's sandboxes and checkpoints; default: below --data",
    for: ["agent"],
  },
  principal: {
    kind: "text",
    default: undefined,
    meaning: "who the credential names",
    for: ["master", "agent"],
  },
  credential: {
    kind: "text",
    default: undefined,
    meaning: "file with the credential for the bus",
    for: ["master", "agent", "broker"],
  },
  join: {
    kind: "text",
    default: undefined,
    meaning: "line of meseta token create by which a machine joins; - reads it from standard input",
    for: ["agent"],
  },
  "join-file": {
    kind: "text",
    default: undefined,
    meaning: "file that holds such a line, so that no list of processes shows it",
    for: ["agent"],
  },
  "log-level": {
    kind: "choice",
    default: "info",
    choices: ["trace", "debug", "info", "warn", "error"],
    meaning: "how much is logged",
    for: DAEMONS,
    live: true,
  },
  "offer-timeout": {
    kind: "duration",
    default: "1m",
    min: 1_000,
    meaning: "an offer without an answer is rescinded after this time",
    for: ["up", "master"],
  },
  "allocation-interval": {
    kind: "duration",
    default: "1s",
    min: 10,
    max: 60_000,
    meaning: "everything is offered anew at least this often; changes are offered at once",
    for: ["up", "master"],
  },
  placement: {
    kind: "choice",
    default: "random",
    choices: ["random", "pack", "spread"],
    meaning: "which agents are offered first: any, the fullest, or the emptiest",
    for: ["up", "master"],
  },
  "role-sorter": {
    kind: "choice",
    default: "drf",
    choices: ["drf", "random"],
    meaning: "how roles take turns: by their share and weight, or drawn by weight",
    for: ["up", "master"],
  },
  "framework-sorter": {
    kind: "choice",
    default: "drf",
    choices: ["drf", "random"],
    meaning: "how the frameworks of a role take turns: by their share, or drawn",
    for: ["up", "master"],
  },
  "reclaim-notice": {
    kind: "duration",
    default: "30s",
    min: 0,
    meaning:
      "how long a task on lent resources lives on when the role that lent them asks for them",
    for: ["up", "master"],
  },
  "agent-ping-timeout": {
    kind: "duration",
    default: "15s",
    min: 1_000,
    max: 900_000,
    meaning: "time between an agent's heartbeats; five missed ones make it unreachable",
    for: ["up", "master"],
  },
  "agent-reregister-timeout": {
    kind: "duration",
    default: "10m",
    min: 1_000,
    meaning: "agents that are not back this long after a change of leader become unreachable",
    for: ["up", "master"],
  },
  "gc-delay": {
    kind: "duration",
    default: "7d",
    min: 1_000,
    meaning: "age at which the sandbox of an ended task goes, less when the disk fills",
    for: ["up", "agent"],
  },
  "log-file-size": {
    kind: "size",
    default: "10MiB",
    min: 4_096,
    meaning: "a task's stdout and stderr are rotated at this size",
    for: ["up", "agent"],
  },
  "log-file-count": {
    kind: "integer",
    default: "4",
    min: 0,
    max: 100,
    meaning: "rotated files that are kept of stdout and of stderr, each",
    for: ["up", "agent"],
  },
  "pids-limit": {
    kind: "integer",
    default: "4096",
    min: 16,
    max: 4_194_304,
    meaning: "processes and threads that one task may have",
    for: ["up", "agent"],
  },
  "allowed-host-paths": {
    kind: "text",
    default: "",
    meaning: "directories below which tasks may take volumes and roots, with commas between",
    for: ["up", "agent"],
  },
  "secrets-dir": {
    kind: "text",
    default: undefined,
    meaning: "directory with a file for each secret that tasks may name",
    for: ["up", "agent"],
  },
  "seccomp-config-dir": {
    kind: "text",
    default: undefined,
    meaning: "directory of seccomp profiles: NAME.json is the profile NAME",
    for: ["up", "agent"],
  },
  "bounding-capabilities": {
    kind: "text",
    default: "CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,SETGID,SETUID,NET_BIND_SERVICE",
    meaning: "the most capabilities that a task can ask for",
    for: ["up", "agent"],
  },
  "userns-ids": {
    kind: "text",
    default: undefined,
    meaning: "FIRST:COUNT, ids of this machine for user namespaces; default: there are none",
    for: ["up", "agent"],
  },
  "swap-limit": {
    kind: "size",
    default: "0",
    min: 0,
    meaning: "swap that a task may have which asks for none of its own",
    for: ["up", "agent"],
  },
  "task-devices": {
    kind: "text",
    default: "",
    meaning: "paths of devices that tasks may ask for, joined by commas, such as /dev/fuse",
    for: ["up", "agent"],
  },
  "enforce-container-disk-quota": {
    kind: "boolean",
    default: "false",
    meaning: "a task that is past its disk, or past the size of a persistent volume, is ended",
    for: ["up", "agent"],
  },
  "disk-isolator": {
    kind: "text",
    default: "du",
    meaning: "who bounds the disk: du measures and ends; xfs and loop let the write itself fail",
    for: ["up", "agent"],
  },
  "xfs-project-range": {
    kind: "text",
    default: undefined,
    meaning: "FIRST-LAST, project ids for quotas of --disk-isolator xfs; default: 5000-10000",
    for: ["up", "agent"],
  },
  "network-cni-config-dir": {
    kind: "text",
    default: undefined,
    meaning: "directory of networks that tasks may join: .conflist and .conf files of CNI",
    for: ["up", "agent"],
  },
  "network-cni-plugins-dir": {
    kind: "text",
    default: "/usr/lib/cni",
    meaning: "directory of the CNI plugins that networks name",
    for: ["up", "agent"],
  },
  "container-disk-watch-interval": {
    kind: "duration",
    default: "15s",
    min: 100,
    meaning: "how often the disk of tasks is measured",
    for: ["up", "agent"],
  },
  "enforce-container-ports": {
    kind: "boolean",
    default: "false",
    meaning: "a task in the host's network that listens on a port not its own is ended",
    for: ["up", "agent"],
  },
  "container-ports-watch-interval": {
    kind: "duration",
    default: "30s",
    min: 100,
    meaning: "how often it is looked at on which ports tasks listen",
    for: ["up", "agent"],
  },
  "container-ports-isolated-range": {
    kind: "text",
    default: undefined,
    meaning: "FIRST-LAST: listeners on other ports do not matter; default: all matter",
    for: ["up", "agent"],
  },
  record: {
    kind: "boolean",
    default: "false",
    meaning: "records what master and agents are told, to be replayed with meseta sim replay",
    for: DAEMONS,
  },
  "record-dir": {
    kind: "text",
    default: undefined,
    meaning: "directory of the recordings; default: recordings below --data",
    for: DAEMONS,
  },
  "record-life-size": {
    kind: "size",
    default: "256MiB",
    min: 1_048_576,
    meaning: "largest recording of one start of an actor; what comes later is not recorded",
    for: DAEMONS,
  },
  "record-size": {
    kind: "size",
    default: "1GiB",
    min: 1_048_576,
    meaning: "all recordings of one actor together; the oldest go first",
    for: DAEMONS,
  },
  server: {
    kind: "text",
    default: undefined,
    meaning: "address of a master's HTTP API; default: that of the context",
    for: ["client"],
  },
  token: {
    kind: "text",
    default: undefined,
    meaning: "bearer token for the HTTP API; default: that of the context",
    for: ["client"],
  },
  context: {
    kind: "text",
    default: undefined,
    meaning: "name of the context to use; default: the one that `up` wrote last",
    for: ["client"],
  },
  timeout: {
    kind: "duration",
    default: "30s",
    min: 100,
    meaning: "how long a command waits for one answer of the server",
    for: ["client"],
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** The variable of the environment that sets it: MESETA_OFFER_TIMEOUT for `offer-timeout`. */
export function environmentName(name: SettingName): string {
  return `MESETA_${name.toUpperCase().replaceAll("-", "_")}`;
}
