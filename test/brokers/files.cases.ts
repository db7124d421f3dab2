/** Files for brokers, and what `meseta broker` refuses: by name, with the limit and the mend. */
import { execFileSync } from "node:child_process";
import { randomInt, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parseCredentialFile } from "#adapters";
import { resolveConfig } from "#config";
import {
  createBrokerCredential,
  endLeftBroker,
  expiryMs,
  findBroker,
  openBrokerAuthority,
  parseMembers,
  runBroker,
} from "#daemon";
import { Bench, isAlive, isRoot, processesNaming } from "../support/cluster.ts";

const NET = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`;
const MEMBERS = `b1=${NET}.1,b2=${NET}.2,b3=${NET}.3`;

t.test("members are read, or refused by name", (t) => {
  t.same(parseMembers("a=10.0.0.1,b=[fd00::1]:99,c=c.example:1/10.1.0.1:2"), [
    {
      name: "a",
      client: { host: "10.0.0.1", port: 4222 },
      route: { host: "10.0.0.1", port: 6222 },
    },
    { name: "b", client: { host: "fd00::1", port: 99 }, route: { host: "fd00::1", port: 6222 } },
    { name: "c", client: { host: "c.example", port: 1 }, route: { host: "10.1.0.1", port: 2 } },
  ]);
  const rows: readonly (readonly [string, RegExp])[] = [
    ["b1", /"b1" is no NAME=HOST\[:PORT\]/],
    ["b1=a:70000,b2=b,b3=c", /"b1=a:70000" is no NAME=HOST/],
    ["b1=a:0,b2=b,b3=c", /"b1=a:0" is no NAME=HOST/],
    ["b.1=a,b2=b,b3=c", /"b\.1=a": name: /],
    ["b1=a,b2=b", /2 are named; it takes 3 brokers to survive the loss of one/],
    ["b1=a,b2=b,b3=c,b4=d", /4 are named/],
    ["b1=a,b1=b,b3=c", /b1 is the name of two/],
    ["b1=a,b2=a,b3=c", /a:4222 is named twice/],
    ["b1=a:6222,b2=b,b3=c", /a:6222 is named twice/],
    ["b1=0.0.0.0,b2=b,b3=c", /0\.0\.0\.0 is no address that others can dial/],
    ["b1=127.0.0.1,b2=b,b3=c", /127\.0\.0\.1 is loopback and b is not/],
  ];
  for (const [text, says] of rows) t.throws(() => parseMembers(text), says, text);
  t.end();
});

t.test("the certificate of a broker is of its hosts and for both ends", async (t) => {
  const bench = await Bench.make();
  t.teardown(() => bench.clear());
  const nowMs = Date.now();
  const authority = await openBrokerAuthority(bench.data, nowMs);
  const hosts = ["10.0.0.1", "fd00::1:2", "b1.example"];
  const certificate = new X509Certificate(authority.issuePeer(nowMs, hosts).cert);
  t.ok(certificate.verify(new X509Certificate(authority.certificate).publicKey));
  t.ok(certificate.checkHost("broker.meseta"));
  t.ok(certificate.checkHost("b1.example"));
  t.ok(certificate.checkIP("10.0.0.1"));
  t.ok(certificate.checkIP("fd00::1:2"));
  t.notOk(certificate.checkIP("10.0.0.2"));
  t.notOk(certificate.checkHost("b2.example"));
  t.same(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  const years = (Date.parse(certificate.validTo) - nowMs) / (365 * 86_400_000);
  t.ok(years > 4 && years < 6, `${years} years`);
  const late = nowMs + 8 * 365 * 86_400_000;
  const short = new X509Certificate(authority.issuePeer(late, hosts).cert);
  t.equal(
    short.validTo,
    new X509Certificate(authority.certificate).validTo,
    "not longer than ours",
  );
});

t.test("files of brokers, and what is refused", async (t) => {
  // Fetched once where there is none, outside the time that a start has.
  await findBroker({ env: process.env, progress: () => undefined, mayProvision: true });
  const bench = await Bench.make();
  const dirs = ["here", "there"].map((data) => join(bench.dir, data, "brokers", "b1"));
  t.teardown(async () => {
    for (const dir of dirs) await endLeftBroker(dir);
    await bench.clear();
  });
  const create = (name: string, ...more: string[]) => {
    const out = join(bench.dir, `${name}.file`);
    const flags = ["--data", bench.data, "--cluster", "prod", "--out", out];
    const kind = more[0]?.startsWith("--") === false ? (more.shift() ?? "") : "broker";
    return bench.meseta(["credential", "create", kind, name, ...flags, ...more]);
  };
  const make = (name: string, cluster: string, members?: string, data = bench.data) => {
    const config = resolveConfig({ flags: { data, cluster } });
    const out = join(bench.dir, `${name}.file`);
    const tell = (): void => undefined;
    return createBrokerCredential(config, undefined, { name, members, out, tell });
  };
  const refused = async (ended: ReturnType<typeof create>, exit: number, says: RegExp) => {
    const { exit: code, stderr } = await ended;
    t.equal(code, exit, stderr);
    t.match(stderr, says);
    t.notMatch(stderr, /\n\s+at /, "without a trace");
  };

  await t.test("the first file makes the keys, and later ones need no members", async (t) => {
    await t.rejects(make("b1", "prod"), /--members is needed: .* remembers no brokers/);
    await t.rejects(make("b9", "prod", MEMBERS), /name: b9 is none of the members b1, b2/);
    t.notOk(existsSync(bench.data), "what is refused leaves nothing");
    const made = await create("b1", "--members", MEMBERS);
    t.match(made, { exit: 0, stderr: /made the keys of cluster prod in .*trust/ });
    await t.rejects(make("b2", "local"), /--cluster: .* are of the cluster prod, not local/);
    await make("b2", "prod");
    await Promise.all([
      create("a1", "agent", "--lifetime", "365d").then((ended) =>
        t.match(ended, { exit: 0, stderr: "" }),
      ),
      refused(create("b3", "--nats", "nats://x:1"), 2, /--nats: a broker dials others by/),
      refused(create("a2", "agent", "--members", MEMBERS), 2, /--members: it is of brokers/),
      refused(
        create("a2", "agent", "--lifetime", "9y"),
        2,
        /--lifetime: 9y is no duration from 1s/,
      ),
      refused(create("b2", "--lifetime", "9d"), 2, /--lifetime: a broker's file is good for 1825d/),
    ]);
    const text = readFileSync(join(bench.dir, "b1.file"), "utf8");
    t.equal(statSync(join(bench.dir, "b1.file")).mode & 0o777, 0o600);
    for (const name of ["operator", "account", "system", "role-master"]) {
      const seed = readFileSync(join(bench.data, "trust", `${name}.seed`), "utf8").trim();
      t.notMatch(text, seed, `no seed of ${name}`);
    }
    const agent = readFileSync(join(bench.dir, "a1.file"), "utf8");
    const all = [1, 2, 3].map((host) => `nats://${NET}.${host}:4222`);
    const jwt = parseCredentialFile(agent).entries[0]?.credential.jwt ?? "";
    const days = ((expiryMs(jwt) ?? 0) - Date.now()) / 86_400_000;
    t.ok(days > 364 && days < 366, `${days} days`);
    t.match(agent, `# servers ${all.join(",")}`, "who comes to them is told all of them");
  });

  const file = join(bench.dir, "b1.file");
  const start = (...more: string[]) => ["broker", "--credential", file, ...more];
  const here = ["--data", join(bench.dir, "here")];
  const there = ["--data", join(bench.dir, "there")];

  const fails = (flags: Readonly<Record<string, string>>, says: RegExp) => {
    const config = resolveConfig({ flags: { data: join(bench.dir, "here"), ...flags } });
    return t.rejects(runBroker(config, { tell: () => undefined }), says, JSON.stringify(flags));
  };

  await t.test("a broker that cannot be started says why", async () => {
    await fails({}, /--credential is needed: .*create broker/);
    const missing = join(bench.dir, "absent");
    await fails({ credential: missing }, /--credential: .*absent cannot be used: ENOENT/);
    const agent = join(bench.dir, "a1.file");
    await fails({ credential: agent }, /is of the role agent, not of a broker; have one made/);
    const cut = join(bench.dir, "cut");
    writeFileSync(cut, readFileSync(file, "utf8").replace(/"secret"/, '"secrets"'), {
      mode: 0o600,
    });
    await fails({ credential: cut }, /cut is no file of a broker, or damaged: \/secret/);
    chmodSync(cut, 0o644);
    await fails({ credential: cut }, /others may read or change it; chmod 600/);
    const far = "192.0.2.77";
    await fails({ credential: file, listen: far }, /--listen: 192\.0\.2\.77:4222 is not loopback/);
    await fails({ credential: file, listen: "x:y" }, /--listen: "x:y" is no ADDRESS\[:PORT\]/);
    const same = { credential: file, "cluster-listen": `${NET}.1:4222` };
    await fails(same, /--cluster-listen: .*:4222 is that of clients too/);
    await fails({ credential: file, data: "/etc/passwd" }, /--data: .*cannot be used: /);
    const wrong = bench.meseta(start(...here, "--agents", "1"));
    await refused(wrong, 2, /unknown option '--agents'/);
    const master = bench.meseta(["master", "--credential", file, ...here]);
    await refused(master, 1, /b1\.file is of a broker, for meseta broker alone/);
  });

  await t.test("one that runs keeps others off its directory and its ports", async (t) => {
    const first = bench.start(start(...here));
    await first.says(/broker b1 of cluster prod runs nats-server .* at nats:\/\/127\./);
    const route = start("--data", join(bench.dir, "third"), "--listen", `${NET}.9`);
    await Promise.all([
      refused(bench.meseta(start(...here)), 1, /--data: broker b1 runs from .*here.* already/),
      refused(bench.meseta(start(...there)), 1, /--listen: .*:4222 cannot be had: another pro/),
      refused(bench.meseta(route), 1, /--cluster-listen: .*:6222 cannot be had: another/),
    ]);
    // Its keeper is killed: what it left running is ended by who comes next.
    const left = childOf(join(bench.dir, "here"));
    first.signal("SIGKILL");
    await first.ended;
    t.ok(isAlive(left));
    const second = bench.start(start(...here));
    await second.says(/broker b1 of cluster prod runs nats-server/);
    t.notOk(isAlive(left));
    const now = childOf(join(bench.dir, "here"));
    process.kill(now, "SIGKILL");
    await second.says(/nats-server ended with SIGKILL.*; another starts in 100 ms/);
    await second.says(/nats-server is back/);
    second.signal("SIGTERM");
    t.equal((await second.end()).exit, 0);
    t.same(processesNaming(join(bench.dir, "here")), [], "nothing of it is left");
  });

  await t.test("a directory of another cluster is not taken", async () => {
    await make("b1", "test", MEMBERS, join(bench.dir, "other"));
    await fails({ credential: file }, /what a broker of another cluster wrote \(prod\)/);
  });

  await t.test("nor one that is another user's", { skip: !isRoot && "needs root" }, async () => {
    const locked = join(bench.dir, "locked");
    mkdirSync(locked, { mode: 0o700 });
    const mine = join(bench.dir, "mine.file");
    writeFileSync(mine, readFileSync(file), { mode: 0o600 });
    execFileSync("chown", ["65534", mine]);
    const args = ["broker", "--credential", mine, "--data", locked];
    const nobody = { uid: 65_534, gid: 65_534, env: { HOME: bench.dir } };
    await refused(bench.meseta(args, nobody), 1, /--data: .*locked.* cannot be used: EACCES/);
  });
});

function childOf(data: string): number {
  const path = join(data, "brokers", "b1", "process.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { pid: number }).pid;
}
