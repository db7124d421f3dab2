/** What the command line refuses: one sentence, what to do about it, the right exit code. */
import t from "tap";
import { Bench } from "../support/cluster.ts";

interface Refusal {
  readonly args: readonly string[];
  readonly exit: number;
  /** Found in what it says on standard error. */
  readonly says: RegExp;
  readonly env?: Readonly<Record<string, string>>;
}

const DATA = ["--data", "data"];

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "an unknown command is answered with the nearest": {
    args: ["upp"],
    exit: 2,
    says: /unknown command 'upp'\n.*did you mean up\?/,
  },
  "an unknown flag is answered with the nearest": {
    args: ["up", "--agent", "3"],
    exit: 2,
    says: /unknown option '--agent'\n.*did you mean --agents\?/,
  },
  "a noun without its verb lists its verbs": {
    args: ["task"],
    exit: 2,
    says: /show <task>/,
  },
  "a missing argument is named": {
    args: ["kill"],
    exit: 2,
    says: /missing required argument 'task'/,
  },
  "an output format that does not exist is answered with those that do": {
    args: ["ps", "-o", "xml"],
    exit: 2,
    says: /-o: xml is none of table, wide, json/,
  },
  "a number that is none is quoted": {
    args: ["run", "--cpus", "many", "--", "true"],
    exit: 2,
    says: /--cpus: "many" is no number/,
  },
  "a variable without a value is quoted": {
    args: ["run", "--env", "NAME", "--", "true"],
    exit: 2,
    says: /--env: "NAME" is not NAME=VALUE/,
  },
  "a batch that cannot be read is named": {
    args: ["batch", "absent.yaml"],
    exit: 2,
    says: /absent\.yaml cannot be read/,
  },
  "a quota of nothing says how one is taken away": {
    args: ["quota", "set", "eng"],
    exit: 2,
    says: /neither --guarantee nor --limit is given\n.*quota remove ROLE/,
  },
  "amounts that cannot be read are quoted": {
    args: ["quota", "set", "eng", "--limit", "cpus:1;mem=64"],
    exit: 2,
    says: /--limit: cannot read "mem=64"\n.*cpus:2;mem:1024/,
  },
  "amounts with units are not guessed": {
    args: ["quota", "set", "eng", "--guarantee", "mem:1GB"],
    exit: 2,
    says: /--guarantee: cannot read "mem:1GB"\n.*MiB/,
  },
  "an amount that is named twice is one too many": {
    args: ["quota", "set", "eng", "--limit", "cpus:1,cpus:2"],
    exit: 2,
    says: /--limit: cpus is named twice/,
  },
  "a role that can be none is explained": {
    args: ["quota", "set", "eng/", "--limit", "cpus:1"],
    exit: 2,
    says: /role "eng\/" has an empty component/,
  },
  "a weight that is no number is quoted": {
    args: ["weight", "set", "eng", "heavy"],
    exit: 2,
    says: /weight: "heavy" is no number above 0/,
  },
  "a weight of 0 would be no share at all": {
    args: ["weight", "set", "eng", "0"],
    exit: 2,
    says: /weight: "0" is no number above 0/,
  },
  "a quota's verb that does not exist lists those that do": {
    args: ["quota"],
    exit: 2,
    says: /remove <role>/,
  },
  "a setting beyond its limit tells the limit": {
    args: ["up", ...DATA, "--agents", "101"],
    exit: 2,
    says: /--agents: "101" is above the most, 100 \(from: flag\)/,
  },
  "a setting of the environment is named by its variable": {
    args: ["up", ...DATA],
    exit: 2,
    says: /MESETA_PORT: "x" is no whole number \(from: environment\)/,
    env: { MESETA_PORT: "x" },
  },
  "a configuration file that is absent is named": {
    args: ["--config", "absent.yaml", "ps"],
    exit: 2,
    says: /configuration file cannot be read.*absent\.yaml/,
  },
  "a command without a cluster says how to get one": {
    args: ["ps"],
    exit: 6,
    says: /no cluster is known here\n.*meseta up/,
  },
  "a context that does not exist is not found": {
    args: ["ps", "--context", "other"],
    exit: 4,
    says: /there is no context other/,
  },
  "a server that does not answer is unreachable": {
    args: ["ps", "--server", "http://127.0.0.1:1", "--token", "t"],
    exit: 6,
    says: /cannot reach http:\/\/127\.0\.0\.1:1/,
  },
  "an address for everybody needs a second word": {
    args: ["up", ...DATA, "--host", "0.0.0.0"],
    exit: 1,
    says: /--host: 0\.0\.0\.0 can be reached from other machines.*--insecure/,
  },
  "two buses at once are one too many": {
    args: ["up", ...DATA, "--bus", "memory", "--nats", "nats://127.0.0.1:1"],
    exit: 1,
    says: /--bus memory and --nats exclude each other/,
  },
  "resources that nobody can read are explained": {
    args: ["up", ...DATA, "--resources", "cpus=4"],
    exit: 1,
    says: /--resources: "cpus=4" has no ":"/,
  },
  "a data directory that is a file is refused": {
    args: ["up", "--data", "/etc/passwd"],
    exit: 1,
    says: /the data directory \/etc\/passwd cannot be used/,
  },
  "a broker that is none is refused": {
    args: ["up", ...DATA],
    exit: 1,
    says: /MESETA_NATS_SERVER: \/bin\/true is no nats-server/,
    env: { MESETA_NATS_SERVER: "/bin/true" },
  },
  "an agent without a credential says where they are": {
    args: ["agent", ...DATA],
    exit: 1,
    says: /--credential is needed: .*meseta credential create/,
  },
  "a master with a credential that others can read refuses it": {
    args: ["master", ...DATA, "--credential", "/etc/passwd"],
    exit: 1,
    says: /credential file \/etc\/passwd cannot be used: others may read/,
  },
  "a credential from a directory without trust is refused": {
    args: ["credential", "create", "framework", "mine", "--out", "mine.creds", "--data", "empty"],
    exit: 1,
    says: /holds no trust of a cluster/,
  },
  "down where nothing runs is no error": {
    args: ["down", ...DATA],
    exit: 0,
    says: /nothing runs from/,
  },
};

void t.test("refusals", { timeout: 120_000 }, async (t) => {
  const bench = await Bench.make();
  t.teardown(() => bench.clear());
  for (const [title, { args, exit, says, env }] of Object.entries(REFUSALS)) {
    const ended = await bench.meseta(args, env === undefined ? {} : { env });
    t.equal(ended.exit, exit, `${title}: ${ended.stderr}`);
    t.match(ended.stderr, says, title);
    t.notMatch(ended.stderr, /\n\s+at /, `${title}, without a trace`);
  }
});

void t.test("where JSON is wanted an error is an object", { timeout: 30_000 }, async (t) => {
  const bench = await Bench.make();
  t.teardown(() => bench.clear());
  const { exit, stdout, stderr } = await bench.meseta(["ps", "-o", "json"]);
  t.equal(exit, 6);
  t.equal(stdout, "");
  const { error } = JSON.parse(stderr) as { error: Record<string, string> };
  t.equal(error["message"], "no cluster is known here");
  t.match(error["hint"], /meseta up/);
});

void t.test("help and version are answered on standard output", { timeout: 30_000 }, async (t) => {
  const bench = await Bench.make();
  t.teardown(() => bench.clear());
  for (const args of [["--help"], ["up", "--help"], ["--version"], ["version"]]) {
    const { exit, stdout, stderr } = await bench.meseta(args);
    t.equal(exit, 0, args.join(" "));
    t.equal(stderr, "");
    t.ok(stdout.length > 0);
  }
});
