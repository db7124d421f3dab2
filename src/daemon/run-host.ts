/**
 * Runs the framework behind `meseta run` in a master's process: a driver on a connection of its
 * own with a framework's rights, its runs in one file that is replaced whole. It decides nothing
 * about placing.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Identity } from "#access";
import { createFramework, type RunningFramework } from "#actors/framework";
import { systemRandom, writeFileDurably } from "#adapters";
import { ApiError, type RunObject } from "#api";
import { RunFramework, type SavedRun } from "#frameworks/run";
import type { Runs } from "#gateway";
import { asId, type FrameworkId, type FrameworkInfo, type Subjects } from "#protocol";
import type { Bus, Clock, Logger } from "#runtime";

const FILE = "runs.json";
/** How long runs go on when their master is gone. */
const FAILOVER_TIMEOUT_MS = 7 * 24 * 3_600_000;

export interface RunHost {
  readonly runs: Runs;
  readonly framework: RunningFramework;
  stop(): Promise<void>;
}

export interface RunHostOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly subjects: Subjects;
  readonly identity: Extract<Identity, { readonly role: "framework" }>;
  /** Folder of the file. */
  readonly dir: string;
  /** User that commands run as when none is named. */
  readonly user: string;
}

interface Saved {
  readonly frameworkId: FrameworkId | undefined;
  readonly runs: readonly SavedRun[];
}

/** @throws Error when the file is there and cannot be read. */
export async function startRunHost(options: RunHostOptions): Promise<RunHost> {
  const { bus, clock, logger, subjects, identity } = options;
  const path = join(options.dir, FILE);
  const saved = await readSaved(path);
  const random = systemRandom();
  const info: FrameworkInfo = {
    name: "run",
    user: options.user,
    roles: [...new Set(["*", ...saved.runs.map(({ request }) => request.role ?? "*")])],
    failoverTimeoutMs: FAILOVER_TIMEOUT_MS,
    checkpoint: true,
    capabilities: ["MULTI_ROLE", "PARTITION_AWARE"].concat(
      saved.runs.some(({ request }) => request.revocable) ? ["REVOCABLE_RESOURCES"] : [],
    ),
  };
  const store = runStore(path, () => framework.frameworkId);
  const framework: RunFramework = new RunFramework(
    { wallMs: () => clock.wallMs(), token: (length) => random.token(length), save: store },
    info,
    saved.runs,
  );
  framework.frameworkId = saved.frameworkId;
  const driver = createFramework(
    { bus, clock, random, logger },
    subjects,
    {
      principal: identity.principal,
      instance: identity.instance,
      info,
      acknowledgeForMe: false,
      knownTasks: framework.knownTasks(),
      ...(saved.frameworkId === undefined ? {} : { frameworkId: saved.frameworkId }),
    },
    (event, told) => {
      if (event.kind === "ended") logger.log("error", `the run framework ended: ${event.message}`);
      framework.event(event, told);
    },
  );
  return {
    runs: {
      create: (request) => createRun(framework, request),
      list: () => framework.list(),
      cancel: (id) => framework.cancel(id),
      demandOf: (id) => framework.demandOf(id),
    },
    framework: driver,
    stop: () => new Promise((resolve) => driver.actor.stop(resolve)),
  };
}

function createRun(
  framework: RunFramework,
  request: Parameters<RunFramework["create"]>[0],
): Promise<RunObject> {
  return new Promise((resolve, reject) =>
    framework.create(request, (result) =>
      result instanceof ApiError ? reject(result) : resolve(result),
    ),
  );
}

type Save = (runs: readonly SavedRun[], done: (fault: string | undefined) => void) => void;

/** One write at a time; those who wait meanwhile share the next one. */
function runStore(path: string, frameworkId: () => FrameworkId | undefined): Save {
  let writing = false;
  let next: { runs: readonly SavedRun[]; waiting: ((fault: string | undefined) => void)[] } = {
    runs: [],
    waiting: [],
  };

  function write(): void {
    const { runs, waiting } = next;
    next = { runs, waiting: [] };
    writing = true;
    const saved: Saved = { frameworkId: frameworkId(), runs };
    writeFileDurably(path, JSON.stringify(saved), { mode: 0o600 }).then(
      () => told(waiting, undefined),
      (error: Error) => told(waiting, error.message),
    );
  }

  function told(waiting: readonly ((fault: string | undefined) => void)[], fault?: string): void {
    writing = false;
    for (const done of waiting) done(fault);
    if (next.waiting.length > 0 && !writing) write();
  }

  return (runs, done) => {
    next.runs = runs;
    next.waiting.push(done);
    if (!writing) write();
  };
}

async function readSaved(path: string): Promise<Saved> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return { frameworkId: undefined, runs: [] };
  const { frameworkId, runs } = JSON.parse(text) as Partial<Saved>;
  return {
    frameworkId: frameworkId === undefined ? undefined : asId(frameworkId),
    runs: runs ?? [],
  };
}
