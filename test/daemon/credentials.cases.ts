/** Trust and credentials, against a real broker. */
import { chmod, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { credentialName, type Identity, inboxOf } from "#access";
import {
  type Credential,
  credentialText,
  keyFromSeed,
  makeKey,
  natsBus,
  parseCredential,
  systemClock,
} from "#adapters";
import { asId, type ClusterId, type Principal } from "#protocol";
import { expiryMs, openTrust } from "#daemon";
import { AGENT, FRAMEWORK, OTHER_AGENT } from "../contracts/bus.cases.ts";
import { startTestBroker, type TestBroker } from "../support/broker.ts";
import { until } from "../support/until.ts";

const cluster: ClusterId = asId("test");
const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), "meseta-test-trust-"));
const open = (dataDir: string, nowMs = () => Date.now()) => openTrust({ dataDir, cluster, nowMs });

t.test(
  "a trust is kept in files of its owner alone and is the same when opened again",
  async (test) => {
    const dir = await scratch();
    test.teardown(() => rm(dir, { recursive: true, force: true }));
    const first = await open(dir);
    const names = await readdir(join(dir, "trust"));
    test.equal(names.length, 11);
    for (const name of names) {
      test.equal((await stat(join(dir, "trust", name))).mode & 0o777, 0o600, name);
    }
    const again = await open(dir);
    test.equal(again.broker.accountId, first.broker.accountId);
    test.equal(again.broker.systemAccountId, first.broker.systemAccountId);
    await chmod(join(dir, "trust", "account.seed"), 0o644);
    await test.rejects(open(dir), /mode 644 lets others read/);
    await rm(join(dir, "trust", "account.seed"));
    await test.rejects(open(dir), /the seeds account are missing/);
  },
);

function nextLetter(letter: string): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  return letters[letters.indexOf(letter) + 1] ?? "";
}

t.test("keys and credential files come back from their text, and damage is seen", async (test) => {
  const key = makeKey("user");
  test.equal(keyFromSeed(key.seed).id, key.id);
  test.match(key.id, /^U[A-Z2-7]{55}$/);
  test.match(key.seed, /^SU[A-Z2-7]{56}$/);
  const other = key.seed.endsWith("A") ? "B" : "A";
  const damaged = key.seed.slice(0, 20) + (key.seed[20] === "A" ? "B" : "A") + key.seed.slice(21);
  // The last letter holds three bits of the key; the other two must be 0.
  const padded = key.seed.slice(0, -1) + nextLetter(key.seed.at(-1) ?? "");
  for (const bad of [damaged, padded, key.seed.slice(0, -1) + other, key.id, "", "S1"]) {
    test.throws(() => keyFromSeed(bad), JSON.stringify(bad));
  }
  const credential: Credential = { jwt: "a.b.c", seed: key.seed };
  test.same(parseCredential(credentialText(credential)), credential);
  test.throws(() => parseCredential("nothing"), /no part NATS USER JWT/);
});

t.test("a name that would be a wildcard is not signed", async (test) => {
  const dir = await scratch();
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  const trust = await open(dir);
  for (const bad of ["*", ">", "a.b", "a b", ""]) {
    const identity: Identity = { role: "agent", principal: bad as Principal };
    test.throws(() => trust.issue(identity), /no credential: principal/, JSON.stringify(bad));
  }
  const half: Identity = { role: "framework", principal: asId("f"), instance: "*" as never };
  test.throws(() => trust.issue(half), /no credential: instance/);
});

t.test("lifetimes are written into the token", async (test) => {
  const dir = await scratch();
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  const trust = await open(dir, () => 1_700_000_000_000);
  test.equal(expiryMs(trust.issue(AGENT).jwt), 1_700_000_000_000 + 30 * 86_400_000);
  test.equal(expiryMs(trust.issue(AGENT, 5_000).jwt), 1_700_000_005_000);
});

/** Whether somebody with this credential gets in; why not otherwise. */
async function dial(broker: TestBroker, who: Identity, credential: Credential): Promise<string> {
  const bus = natsBus({ ...broker.optionsFor(who), credential: () => credential });
  const news: string[] = [];
  bus.onStatus((status) => {
    news.push(status.kind === "disconnected" ? status.why : status.kind);
  });
  await until(() => news.length > 0, "an answer of the broker");
  let over = false;
  bus.close(() => {
    over = true;
  });
  await until(() => over, "closed");
  return news[0] ?? "";
}

t.test("a broker lets in whom this trust has signed, and nobody else", async (test) => {
  const broker = await startTestBroker();
  const dir = await scratch();
  test.teardown(async () => {
    await broker.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const { trust } = broker;
  const good = trust.issue(AGENT);
  test.equal(await dial(broker, AGENT, good), "connected");
  const key = makeKey("user");
  const jwt = trust.mint({ identity: AGENT, userId: key.id });
  test.equal(
    await dial(broker, AGENT, { jwt, seed: key.seed }),
    "connected",
    "a key made elsewhere",
  );
  const stolen = { jwt: good.jwt, seed: makeKey("user").seed };
  const foreign = (await open(dir)).issue(AGENT);
  const [head = "", body = "", signature = ""] = good.jwt.split(".");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as { name: string };
  const renamed = Buffer.from(JSON.stringify({ ...claims, name: "a2" })).toString("base64url");
  const refused: readonly (readonly [string, Credential])[] = [
    ["another's token with a key of one's own", stolen],
    ["a token of another trust", foreign],
    ["a token that was altered", { jwt: `${head}.${renamed}.${signature}`, seed: good.seed }],
    ["a token that is over", trust.issue(AGENT, -1_000)],
    ["no token", { jwt: "", seed: good.seed }],
  ];
  for (const [title, credential] of refused) {
    test.match(await dial(broker, AGENT, credential), /authorization|expired/i, title);
  }
});

t.test(
  "a credential that ran out is replaced by the renewed one at the next dial",
  async (test) => {
    const broker = await startTestBroker();
    test.teardown(() => broker.stop());
    const soonOver = broker.trust.issue(AGENT, 2_000);
    const renewed = broker.trust.issue(AGENT);
    let dials = 0;
    const bus = natsBus({
      ...broker.optionsFor(AGENT),
      credential: () => {
        dials += 1;
        // A few dials come too early, with what has run out; the library would give up there.
        return dials < 5 ? soonOver : renewed;
      },
    });
    const news: string[] = [];
    bus.onStatus(({ kind }) => void news.push(kind));
    await until(() => dials >= 5 && bus.connected, "it is cut off and comes back");
    await until(() => news.at(-1) === "connected", "and says so");
    test.same(news.slice(0, 2), ["connected", "disconnected"]);
    let over = false;
    bus.close(() => {
      over = true;
    });
    await until(() => over, "closed");
  },
);

t.test("a credential under another's inbox hears nothing and is told", async (test) => {
  const broker = await startTestBroker();
  test.teardown(() => broker.stop());
  const credential = broker.trust.issue(OTHER_AGENT);
  const options = { ...broker.optionsFor(AGENT), credential: () => credential };
  const bus = natsBus({ ...options, inbox: inboxOf(AGENT), clock: systemClock() });
  const forbidden: string[] = [];
  bus.onStatus((status) => {
    if (status.kind === "forbidden") forbidden.push(status.subject);
  });
  await until(() => forbidden.length > 0, "the inbox is refused");
  test.match(forbidden[0], inboxOf(AGENT));
  test.equal(credentialName(FRAMEWORK), "f1.i1");
  let over = false;
  bus.close(() => {
    over = true;
  });
  await until(() => over, "closed");
});
