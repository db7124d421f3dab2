/**
 * The HTTP API of a whole master in one process: who gets in, what is refused in
 * which words, what the streams say. The bus is the one within the process.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { type ApiErrorBody, ROUTES, type SseEvent, SseReader } from "#api";
import { pinoLogger, systemClock } from "#adapters";
import { localConnections, type MasterProcess, startMaster } from "#daemon";
import { asId, type ClusterId } from "#protocol";
import { until, within } from "../support/until.ts";

const cluster: ClusterId = asId("doors");

async function startDoors(): Promise<{ master: MasterProcess; stop(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "meseta-test-gateway-"));
  const logger = pinoLogger({ level: "warn", to: join(dir, "log") });
  const master = await startMaster({
    cluster,
    identities: {
      master: { role: "master", masterId: asId("m1") },
      operator: { role: "operator", principal: asId("gateway") },
      framework: { role: "framework", principal: asId("run"), instance: asId("main") },
    },
    connections: localConnections({
      cluster,
      clock: systemClock(),
      logDir: join(dir, "records"),
      warn: (sentence) => logger.log("warn", sentence),
    }),
    logger,
    dir: join(dir, "master"),
    host: "127.0.0.1",
    ports: [0],
    insecure: false,
    alone: true,
    offerTimeoutMs: 60_000,
    allocationIntervalMs: 100,
    agentPingMs: 15_000,
    agentReturnMs: 600_000,
    warnings: () => ["a sentence of the process"],
    onGiveUp: (why) => logger.log("error", why),
  });
  await within(master.ready, "somebody leads");
  return {
    master,
    async stop() {
      await master.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface Refusal {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status: number;
  readonly says: RegExp;
}

const JSON_TYPE = { "content-type": "application/json" };
const MIB = 1024 * 1024;

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "a route that does not exist": {
    path: "/v1/nothing",
    status: 404,
    says: /no route \/v1\/nothing/,
  },
  "a method that is not for the path": {
    method: "PATCH",
    path: "/v1/tasks",
    status: 405,
    says: /PATCH is not for this path/,
  },
  "a parameter that does not exist": {
    path: "/v1/tasks?colour=red",
    status: 400,
    says: /there is no parameter "colour"/,
  },
  "a limit beyond its limit": { path: "/v1/tasks?limit=100000", status: 400, says: /limit/ },
  "a filter on a field that does not exist": {
    path: "/v1/tasks?filter=colour%3Dred",
    status: 400,
    says: /there is no field "colour"/,
  },
  "a task that does not exist": { path: "/v1/tasks/none", status: 404, says: /none/ },
  "a topic that does not exist": {
    path: "/v1/events?topics=weather",
    status: 400,
    says: /there is no topic "weather"/,
  },
  "a body of another type": {
    method: "POST",
    path: "/v1/runs",
    body: "argv=true",
    status: 415,
    says: /not application\/json/,
  },
  "a body that is no JSON": {
    method: "POST",
    path: "/v1/runs",
    headers: JSON_TYPE,
    body: "{",
    status: 400,
    says: /the body is not JSON/,
  },
  "a body that is too large": {
    method: "POST",
    path: "/v1/runs",
    headers: JSON_TYPE,
    body: `"${"x".repeat(MIB)}"`,
    status: 413,
    says: /larger than 1048576 bytes/,
  },
  "a run without a command": {
    method: "POST",
    path: "/v1/runs",
    headers: JSON_TYPE,
    body: "{}",
    status: 400,
    says: /argv/,
  },
  "a field that does not exist": {
    method: "POST",
    path: "/v1/runs",
    headers: JSON_TYPE,
    body: '{"argv":["true"],"colour":"red"}',
    status: 400,
    says: /colour/,
  },
  "a quota with a field that does not exist": {
    method: "PUT",
    path: "/v1/quotas/eng",
    headers: JSON_TYPE,
    body: '{"guaranteed":{"cpus":1}}',
    status: 400,
    says: /guaranteed/,
  },
  "a quota below nothing": {
    method: "PUT",
    path: "/v1/quotas/eng",
    headers: JSON_TYPE,
    body: '{"limit":{"cpus":-1}}',
    status: 400,
    says: /limit\/cpus: -1/,
  },
  "a quota that is too fine": {
    method: "PUT",
    path: "/v1/quotas/eng",
    headers: JSON_TYPE,
    body: '{"limit":{"cpus":0.0001}}',
    status: 400,
    says: /field limit\/cpus: 0\.0001 rounds to 0/,
  },
  "a quota of nothing": {
    method: "PUT",
    path: "/v1/quotas/eng",
    headers: JSON_TYPE,
    body: "{}",
    status: 400,
    says: /neither a guarantee nor a limit/,
  },
  "a guarantee that no agent has": {
    method: "PUT",
    path: "/v1/quotas/eng",
    headers: JSON_TYPE,
    body: '{"guarantee":{"cpus":1}}',
    status: 409,
    says: /cpus 1 are guaranteed, and the 0 registered agents have 0; .* force it/,
  },
  "a quota of what can be no role": {
    method: "PUT",
    path: "/v1/quotas/a%2F%2Fb",
    headers: JSON_TYPE,
    body: '{"limit":{"cpus":1}}',
    status: 400,
    says: /empty component/,
  },
  "a quota that nobody set": { path: "/v1/quotas/eng", status: 404, says: /"eng" has no quota/ },
  "to remove what nobody set": {
    method: "DELETE",
    path: "/v1/quotas/eng",
    status: 404,
    says: /eng has no quota/,
  },
  "a role that nobody knows": { path: "/v1/roles/eng", status: 404, says: /no role "eng"/ },
  "a weight of nothing": {
    method: "PUT",
    path: "/v1/weights/eng",
    headers: JSON_TYPE,
    body: '{"weight":0}',
    status: 400,
    says: /weight: 0/,
  },
  "to ask why of a name that nobody bears": {
    path: "/v1/why?name=nobody",
    status: 404,
    says: /no run, task, framework, role or agent is named "nobody"/,
  },
  "a log level that does not exist": {
    method: "PUT",
    path: "/v1/log-level",
    headers: JSON_TYPE,
    body: '{"level":"loud"}',
    status: 400,
    says: /one of trace, debug, info, warn, error/,
  },
};

void t.test("the doors of a master", { timeout: 60_000 }, async (t) => {
  const { master, stop } = await startDoors();
  t.teardown(stop);
  const base = `http://${master.host}:${master.port}`;
  const bearer = { authorization: `Bearer ${master.token}` };
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${base}${path}`, { ...init, headers: { ...bearer, ...init.headers } });

  await t.test("nobody gets in without the token, but for the health checks", async (t) => {
    for (const route of Object.values(ROUTES)) {
      const path = route.path.replace(/\{[a-z]+\}/g, "x");
      for (const headers of [
        {},
        { authorization: "Bearer wrong" },
        { authorization: "Basic eA==" },
      ]) {
        const answer = await fetch(`${base}${path}`, { method: route.method, headers });
        t.equal(answer.status, 401, `${route.method} ${path}`);
        t.equal(answer.headers.get("www-authenticate"), "Bearer");
        await answer.body?.cancel();
      }
    }
    t.equal((await fetch(`${base}/metrics`)).status, 401);
    t.equal((await fetch(`${base}/openapi.json`)).status, 401);
    t.equal(await (await fetch(`${base}/healthz`)).text(), "ok\n");
    t.equal((await fetch(`${base}/readyz`)).status, 200);
  });

  for (const [title, refusal] of Object.entries(REFUSALS)) {
    await t.test(`${title} is refused in a sentence`, async (t) => {
      const { method = "GET", path, headers = {}, body, status, says } = refusal;
      const answer = await ask(path, { method, headers, ...(body === undefined ? {} : { body }) });
      const told = (await answer.json()) as ApiErrorBody;
      t.equal(answer.status, status);
      t.match(told.error.message + (told.error.hint ?? ""), says);
      t.notMatch(told.error.message, /\n/, "one sentence");
    });
  }

  await t.test("status tells who leads and what the process has to say", async (t) => {
    const status = (await (await ask("/v1/status")).json()) as {
      leader: { masterId: string };
      warnings: string[];
    };
    t.equal(status.leader.masterId, "m1");
    t.ok(status.warnings.includes("a sentence of the process"));
    t.ok(status.warnings.some((one) => /within one process/.test(one)));
  });

  await t.test(
    "a run that nobody offers for waits, is explained, and can be cancelled",
    async (t) => {
      const body = JSON.stringify({ argv: ["true"], cpus: 1 });
      const made = await ask("/v1/runs", { method: "POST", headers: JSON_TYPE, body });
      const run = (await made.json()) as { id: string; waiting: number };
      t.equal(run.waiting, 1);
      const why = (await (await ask(`/v1/why?name=${run.id}`)).json()) as { summary: string };
      t.match(why.summary, /agent/);
      const gone = await ask(`/v1/runs/${run.id}`, { method: "DELETE" });
      t.match(await gone.json(), { cancelled: true, waiting: 0 });
    },
  );

  await t.test("events begin with a snapshot, resume behind an id, or are reset", async (t) => {
    const events = await readEvents(ask, "/v1/events", 1);
    t.equal(events[0]?.event, "snapshot");
    t.equal(events[0]?.id, undefined, "a control frame has no id, or resuming would break");
    const { index } = JSON.parse(events[0]?.data ?? "{}") as { index: string };
    const resumed = await readEvents(ask, `/v1/events?after=${index}`, 1);
    t.equal(resumed[0]?.event, "resume");
    const reset = await readEvents(ask, "/v1/events?after=1.999999", 2);
    t.same(
      reset.map(({ event }) => event),
      ["reset", "snapshot"],
    );
  });

  await t.test(
    "metrics and the description of the API are read from the same tables",
    async (t) => {
      const metrics = await (await ask("/metrics")).text();
      t.match(metrics, /^meseta_leader_epoch \d+$/m);
      t.match(metrics, /^meseta_frameworks\{connected="true"\} 1$/m);
      t.match(metrics, /^meseta_allocator_runs_total \d+$/m);
      t.match(metrics, /^# TYPE meseta_allocator_run_ms gauge$/m);
      const snapshot = (await (await ask("/metrics/snapshot")).json()) as object;
      const mesos = /^allocator\/mesos\/(allocation_runs|allocation_run(_latency)?_ms|roles|res)/;
      t.ok(Object.keys(snapshot).every((name) => mesos.test(name)));
      const openapi = (await (await ask("/openapi.json")).json()) as { paths: object };
      const paths = new Set(Object.values(ROUTES).map(({ path }) => path as string));
      t.same(Object.keys(openapi.paths).sort(), [...paths].sort());
    },
  );

  await t.test("what was set is shown by the very next answer, and is gone as soon", async (t) => {
    const put = (path: string, body: object): Promise<Response> =>
      ask(path, { method: "PUT", headers: JSON_TYPE, body: JSON.stringify(body) });
    const path = "/v1/quotas/eng%2Fweb";
    for (const cpus of [1, 2, 3]) {
      const set = await put(path, { guarantee: { cpus }, limit: { mem: 0 }, force: true });
      t.equal(set.status, 200);
      t.match(await (await ask(path)).json(), {
        name: "eng/web",
        guarantee: { cpus },
        limit: { mem: 0 },
        lends: false,
        version: String,
      });
    }
    t.equal((await put(path, { limit: { cpus: 1 }, dryRun: true })).status, 200);
    t.match(await (await ask("/v1/quotas")).json(), { items: [{ limit: { mem: 0 } }] });
    t.equal((await put("/v1/weights/ops", { weight: 2.5 })).status, 200);
    t.match(await (await ask("/v1/weights")).json(), { items: [{ name: "ops", weight: 2.5 }] });
    t.match(await (await ask("/v1/roles/ops")).json(), { weight: 2.5, share: 0, frameworks: [] });
    const roles = (await (await ask("/v1/roles")).json()) as { items: { name: string }[] };
    t.same(
      roles.items.map(({ name }) => name).filter((name) => name !== "*"),
      ["eng/web", "ops"],
    );
    t.match(await (await ask("/v1/why?name=ops")).json(), {
      kind: "role",
      summary: /no framework is subscribed in role ops/,
    });
    t.equal((await ask(path, { method: "DELETE" })).status, 200);
    t.equal((await ask(path)).status, 404);
    await put("/v1/weights/ops", { weight: 1 });
    t.match(await (await ask("/v1/weights")).json(), { items: [] });
  });

  await t.test("each route asks for a token that may as much as its row says", async (t) => {
    const { read, run } = master.tokens;
    for (const [name, route] of Object.entries(ROUTES)) {
      const path = route.path.replace(/\{[a-z]+\}/g, "x");
      for (const [may, token] of [
        ["read", read],
        ["run", run],
      ]) {
        const enough = route.permission === "read" || route.permission === may;
        if (enough && route.method === "GET") continue;
        const headers = { authorization: `Bearer ${token}` };
        const answer = await fetch(`${base}${path}`, { method: route.method, headers });
        t.equal(answer.status === 403, !enough, `${name} by one who may ${may}`);
        await answer.body?.cancel();
      }
    }
    const headers = { authorization: `Bearer ${read}` };
    t.equal((await fetch(`${base}/metrics`, { headers })).status, 200);
  });

  await t.test("the leader's log level can be changed", async (t) => {
    const init = { method: "PUT", headers: JSON_TYPE, body: '{"level":"debug"}' };
    t.equal((await ask("/v1/log-level", init)).status, 200);
  });
});

/** The first events of a stream, which is left then. */
async function readEvents(
  ask: (path: string, init?: RequestInit) => Promise<Response>,
  path: string,
  count: number,
): Promise<SseEvent[]> {
  const stop = new AbortController();
  const answer = await ask(path, { signal: stop.signal });
  const reader = new SseReader();
  const events: SseEvent[] = [];
  const decoder = new TextDecoder();
  const read = (async () => {
    for await (const bytes of answer.body ?? []) {
      events.push(...reader.push(decoder.decode(bytes as Uint8Array, { stream: true })));
    }
  })().catch((error: Error) => {
    // We left, which cuts the stream; anything else is a fault.
    if (!stop.signal.aborted) throw error;
  });
  await until(() => events.length >= count, `${count} events of ${path}`);
  stop.abort();
  await read;
  return events.slice(0, count);
}
