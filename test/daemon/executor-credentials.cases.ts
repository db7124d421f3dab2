/**
 * The credentials of custom executors (P-4.5): signed in advance for the agent that asks, each given
 * once, renewed while its container lives, gone with it; and what is said where nobody signs.
 */
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import {
  entryOf,
  makeKey,
  pinoLogger,
  readCredentialFile,
  systemClock,
  systemRandom,
} from "#adapters";

import {
  EXECUTOR_POOL_LENGTH,
  ExecutorCredentials,
  JoinTokens,
  Revocations,
  startRegistrar,
} from "#daemon";
import { asId, decodeSingle, encodeSingle, type Principal } from "#protocol";
import type { Bus, Clock, RequestOutcome } from "#runtime";
import { startTestBroker } from "../support/broker.ts";
import { until } from "../support/until.ts";

const PRINCIPAL = asId<Principal>("node-1");
const OWN = { user: null, userNamespace: false };
const STANDARD_ERROR = 2;

void t.test("executors have credentials of their own", async (t) => {
  const tested = await startTestBroker();
  const { trust, dir, subjects, broker } = tested;
  const agentBus = await tested.connect({ role: "agent", principal: PRINCIPAL });
  const scratch = await mkdtemp(join(tmpdir(), "meseta-test-executors-"));
  const runtimeDir = join(scratch, "run");
  await mkdir(runtimeDir);
  let registrar: Bus | undefined;
  let aheadMs = 0;
  const system = systemClock();
  const clock: Clock = {
    monotonicMs: () => system.monotonicMs(),
    wallMs: () => system.wallMs() + aheadMs,
    timer: (inMs, fire) => system.timer(inMs, fire),
    soon: (run) => system.soon(run),
  };
  const made: ExecutorCredentials[] = [];
  const open = (servers = [broker.url]): ExecutorCredentials => {
    const credentials = new ExecutorCredentials({
      ...{ cluster: trust.cluster, principal: PRINCIPAL, bus: agentBus, clock, runtimeDir },
      dir: join(scratch, "executors"),
      reach: { servers },
      random: systemRandom(),
      logger: pinoLogger({ level: "error", to: STANDARD_ERROR }),
      userIds: null,
    });
    made.push(credentials);
    return credentials;
  };
  const fileOf = (folder: string) => readCredentialFile(join(folder, "executor.creds"));
  t.teardown(async () => {
    for (const one of made) one.stop();
    await new Promise<void>((resolve) => agentBus.close(resolve));
    if (registrar !== undefined) await new Promise<void>((resolve) => registrar?.close(resolve));
    await tested.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  await t.test("none where nobody signs, and that is said", async (t) => {
    const credentials = open();
    await credentials.first;
    t.match(credentials.take(OWN), /no credential left to give it: meseta up, which signs/);
    t.same([...credentials.counts()].slice(-1), [["executor-credential", "refused", 1]]);
    credentials.stop();
  });

  registrar = await tested.connect({ role: "registrar" });
  const tell = (sentence: string): void => t.comment(sentence);
  const nowMs = (): number => Date.now();
  const tokens = new JoinTokens(dir);
  const revocations = new Revocations(dir);
  startRegistrar({ bus: registrar, subjects, trust, tokens, revocations, nowMs, tell });
  await new Promise((resolve) => registrar?.flush(resolve));

  let folder = "";
  await t.test("a pool is signed in advance, and each is given to one container", async (t) => {
    const credentials = open();
    await credentials.first;
    const given = Array.from({ length: EXECUTOR_POOL_LENGTH }, () => credentials.take(OWN));
    const folders = given.map((one) => (typeof one === "string" ? one : (one.credentialDir ?? "")));
    t.equal(new Set(folders).size, EXECUTOR_POOL_LENGTH);
    t.match(credentials.take(OWN), /more are being signed; try again/, "a burst has an end");
    const files = folders.map((one) => entryOf(fileOf(one), "executor"));
    t.ok(files.every(({ identity }) => identity.principal === PRINCIPAL));
    t.equal(new Set(files.map(({ credential }) => credential.seed)).size, files.length);
    const one = join(folders[0] ?? "", "executor.creds");
    t.equal((await stat(one)).mode & 0o777, 0o600);
    t.equal((await stat(join(scratch, "executors"))).mode & 0o777, 0o700);
    await until(() => typeof credentials.take(OWN) !== "string", "more are signed");
    folder = folders[0] ?? "";
    credentials.stop();
  });

  await t.test("an agent gets them for its own executors alone", async (t) => {
    const ask = async (subject: string, key: string) => {
      const executors = [{ containerId: asId<never>("c1"), key }];
      const message = { kind: "SignExecutors", id: 1, re: 0, body: { executors } } as const;
      const encoded = encodeSingle(message, 0);
      if (encoded.fault !== undefined) throw new Error(encoded.fault);
      const outcome = await new Promise<RequestOutcome>((resolve) =>
        agentBus.request(subject, encoded.bytes, 500, resolve),
      );
      if (outcome.kind !== "reply") return outcome.kind;
      const decoded = decodeSingle(outcome.message.data);
      return decoded.reason === undefined ? decoded.message?.body : decoded.reason;
    };
    const key = makeKey("user").id;
    t.match(await ask(subjects.renewing(PRINCIPAL), "no-key"), { reason: "key-invalid" });
    const forbidden: string[] = [];
    const heard = agentBus.onStatus((status) => {
      if (status.kind === "forbidden") forbidden.push(status.subject);
    });
    const other = subjects.renewing(asId("node-2"));
    t.equal(await ask(other, key), "timeout");
    heard.stop();
    t.same(forbidden, [other], "the broker refuses it to ask in another's name");
  });

  await t.test(
    "it is renewed while its container lives, and goes when it is forgotten",
    async (t) => {
      const before = entryOf(fileOf(folder), "executor").credential;
      const containerId = folder.split("/").at(-1) ?? "";
      await mkdir(join(runtimeDir, containerId));
      aheadMs = 40 * 60_000;
      const moved = ["nats://127.0.0.1:1"];
      const credentials = open(moved);
      await credentials.first;
      const after = entryOf(fileOf(folder), "executor").credential;
      t.equal(after.seed, before.seed, "the same key");
      t.not(after.jwt, before.jwt, "signed anew");
      t.same(fileOf(folder).servers, moved, "and where the broker is now");
      t.same(
        await readdir(join(scratch, "executors")),
        [containerId],
        "those of no container went",
      );
      await rm(join(runtimeDir, containerId), { recursive: true });
      credentials.stop();
      const next = open(moved);
      await next.first;
      t.notOk(existsSync(folder));
      next.stop();
    },
  );
});
