/** How machines join: lines, tokens, certificates, and the way from one to a credential by TLS. */
import { X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import fc from "fast-check";
import t, { type Test } from "tap";
import { credentialName, inboxOf } from "#access";
import {
  BROKER_TLS_NAME,
  entryOf,
  isUserKey,
  makeKey,
  natsBus,
  readCredentialFile,
  systemClock,
} from "#adapters";
import { resolveConfig } from "#config";
import {
  expiryMs,
  fateOfToken,
  joinCluster,
  type JoinLine,
  joinLineText,
  JoinTokens,
  openBrokerAuthority,
  openTrust,
  parseJoinLine,
  parseListen,
  principalOf,
  renewOnce,
  Revocations,
  revokeCredential,
  listCredentials,
  startBrokerListener,
  startRegistrar,
  userKeyOf,
} from "#daemon";
import {
  agentPeer,
  asId,
  type ClusterId,
  decodeSingle,
  encodeSingle,
  type Epoch,
  type Principal,
  type TokenId,
} from "#protocol";
import type { Bus, RequestOutcome } from "#runtime";
import { startTestBroker } from "../support/broker.ts";
import { until } from "../support/until.ts";

const HOUR_MS = 3_600_000;
const nowMs = (): number => Date.now();

async function scratch(test: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "meseta-test-join-"));
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

const LINE: JoinLine = {
  cluster: "test",
  servers: ["tls://10.0.0.1:4222"],
  authority: "AAAA",
  jwt: "a.b.c",
  seed: "SUAB",
};

t.test("a line comes back whole, or it is said that it is cut, changed or none", async (test) => {
  const text = joinLineText(LINE);
  test.same(parseJoinLine(`${text}\n`), LINE);
  test.throws(() => parseJoinLine("nonsense"), /no line of meseta token create/);
  test.throws(() => parseJoinLine(text.slice(0, -1)), /cut or changed/);
  test.throws(() => parseJoinLine(text.slice(0, 60)), /cut or changed/);
  const place = fc.nat(text.length - 1);
  fc.assert(
    fc.property(place, fc.constantFrom(..."abcXYZ019_-."), (at, letter) => {
      fc.pre(text[at] !== letter);
      const changed = text.slice(0, at) + letter + text.slice(at + 1);
      test.throws(() => parseJoinLine(changed), /--join: /);
    }),
    { numRuns: 200 },
  );
});

t.test("an address to listen on is read, or refused by name", async (test) => {
  test.same(parseListen("10.0.0.1"), { host: "10.0.0.1", port: 4222 });
  test.same(parseListen("[fd00::1]:99"), { host: "fd00::1", port: 99 });
  for (const bad of ["", ":1", "a:b:c", "10.0.0.1:70000", "fd00::1"]) {
    test.throws(() => parseListen(bad), /--listen: .* is no ADDRESS/);
  }
});

t.test("a token is good so often and so long, and for who used it before", async (test) => {
  const tokens = new JoinTokens(await scratch(test));
  const wish = { role: "agent", uses: 2, createdMs: 1_000, expiresMs: 9_000 } as const;
  const { id } = await tokens.create(wish);
  const fate = async (atMs: number, key?: string) => {
    const state = await tokens.find(id);
    return state === undefined ? "none" : fateOfToken(state, atMs, key);
  };
  await tokens.markUsed(asId<TokenId>(id), "U1", "p1");
  await tokens.markUsed(asId<TokenId>(id), "U1", "p1");
  test.equal(await fate(2_000, "U2"), "good", "one key twice is one use");
  await tokens.markUsed(asId<TokenId>(id), "U2", "p2");
  test.equal(await fate(2_000, "U3"), "token-used");
  test.equal(await fate(2_000, "U1"), "good", "its answer may have been lost");
  test.equal(await fate(9_000, "U1"), "token-expired");
  await tokens.revoke(id);
  test.equal(await fate(2_000, "U1"), "token-revoked");
  test.match(await tokens.list(), [{ token: { id }, usedBy: ["U1", "U2"], revoked: true }]);
  await test.rejects(tokens.revoke("nobody"), /there is no token nobody/);
  test.equal(await tokens.find("../../etc/passwd"), undefined);
});

t.test("a principal is made of the key, whatever a machine calls itself", async (test) => {
  const key = makeKey("user").id;
  test.ok(isUserKey(key));
  for (const bad of ["", key.slice(1), `${key}A`, key.replace("U", "A"), "../x"]) {
    test.notOk(isUserKey(bad), bad);
  }
  const mark = key.slice(-14, -4).toLowerCase();
  test.equal(principalOf({ host: "web1.example.org", key }), `web1-${mark}`);
  test.equal(principalOf({ host: "agent-1.* >", key }), `agent-1-${mark}`);
  test.equal(principalOf({ host: "..", key }), `agent-${mark}`);
});

t.test(
  "the authority is kept, its key is its owner's alone, and it signs brokers",
  async (test) => {
    const dir = await scratch(test);
    const first = await openBrokerAuthority(dir, nowMs());
    const again = await openBrokerAuthority(dir, nowMs());
    test.same(again.certificate, first.certificate);
    const key = join(dir, "trust", "broker-tls.key");
    test.equal((await stat(key)).mode & 0o777, 0o600);
    const authority = new X509Certificate(first.certificate);
    const server = new X509Certificate(again.issue(nowMs()).cert);
    test.ok(authority.ca && !server.ca);
    test.ok(server.verify(authority.publicKey) && server.checkIssued(authority));
    test.equal(server.checkHost(BROKER_TLS_NAME), BROKER_TLS_NAME);
    test.equal(Date.parse(server.validTo) > nowMs(), true);
    await test.rejects(openBrokerAuthority(dir, nowMs() + 3_640 * 24 * HOUR_MS), /ends on/);
    await chmod(key, 0o644);
    await test.rejects(openBrokerAuthority(dir, nowMs()), /chmod 600/);
  },
);

t.test("a trust of before has no keys for those that join, and gets them", async (test) => {
  const dir = await scratch(test);
  const options = { dataDir: dir, cluster: asId<ClusterId>("test"), nowMs };
  const first = await openTrust(options);
  await rm(join(dir, "trust", "role-joiner.seed"));
  await rm(join(dir, "trust", "role-registrar.seed"));
  const again = await openTrust(options);
  test.equal(again.broker.accountId, first.broker.accountId);
});

t.test("machines join a broker by TLS", async (test) => {
  const tested = await startTestBroker();
  const { trust, dir, broker, subjects } = tested;
  const told: string[] = [];
  const tell = (sentence: string): void => void told.push(sentence);
  const authority = await openBrokerAuthority(dir, nowMs());
  const listener = await startBrokerListener({
    address: { host: "127.0.0.1", port: 0 },
    authority,
    brokerPort: broker.port,
    nowMs,
    tell,
  });
  const registrar = await tested.connect({ role: "registrar" });
  const tokens = new JoinTokens(dir);
  const revocations = new Revocations(dir);
  startRegistrar({ bus: registrar, subjects, trust, tokens, revocations, nowMs, tell });
  await new Promise((resolve) => registrar.flush(resolve));
  test.teardown(async () => {
    await new Promise<void>((resolve) => registrar.close(resolve));
    await listener.stop();
    await tested.stop();
  });
  const port = Number(listener.servers[0]?.split(":").at(-1));

  const lineOf = async (more: { uses?: number; lifeMs?: number; authority?: Buffer } = {}) => {
    const { uses = 1, lifeMs = HOUR_MS } = more;
    const at = { createdMs: nowMs(), expiresMs: nowMs() + lifeMs };
    const token = await tokens.create({ role: "agent", uses, ...at });
    const identity = { role: "joiner", tokenId: asId<TokenId>(token.id) } as const;
    const line: JoinLine = {
      cluster: trust.cluster,
      servers: [...listener.servers],
      authority: (more.authority ?? authority.certificate).toString("base64url"),
      ...trust.issue(identity, lifeMs),
    };
    return { id: token.id, line };
  };
  const machine = async () => {
    const config = resolveConfig({ flags: { data: await scratch(test) } });
    return (line: JoinLine) => joinCluster(line, config, tell);
  };
  const busBy = (path: string) => {
    const file = readCredentialFile(path);
    const { identity, credential } = entryOf(file, "agent");
    const bus = natsBus({
      servers: file.servers,
      ...(file.authority === undefined ? {} : { authority: file.authority }),
      credential: () => credential,
      inbox: inboxOf(identity),
      name: "joined",
      clock: systemClock(),
      nonce: `n${Math.random()}`,
    });
    return { bus, identity };
  };

  await test.test("once by each token, and are agents then", async (test) => {
    const { id, line } = await lineOf();
    const join = await machine();
    const path = await join(line);
    const { bus, identity } = busBy(path);
    test.teardown(() => new Promise<void>((resolve) => bus.close(resolve)));
    await until(() => bus.connected, "connects by TLS");
    const forbidden: string[] = [];
    bus.onStatus((status) => {
      if (status.kind === "forbidden") forbidden.push(status.subject);
    });
    bus.subscribe(subjects.toPeer(agentPeer(asId<Principal>("x"))), () => undefined);
    await until(() => forbidden.length === 1, "it may hear only what agents may");
    test.match(identity.principal, /-[a-z2-7]{10}$/);
    test.equal(await join(line), path, "who has joined does not join again");
    test.match(told.at(-1), /has joined already as/);
    const other = await machine();
    await test.rejects(other(line), /has been used as often as it may be; have another made/);
    test.match(await tokens.find(id), { usedBy: { length: 1 } });
  });

  await test.test("not by a token that was revoked, has expired or is gone", async (test) => {
    const join = await machine();
    const revoked = await lineOf();
    await tokens.revoke(revoked.id);
    await test.rejects(join(revoked.line), /the token was revoked; have another made/);
    const gone = await lineOf();
    await rm(`${dir}/trust/tokens/${gone.id}.token.json`);
    await test.rejects(join(gone.line), /no such token any more; have another made/);
    const short = await lineOf({ lifeMs: 1_000 });
    await until(() => nowMs() >= (expiryMs(short.line.jwt) ?? 0), "the line expires");
    await test.rejects(join(short.line), /the line expired at .*; have another made/);
    const foreign = await openTrust({
      dataDir: await scratch(test),
      cluster: trust.cluster,
      nowMs,
    });
    const identity = { role: "joiner", tokenId: asId<TokenId>("t1") } as const;
    const forged = { ...gone.line, ...foreign.issue(identity) };
    await test.rejects(join(forged), /refuses the line: .*another cluster; have another made/);
  });

  await test.test("not of a stranger", async (test) => {
    const stranger = await openBrokerAuthority(await scratch(test), nowMs());
    const { line } = await lineOf({ authority: stranger.certificate });
    const join = await machine();
    await test.rejects(join(line), /is not the one of the line: .*certificate/);
  });

  await test.test("and without TLS hear nothing", async (test) => {
    const socket = connectPlain(port, "127.0.0.1");
    let heard = 0;
    socket.on("data", (bytes) => {
      heard += bytes.length;
    });
    socket.on("error", () => undefined);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.write("CONNECT {}\r\nPING\r\n");
    await closed;
    test.ok(heard < 16, "an alert of TLS at most");
    await until(() => told.some((one) => /refused: it spoke no TLS/.test(one)), "it is told");
    const old = connectTls({ port, host: "127.0.0.1", maxVersion: "TLSv1.1", minVersion: "TLSv1" });
    const why = await new Promise<Error>((resolve) => old.once("error", resolve));
    test.ok(why instanceof Error, "nor by a TLS of before");
  });

  await test.test("an agent's credential is renewed, for the same key and name", async (test) => {
    const { line } = await lineOf();
    const path = await (await machine())(line);
    const before = entryOf(readCredentialFile(path), "agent");
    const connect = () => busBy(path).bus;
    test.equal(await renewOnce(path, connect, systemClock()), false, "it is young");
    test.equal(await renewOnce(path, connect, systemClock(), 1e12), true);
    const after = entryOf(readCredentialFile(path), "agent");
    test.same(after.identity, before.identity);
    test.equal(after.credential.seed, before.credential.seed);
    test.not(after.credential.jwt, before.credential.jwt);
    test.match(await readFile(path, "utf8"), /^# authority /m);
  });

  await test.test("a machine's credential is taken away, and stays so", async (test) => {
    const { line } = await lineOf({ uses: 2 });
    const join = await machine();
    const path = await join(line);
    const thief = busBy(path);
    const key = userKeyOf(entryOf(readCredentialFile(path), "agent").credential.jwt);
    const principal = credentialName(thief.identity);
    const other = busBy(await (await machine())(line));
    const close = (bus: Bus) => new Promise<void>((resolve) => bus.close(resolve));
    test.teardown(() => Promise.all([close(thief.bus), close(other.bus)]));
    await until(() => thief.bus.connected && other.bus.connected, "both are connected");
    let losses = 0;
    other.bus.onStatus(({ kind }) => {
      if (kind === "disconnected") losses += 1;
    });
    // A key of the thief's own, in the name that it stole.
    const body = { key: makeKey("user").id, host: "x", version: "test" };
    const asked = encodeSingle({ kind: "Join", id: 1, re: 0, body }, 0 as Epoch);
    if (asked.fault !== undefined) throw new Error(asked.fault);
    const answer = await new Promise<RequestOutcome>((done) =>
      thief.bus.request(subjects.renewing(asId(principal)), asked.bytes, 5_000, done),
    );
    const told = answer.kind === "reply" ? decodeSingle(answer.message.data) : undefined;
    test.match(told, { message: { kind: "JoinRefused", body: { reason: "key-unknown" } } });

    const config = resolveConfig({ flags: { data: dir, cluster: "test", nats: broker.url } });
    await test.rejects(
      revokeCredential(config, undefined, "nobody"),
      /nobody is no credential file/,
    );
    test.match(await revokeCredential(config, undefined, principal), {
      keys: [{ key, holder: `agent ${principal}` }],
      untold: undefined,
    });
    await until(() => !thief.bus.connected, "it is cut off");
    const listed = await listCredentials(config, undefined);
    test.match(
      listed.find((one) => one.key === key),
      { state: "revoked", holder: `agent ${principal}` },
    );
    test.equal(losses, 0, "nobody else is");
    await tested.kill();
    await tested.back();
    await until(() => other.bus.connected, "the broker is back, and who may is");
    test.notOk(thief.bus.connected, "the broker that starts knows it too");
  });
});
