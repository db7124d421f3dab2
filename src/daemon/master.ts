/**
 * A master's process: bus, log, the master actor kept running, and the doors in front of it — the
 * HTTP API with its views, and the framework behind `meseta run`. The one place where a master's
 * adapters are picked.
 */
import { join } from "node:path";
import { userInfo } from "node:os";
import type { Identity } from "#access";
import type { MasterConfig } from "#actors/master";
import type { Placement, Sorter } from "#allocator";
import { makeFolder, openFilesDisk, systemClock, systemRandom, takeLock } from "#adapters";
import { type GatewayContext, gatewayRoutes } from "#gateway";
import { startHttp, tokensOf } from "#http";
import { type ClusterId, type MasterId, subjectsOf } from "#protocol";
import { type MasterRecipe, startMasterLife } from "#recording";
import { SINGLE_MASTER_TIMES } from "#replication";
import type { Bus, Clock, Logger } from "#runtime";
import { Counters } from "#runtime";
import { isLoopback } from "./addresses.ts";
import { buildVersion } from "./build.ts";
import type { Connections } from "./connections.ts";
import { startEventFeed } from "./event-feed.ts";
import { keepRunning } from "./keep-running.ts";
import { logRelay } from "./log-relay.ts";
import { type MasterTokens, openTokens } from "./master-token.ts";
import { operatorCalls } from "./operator-calls.ts";
import { Recorder, type RecorderSettings, startRecorded } from "./recorder.ts";
import { startRunHost } from "./run-host.ts";

/** Agents are given this many missed heartbeats (Mesos: max_agent_ping_timeouts). */
const PINGS_MISSED_MAX = 5;
/** Few clients need not be spread over a second, and find their leader again at once. */
const SMALL_CLUSTER_TIMES = { beaconIntervalMs: 250, helloWindowMs: 100 };
const STREAM_ID_LENGTH = 20;
/** How long a stopping leader tries to give the lead away. */
const YIELD_MS_MAX = 1_000;

export interface MasterIdentities {
  readonly master: Extract<Identity, { readonly role: "master" }>;
  /** Who this process's gateway is when it asks the leader. */
  readonly operator: Extract<Identity, { readonly role: "operator" }>;
  /** Who the framework behind `meseta run` is. */
  readonly framework: Extract<Identity, { readonly role: "framework" }>;
}

export interface MasterProcessOptions {
  readonly cluster: ClusterId;
  readonly identities: MasterIdentities;
  readonly connections: Connections;
  readonly logger: Logger;
  /** What this master keeps; made when absent, locked while it runs. */
  readonly dir: string;
  readonly host: string;
  /** The ports that are tried, in order; 0 is any free one. */
  readonly ports: readonly number[];
  readonly insecure: boolean;
  /** There is no other master: the log need not be asked all the time (P-7.3). */
  readonly alone: boolean;
  readonly offerTimeoutMs: number;
  readonly allocationIntervalMs: number;
  readonly placement?: Placement;
  readonly roleSorter?: Sorter;
  readonly frameworkSorter?: Sorter;
  readonly reclaimNoticeMs?: number;
  readonly agentPingMs: number;
  readonly agentReturnMs: number;
  /** Absent: nothing is recorded. */
  readonly record?: RecorderSettings;
  /** Sentences for `status`. */
  warnings(): readonly string[];
  onGiveUp(why: string): void;
}

export interface MasterProcess {
  readonly host: string;
  readonly port: number;
  /** The one that may do everything. */
  readonly token: string;
  readonly tokens: MasterTokens;
  /** Resolves when somebody leads and the views are whole. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

/** @throws Error in one sentence: bad address, port taken, log not usable, directory in use. */
export async function startMaster(options: MasterProcessOptions): Promise<MasterProcess> {
  refuseOpenDoor(options);
  await makeFolder(options.dir);
  const lock = await takeLock(options.dir, "master.lock");
  const clock = systemClock();
  const recorder = await recorderOf(options, clock);
  const tokens = await openTokens(options.dir);
  const disk = await openFilesDisk({ root: join(options.dir, "disk"), clock });
  const { connections, identities, logger } = options;
  const log = await connections.openLog(identities.master);
  const subjects = subjectsOf(options.cluster);
  const buses = {
    master: connections.bus(identities.master),
    operator: connections.bus(identities.operator),
    framework: connections.bus(identities.framework),
  };
  const ports = { bus: buses.master, clock, random: systemRandom(), logger, log, disk };
  const recipe = recipeOf(options);
  const kept = keepRunning({
    name: "master",
    clock,
    logger,
    start: ({ poisonous }) =>
      startRecorded(recorder, recipe, { ports, poisonous }, (surroundings) => {
        const main = startMasterLife(recipe, surroundings);
        return { main, all: [main] };
      }),
    onGiveUp: options.onGiveUp,
  });
  const counters = new Counters();
  const ask = operatorCalls(buses.operator, subjects, identities.operator.principal);
  const feed = startEventFeed({ bus: buses.operator, subjects, clock, logger, counters, ask });
  const runHost = await startRunHost({
    bus: buses.framework,
    clock,
    logger: logger.child({ part: "run" }),
    subjects,
    identity: identities.framework,
    dir: options.dir,
    user: userInfo().username,
  });
  const context: GatewayContext = {
    cluster: options.cluster,
    build: buildVersion(),
    masterId: identities.master.masterId,
    view: feed.view,
    ring: feed.ring,
    runs: runHost.runs,
    call: ask,
    openLog: logRelay({ bus: buses.master, subjects, clock, counters, ask }),
    newStreamId: () => systemRandom().token(STREAM_ID_LENGTH),
    onEvents: (listener) => feed.onEvents(listener),
    warnings: () => [
      ...options.warnings(),
      ...closedSentence(connections),
      ...(recorder?.broken === undefined ? [] : [recorder.broken]),
    ],
    *counts() {
      yield* counters;
      yield* kept.supervisor.current()?.counters ?? [];
      yield* recorder?.counts() ?? [];
      for (const [name, bus] of Object.entries(buses)) {
        for (const [reason, count] of bus.dropped) yield [`bus.${name}.dropped`, reason, count];
      }
    },
    nowMs: () => clock.wallMs(),
  };
  const http = await listen(options, tokens, context);
  return {
    host: http.host,
    port: http.port,
    token: tokens.operate,
    tokens,
    ready: untilWhole(context, clock),
    async stop() {
      // Somebody else leads before this one is gone: there is no gap (P-7.3).
      const { masterId } = identities.master;
      if (!options.alone) await yieldLead(kept.supervisor.current()?.lifecycle(), masterId, ask);
      await http.close();
      await runHost.stop();
      feed.stop();
      await kept.stop();
      await recorder?.close();
      await Promise.all(Object.values(buses).map(closeBus));
      await new Promise<void>((resolve) => log.close(resolve));
      await new Promise<void>((resolve) => disk.close(resolve));
      await lock.release();
    },
  };
}

/** Asks the leader, which is this process's own actor, to give the lead away. */
async function yieldLead(
  lifecycle: string | undefined,
  masterId: MasterId,
  ask: ReturnType<typeof operatorCalls>,
): Promise<void> {
  if (lifecycle !== "leading") return;
  const yielded = ask({ kind: "OPERATOR_TRANSFER", body: { masterId } });
  // Nobody may be there to hear it; then the others find out as they would of a death.
  await Promise.race([yielded.catch(() => undefined), pause(YIELD_MS_MAX)]);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock().timer(ms, resolve));
}

function closedSentence({ closedBecause }: Connections): string[] {
  return closedBecause === undefined ? [] : [closedBecause];
}

function closeBus(bus: Bus): Promise<void> {
  return new Promise((resolve) => bus.close(resolve));
}

function recipeOf(options: MasterProcessOptions): MasterRecipe {
  return {
    kind: "master",
    cluster: options.cluster,
    config: {
      masterId: options.identities.master.masterId,
      masterIdLocked: true,
      clusterId: options.cluster,
      ...(options.alone ? { election: SINGLE_MASTER_TIMES, ...SMALL_CLUSTER_TIMES } : {}),
      heartbeatIntervalMs: options.agentPingMs,
      agentSilenceMs: PINGS_MISSED_MAX * options.agentPingMs,
      frameworkSilenceMs: PINGS_MISSED_MAX * options.agentPingMs,
      returnWindowMs: options.agentReturnMs,
      offerTimeoutMs: options.offerTimeoutMs,
      allocationIntervalMs: options.allocationIntervalMs,
      ...offering(options),
    },
  };
}

/** How the allocator goes about; what is not said has the master's defaults. */
function offering(options: MasterProcessOptions): Partial<MasterConfig> {
  const { placement, roleSorter, frameworkSorter, reclaimNoticeMs } = options;
  return {
    ...(placement === undefined ? {} : { placement }),
    ...(roleSorter === undefined ? {} : { roleSorter }),
    ...(frameworkSorter === undefined ? {} : { frameworkSorter }),
    ...(reclaimNoticeMs === undefined ? {} : { reclaimNoticeMs }),
  };
}

async function recorderOf(
  { record, logger }: MasterProcessOptions,
  clock: Clock,
): Promise<Recorder | undefined> {
  if (record === undefined) return undefined;
  return await Recorder.open({ settings: record, name: "master", clock, logger });
}

/** Whoever reads the token on its way has the cluster; so it stays on this machine. */
function refuseOpenDoor({ host, insecure }: MasterProcessOptions): void {
  if (insecure || isLoopback(host)) return;
  throw new Error(
    `--host: ${host} can be reached from other machines, and HTTP without TLS shows the token to ` +
      "whoever listens on the way; use 127.0.0.1, or add --insecure if the network is yours alone",
  );
}

async function listen(
  options: MasterProcessOptions,
  { operate, run, read }: MasterTokens,
  context: GatewayContext,
) {
  const { host, logger } = options;
  const tokens = tokensOf([
    [operate, { principal: "owner", may: "operate" }],
    [run, { principal: "runner", may: "run" }],
    [read, { principal: "reader", may: "read" }],
  ]);
  const routes = gatewayRoutes(context);
  const report = (error: unknown): void => {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    logger.log("error", `an HTTP request failed: ${why}`);
  };
  const [first = 0, ...others] = options.ports;
  let port = first;
  for (;;) {
    try {
      return await startHttp({ host, port, tokens, routes, report });
    } catch (error) {
      const next = others.shift();
      if (next === undefined) throw error;
      port = next;
    }
  }
}

const READY_POLL_MS = 10;

function untilWhole({ view }: GatewayContext, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (view.leader !== undefined && !view.stale) return resolve();
      clock.timer(READY_POLL_MS, look);
    };
    look();
  });
}
