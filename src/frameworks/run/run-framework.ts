/**
 * The framework behind `meseta run`: takes commands, places each instance once, remembers how it
 * ended. An ordinary client of the driver. A run is durable before its creator hears of it.
 */
import type { Driver, SchedulerEvent } from "#actors/framework";
import { ApiError, type RunObject, type RunRequest } from "#api";
import {
  asId,
  type FrameworkId,
  type FrameworkInfo,
  isId,
  isTerminal,
  type Offer,
  type TaskId,
  type TaskStatus,
} from "#protocol";
import { Resources } from "#resources";
import { place } from "./placement.ts";
import {
  demandOf,
  demandText,
  endOf,
  INSTANCES_MAX,
  type Instance,
  isOver,
  type Run,
  RUNS_MAX,
  restoredRun,
  runObject,
  type SavedRun,
  savedRun,
} from "./state.ts";

/** How long offers that nothing waits for are refused. */
const IDLE_REFUSE_MS = 60_000;
const MISFIT_REFUSE_MS = 5_000;

/** Whoever has it is offered what others lend. */
const BORROWS = "REVOCABLE_RESOURCES";

export interface RunPorts {
  wallMs(): number;
  /** `length` characters that name a run. */
  token(length: number): string;
  /** Makes the runs durable, then calls back; `fault` where it could not. */
  save(runs: readonly SavedRun[], done: (fault: string | undefined) => void): void;
}

export class RunFramework {
  readonly #ports: RunPorts;
  readonly #info: FrameworkInfo;
  readonly #runs = new Map<string, Run>();
  readonly #byTask = new Map<TaskId, { run: Run; instance: Instance }>();
  readonly #roles: Set<string>;
  #driver: Driver | undefined;
  readonly #capabilities: Set<string>;
  readonly #suppressed = new Set<string>();
  frameworkId: FrameworkId | undefined;

  constructor(ports: RunPorts, info: FrameworkInfo, saved: readonly SavedRun[]) {
    this.#ports = ports;
    this.#info = info;
    this.#roles = new Set(info.roles);
    this.#capabilities = new Set(info.capabilities);
    for (const one of saved) this.#add(restoredRun(one));
  }

  /** Live tasks of an earlier life, for the driver to ask for. */
  knownTasks(): { taskId: TaskId }[] {
    return [...this.#byTask.values()]
      .filter(({ instance }) => isLive(instance))
      .map(({ instance }) => ({ taskId: instance.taskId }));
  }

  #add(run: Run): void {
    this.#runs.set(run.id, run);
    for (const instance of run.instances) this.#byTask.set(instance.taskId, { run, instance });
  }

  /** @throws ApiError busy at a limit, invalid for a name that is no id. */
  create(request: RunRequest, done: (result: RunObject | ApiError) => void): void {
    const run = this.#newRun(request);
    this.#add(run);
    this.#save((fault) => {
      if (fault !== undefined) {
        this.#forget(run);
        const hint = "look at the data directory's disk";
        return done(new ApiError("failed", `the run cannot be saved: ${fault}`, hint));
      }
      this.#want(run);
      done(runObject(run, this.frameworkId));
    });
  }

  #newRun(request: RunRequest): Run {
    const wanted = request.instances ?? 1;
    const open = [...this.#runs.values()].reduce(
      (sum, run) => sum + (isOver(run) ? 0 : run.instances.length),
      0,
    );
    if (open + wanted > INSTANCES_MAX) {
      const message = `${open} instances have not ended; with ${wanted} more there were over ${INSTANCES_MAX}`;
      throw new ApiError("busy", message, "wait, or kill some");
    }
    this.#makeRoom();
    const name = request.name ?? nameOf(request.argv[0] ?? "");
    if (!isId(name)) {
      const message = `name: ${JSON.stringify(name)} is made of other characters than A-Z a-z 0-9 _ -`;
      throw new ApiError("invalid", message, "choose another with --name");
    }
    const demand = Resources.parse(demandText(request));
    if (!demand.ok) throw new ApiError("invalid", `resources: ${demand.error.message}`);
    if (request.revocable === true && (request.ports ?? 0) > 0) {
      const message = `ports: ${request.ports} of a revocable run, and ports are never lent`;
      throw new ApiError("invalid", message, "leave out the ports, or --revocable");
    }
    const id = `${name.slice(0, 100)}-${this.#ports.token(6)}`;
    const instances = Array.from({ length: wanted }, (_, index) => ({
      taskId: asId<TaskId>(wanted === 1 ? id : `${id}-${index}`),
      state: "waiting" as const,
      agentId: undefined,
      end: undefined,
    }));
    return {
      id,
      name,
      request,
      role: request.role ?? "*",
      demand: demandOf(request),
      createdAtMs: this.#ports.wallMs(),
      instances,
      cancelled: false,
      waiting: wanted,
      changes: 0,
    };
  }

  /** The oldest runs that are over make room. @throws ApiError busy when all still run. */
  #makeRoom(): void {
    if (this.#runs.size < RUNS_MAX) return;
    const over = [...this.#runs.values()].find(isOver);
    if (over === undefined) {
      throw new ApiError("busy", `${RUNS_MAX} runs have not ended, which is the limit`);
    }
    this.#forget(over);
  }

  #forget(run: Run): void {
    this.#runs.delete(run.id);
    for (const { taskId } of run.instances) this.#byTask.delete(taskId);
  }

  list(): RunObject[] {
    return [...this.#runs.values()].map((run) => runObject(run, this.frameworkId));
  }

  demandOf(id: string): { demand: string; frameworkId: string | undefined } {
    const run = this.#runs.get(id);
    if (run === undefined) throw new ApiError("not-found", `there is no run ${id}`);
    return { demand: demandText(run.request), frameworkId: this.frameworkId };
  }

  /** Launches nothing more of it and kills what runs. */
  cancel(id: string): RunObject {
    const run = this.#runs.get(id);
    if (run === undefined) throw new ApiError("not-found", `there is no run ${id}`);
    run.cancelled = true;
    run.changes += 1;
    for (const instance of run.instances) {
      if (instance.state === "waiting") this.#endUnlaunched(instance);
      else if (isLive(instance)) this.#driver?.kill(instance.taskId);
    }
    run.waiting = 0;
    this.#saveLoudly();
    this.#suppressWhenIdle();
    return runObject(run, this.frameworkId);
  }

  /** Nobody else will ever tell of its end. */
  #endUnlaunched(instance: Instance): void {
    const { taskId } = instance;
    const message = "cancelled before it was launched";
    instance.state = "TASK_KILLED";
    instance.end = { taskId, state: "TASK_KILLED", atMs: this.#ports.wallMs(), message };
  }

  /** What the driver tells. */
  event(event: SchedulerEvent, driver: Driver): void {
    this.#driver = driver;
    switch (event.kind) {
      case "subscribed":
        this.frameworkId = event.frameworkId;
        this.#saveLoudly();
        for (const run of this.#runs.values()) if (run.waiting > 0) this.#want(run);
        this.#killCancelled();
        return this.#suppressWhenIdle();
      case "offers":
        for (const offer of event.offers) this.#offered(offer, driver);
        return;
      case "update":
        return this.#updated(event.status, driver);
      case "answer":
        if (event.of === "ACCEPT" && !event.answer.accepted) driver.reconcile(this.knownTasks());
        return;
      default:
        return;
    }
  }

  #killCancelled(): void {
    for (const run of this.#runs.values()) {
      if (!run.cancelled) continue;
      for (const instance of run.instances) {
        if (isLive(instance)) this.#driver?.kill(instance.taskId);
      }
    }
  }

  #offered(offer: Offer, driver: Driver): void {
    const placed = place(offer, this.#runs.values(), this.#info.user);
    if (placed.length === 0) {
      const refuseMs = this.#anyWaiting() ? MISFIT_REFUSE_MS : IDLE_REFUSE_MS;
      driver.decline([offer.offerId], { refuseMs, reason: "nothing that waits fits" });
      return;
    }
    for (const { run, instance } of placed) {
      instance.state = "TASK_STAGING";
      instance.agentId = offer.agentId;
      run.waiting -= 1;
      run.changes += 1;
    }
    // The intent is durable before the launch is said: a restart asks for these tasks.
    this.#save((fault) => {
      if (fault === undefined) {
        const taskInfos = placed.map(({ task }) => task);
        driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos }], 0);
      } else {
        for (const { run, instance } of placed) {
          instance.state = "waiting";
          run.waiting += 1;
        }
        driver.decline([offer.offerId], { refuseMs: MISFIT_REFUSE_MS, reason: fault });
      }
    });
    this.#suppressWhenIdle();
  }

  /** An end is durable before it is acknowledged: unacknowledged it would come again. */
  #updated(status: TaskStatus, driver: Driver): void {
    const acknowledge = (): void => {
      if (status.uuid !== undefined) driver.acknowledge(status);
    };
    const known = this.#byTask.get(status.taskId);
    if (known === undefined) return acknowledge();
    if (!this.#moved(known, status)) return acknowledge();
    this.#save((fault) => {
      if (fault === undefined) acknowledge();
      else this.lastFault = fault;
    });
  }

  /** Whether the task has ended by it. */
  #moved({ run, instance }: { run: Run; instance: Instance }, status: TaskStatus): boolean {
    // Said again: it may be that the disk refused it the first time.
    if (instance.state !== "waiting" && isTerminal(instance.state)) return true;
    // What never reached an agent is placed again, once it is certain that it did not.
    const dropped = status.state === "TASK_DROPPED" || status.state === "TASK_LOST";
    if (dropped && instance.state === "TASK_STAGING" && !run.cancelled) {
      if (status.reason === "REASON_INVALID_OFFERS") {
        instance.state = "waiting";
        instance.agentId = undefined;
        run.waiting += 1;
        run.changes += 1;
        this.#want(run);
        return false;
      }
    }
    instance.state = status.state;
    run.changes += 1;
    if (!isTerminal(status.state)) return false;
    instance.end = endOf(status);
    return true;
  }

  #anyWaiting(): boolean {
    for (const run of this.#runs.values()) if (run.waiting > 0) return true;
    return false;
  }

  /** Something waits for offers of this role. */
  #want({ role, request }: Run): void {
    const driver = this.#driver;
    if (driver === undefined) return;
    const borrows = request.revocable === true && !this.#capabilities.has(BORROWS);
    if (!this.#roles.has(role) || borrows) {
      this.#roles.add(role);
      if (borrows) this.#capabilities.add(BORROWS);
      const info = {
        ...{},
        ...this.#info,
        roles: [...this.#roles],
        capabilities: [...this.#capabilities],
      };
      driver.updateFramework(info, [...this.#suppressed]);
    }
    this.#suppressed.delete(role);
    driver.revive([role]);
  }

  /**
   * Where nothing waits no offers are wanted: they would only be held up on their way to others, and
   * what a role's guarantee lent would be called back for nobody.
   */
  #suppressWhenIdle(): void {
    if (this.#driver === undefined) return;
    const waiting = new Set<string>();
    for (const run of this.#runs.values()) if (run.waiting > 0) waiting.add(run.role);
    const idle = [...this.#roles].filter(
      (role) => !waiting.has(role) && !this.#suppressed.has(role),
    );
    if (idle.length === 0) return;
    for (const role of idle) this.#suppressed.add(role);
    this.#driver.suppress(idle);
  }

  #save(done: (fault: string | undefined) => void): void {
    this.#ports.save([...this.#runs.values()].map(savedRun), done);
  }

  /** What updates bring again after a restart need not wait for the disk. */
  #saveLoudly(): void {
    this.#save((fault) => {
      if (fault !== undefined) this.lastFault = fault;
    });
  }

  /** The last failure to save, for the status page. */
  lastFault: string | undefined;
}

/** Placed and not ended. */
function isLive({ state }: Instance): boolean {
  return state !== "waiting" && !isTerminal(state);
}

function nameOf(program: string): string {
  const last = program.split("/").at(-1) ?? "";
  const clean = last.replace(/[^A-Za-z0-9_-]/g, "-").replace(/^-+/, "");
  return clean === "" ? "run" : clean.slice(0, 60);
}
