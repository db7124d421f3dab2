/**
 * The launcher's port on a simulated machine: requests take their time, take effect in order per
 * container, and are answered once. The machine and its containers do not notice when it ends.
 */
import {
  type CgroupStep,
  type ContainerExit,
  type ContainerUsage,
  LAUNCH_PLAN_BYTES_MAX,
  LAUNCHER_REQUESTS_MAX,
  type Launcher,
  type LauncherAnswer,
  type LauncherFailure,
  type LauncherLoss,
  type LauncherRefusal,
  type LaunchPlan,
  type Measure,
  type MeasureWish,
  type PidFacts,
  type RecoveredFacts,
} from "#runtime";
import { PRICE_MS, type SimNode } from "../kernel/node.ts";
import { isId } from "#protocol";
import type { SimContainer, SimMachine } from "./machine.ts";

const SIGTERM = 15;
const SIGKILL = 9;
const LAUNCH_MS = { floor: 1.5, mean: 2 };
const CALL_MS = { floor: 0.15, mean: 0.2 };
/** A container that has become empty is noticed within this. */
const NOTICED_MS = 5;
/** How long after SIGKILL a destroy waits before it says `notEmpty`. */
const KILL_WAIT_MS = 5_000;
const RESTART_MS = 200;

type Done<T extends object> = (answer: LauncherAnswer<T>) => void;

function refusal(reason: LauncherRefusal, message: string): LauncherFailure {
  return { ok: false, reason, message };
}

function unknown(containerId: string): LauncherFailure {
  return refusal("unknown", `there is no container ${containerId}`);
}

/** Rules that a plan must keep, each with the field it speaks of. */
const PLAN_RULES: readonly (readonly [string, (plan: LaunchPlan) => boolean])[] = [
  ["containerId", ({ containerId }) => isId(containerId)],
  ["nonce", ({ nonce }) => isId(nonce)],
  ["sandbox", ({ sandbox }) => sandbox.startsWith("/") && !sandbox.split("/").includes("..")],
  ["logs.bytes", ({ logs }) => logs.bytes >= 4_096],
  ["logs.files", ({ logs }) => logs.files >= 0 && logs.files <= 100],
  ["env", ({ env }) => Object.keys(env).every((name) => name !== "" && !name.includes("="))],
  ["a NUL in argv", ({ argv }) => !argv.some((word) => word.includes("\0"))],
];

/** Why a plan cannot be launched, before anything is tried. */
function planFault(plan: LaunchPlan): LauncherFailure | undefined {
  const size = JSON.stringify(plan).length;
  if (size > LAUNCH_PLAN_BYTES_MAX) {
    const message = `plan: ${size} bytes are more than ${LAUNCH_PLAN_BYTES_MAX}; say less`;
    return refusal("tooLarge", message);
  }
  const broken = PLAN_RULES.find(([, holds]) => !holds(plan));
  if (broken === undefined) return undefined;
  return refusal("invalid", `${broken[0]}: not allowed in the plan of ${plan.containerId}`);
}

interface Request {
  /** Answers it, at most once. */
  fail(failure: LauncherFailure): void;
}

interface Destroy {
  killAtMs: number;
  giveUpAtMs: number;
  /** When it is looked at next, whatever happens to its container. */
  lookAtMs: number;
  killed: boolean;
  readonly waiting: ((answer: LauncherAnswer) => void)[];
}

export class SimLauncher implements Launcher {
  readonly #machine: SimMachine;
  readonly #node: SimNode;
  readonly #life: number;
  readonly #requests = new Set<Request>();
  readonly #destroys = new Map<string, Destroy>();
  /** Containers whose exits this port tells. */
  readonly #watched = new Set<string>();
  /** When the last request for a container takes effect. */
  readonly #order = new Map<string, number>();
  readonly #unlisten: () => void;
  #exits: ((exit: ContainerExit) => void) | undefined;
  #losses: ((loss: LauncherLoss) => void) | undefined;
  #restarts = 0;
  #downUntilMs = 0;
  #closed = false;

  constructor(machine: SimMachine, node: SimNode) {
    this.#machine = machine;
    this.#node = node;
    this.#life = node.life;
    this.#unlisten = machine.onExit((exit) => {
      if (this.#watched.delete(exit.containerId)) this.#tell(() => this.#exits?.(exit));
    });
    node.onDown(() => this.#end());
  }

  prepare(_steps: readonly CgroupStep[], done: Done<object>): void {
    this.#request("", CALL_MS, done, () => ({ ok: true }));
  }

  launch(plan: LaunchPlan, done: Done<{ readonly pids: PidFacts }>): void {
    const fault = planFault(plan);
    if (fault !== undefined) return this.#node.soon(() => done(fault));
    this.#effect("launch", plan.containerId);
    this.#request(plan.containerId, LAUNCH_MS, done, () => {
      const known = this.#machine.containers.get(plan.containerId);
      if (known !== undefined) {
        if (known.plan.nonce === plan.nonce) return { ok: true, pids: known.pids };
        return refusal("exists", `container ${plan.containerId} is another launch; use a new id`);
      }
      const container = this.#machine.start(plan);
      if (container === undefined) {
        return refusal("exec", `${plan.argv[0]}: there is no such program`);
      }
      this.#watched.add(plan.containerId);
      return { ok: true, pids: container.pids };
    });
  }

  update(containerId: string, _steps: readonly CgroupStep[], done: Done<object>): void {
    this.#onContainer(containerId, done, (container) =>
      container.destroyed
        ? refusal("system", `container ${containerId} has no cgroups any more`)
        : { ok: true },
    );
  }

  signal(containerId: string, signal: number, done: Done<object>): void {
    this.#effect(`signal ${signal} to`, containerId);
    this.#onContainer(containerId, done, (container) => {
      if (!container.empty) this.#machine.signal(container, signal);
      return { ok: true };
    });
  }

  destroy(containerId: string, graceMs: number | null, done: Done<object>): void {
    this.#effect("destroy", containerId);
    this.#request(containerId, CALL_MS, done, (answer) => {
      const container = this.#machine.containers.get(containerId);
      if (container === undefined) return unknown(containerId);
      if (container.destroyed) return { ok: true };
      const killAtMs = this.#machine.world.nowMs + (graceMs ?? container.plan.graceMs);
      const open = this.#destroys.get(containerId);
      if (open !== undefined) {
        open.killAtMs = Math.min(open.killAtMs, killAtMs);
        open.waiting.push(answer);
        this.#pursue(container, open);
        return undefined;
      }
      const destroy: Destroy = {
        killAtMs,
        giveUpAtMs: Number.POSITIVE_INFINITY,
        lookAtMs: Number.POSITIVE_INFINITY,
        killed: false,
        waiting: [answer],
      };
      this.#destroys.set(containerId, destroy);
      container.onEmpty = () =>
        this.#machine.world.after(NOTICED_MS, () => this.#pursue(container, destroy));
      if (!container.empty) this.#machine.signal(container, SIGTERM);
      this.#pursue(container, destroy);
      return undefined;
    });
  }

  #effect(what: string, containerId: string): void {
    const { world } = this.#machine;
    if (world.keeps) world.effect(`${what} ${containerId}`);
  }

  forget(containerId: string, done: Done<object>): void {
    this.#request(containerId, CALL_MS, done, () => {
      if (this.#machine.containers.get(containerId)?.destroyed === false) {
        return refusal("notEmpty", `container ${containerId} still has cgroups; destroy it first`);
      }
      this.#machine.containers.delete(containerId);
      return { ok: true };
    });
  }

  recover(done: Done<{ readonly facts: RecoveredFacts }>): void {
    this.#request("", CALL_MS, done, () => {
      const containers = [...this.#machine.containers.values()];
      for (const one of containers) if (one.running) this.#watched.add(one.plan.containerId);
      const facts: RecoveredFacts = {
        bootId: this.#machine.bootId,
        containers: containers.map((one) => ({
          containerId: one.plan.containerId,
          config: one.plan.config,
          pids: one.pids,
          exit: one.exit,
          alive: one.running,
        })),
        cgroups: containers
          .filter((one) => !one.destroyed)
          .map((one) => ({ containerId: one.plan.containerId, paths: one.plan.cgroups.remove })),
      };
      return { ok: true, facts };
    });
  }

  usage(ids: readonly string[], done: Done<{ readonly usages: readonly ContainerUsage[] }>): void {
    this.#request("", CALL_MS, done, () => {
      const usages = ids
        .map((id) => this.#machine.containers.get(id))
        .filter((one) => one !== undefined)
        .filter((one) => one.running)
        .map((one) => this.#usageOf(one));
      return { ok: true, usages };
    });
  }

  measure(wish: MeasureWish, done: Done<{ readonly measure: Measure }>): void {
    const { containerId, directories, listeners } = wish;
    // Beside the lane of its container: who measures holds nobody up.
    this.#request("", CALL_MS, done, () => {
      const container = this.#machine.containers.get(containerId);
      if (container === undefined) return unknown(containerId);
      const { plan, diskBytes, listening } = container;
      const bytes = directories.map((path) => (path === plan.sandbox ? diskBytes : 0));
      const ports = listeners && container.running ? [...listening].sort((a, b) => a - b) : [];
      const open = ports.map((port) => ({ protocol: "tcp", port }) as const);
      return { ok: true, measure: { containerId, bytes, listeners: open } };
    });
  }

  onExit(listener: (exit: ContainerExit) => void): void {
    this.#exits = listener;
  }

  onLoss(listener: (loss: LauncherLoss) => void): void {
    this.#losses = listener;
  }

  close(): void {
    for (const request of [...this.#requests]) {
      request.fail(refusal("closed", "the launcher's port was closed"));
    }
    this.#end();
  }

  /** Fault: the launcher process ends; nobody knows what of the open requests happened. */
  die(): void {
    if (this.#closed || this.#life !== this.#node.life) return;
    this.#restarts += 1;
    this.#downUntilMs = this.#machine.world.nowMs + RESTART_MS;
    const loss: LauncherLoss = {
      restarts: this.#restarts,
      retryInMs: RESTART_MS,
      message: "the launcher ended",
    };
    this.#destroys.clear();
    for (const request of [...this.#requests]) {
      request.fail(refusal("launcherGone", "the launcher ended before it answered"));
    }
    this.#tell(() => this.#losses?.(loss));
  }

  #end(): void {
    this.#closed = true;
    this.#unlisten();
    this.#destroys.clear();
  }

  #tell(run: () => void): void {
    if (this.#life !== this.#node.life) return;
    this.#node.arrive(this.#node.localMs, () => {
      if (!this.#closed) run();
    });
  }

  #onContainer(
    containerId: string,
    done: Done<object>,
    act: (container: SimContainer) => LauncherAnswer,
  ): void {
    this.#request(containerId, CALL_MS, done, () => {
      const container = this.#machine.containers.get(containerId);
      return container === undefined ? unknown(containerId) : act(container);
    });
  }

  /**
   * One request: it takes effect after its time and behind earlier ones of its container. What
   * `act` answers is said; undefined means that it answers later by itself.
   */
  #request<T extends object>(
    containerId: string,
    time: { readonly floor: number; readonly mean: number },
    done: Done<T>,
    act: (answer: Done<T>) => LauncherAnswer<T> | undefined,
  ): void {
    this.#node.charge(PRICE_MS.call);
    if (this.#closed) return this.#node.soon(() => done(refusal("closed", "the port is closed")));
    if (this.#requests.size >= LAUNCHER_REQUESTS_MAX) {
      const message = `${LAUNCHER_REQUESTS_MAX} requests are open; ask later`;
      return this.#node.soon(() => done(refusal("busy", message)));
    }
    let open = true;
    const answer = (what: LauncherAnswer<T>, inCall = false): void => {
      if (!open) return;
      open = false;
      this.#requests.delete(request);
      if (inCall) this.#node.soon(() => done(what));
      else this.#tell(() => done(what));
    };
    const request: Request = { fail: (failure) => answer(failure, true) };
    this.#requests.add(request);
    const { world, chance, slowness } = this.#machine;
    const inMs = (time.floor + chance.exponential(time.mean)) * slowness;
    const began = Math.max(this.#node.localMs, this.#downUntilMs) + inMs;
    const atMs = Math.max(began, this.#order.get(containerId) ?? 0);
    if (containerId !== "") this.#order.set(containerId, atMs);
    world.at(atMs, () => {
      // A launcher that ended took some requests with it and had already begun others.
      if (!open && !chance.chance(500_000)) return;
      if (this.#life !== this.#node.life) return;
      const what = act((later) => answer(later));
      if (what !== undefined) answer(what);
    });
  }

  /** Until a container is empty: SIGTERM was sent, SIGKILL comes when it is time. */
  #pursue(container: SimContainer, destroy: Destroy): void {
    const id = container.plan.containerId;
    if (this.#destroys.get(id) !== destroy) return;
    const nowMs = this.#machine.world.nowMs;
    if (container.empty) {
      container.destroyed = true;
      return this.#destroyed(id, destroy, { ok: true });
    }
    if (!destroy.killed && nowMs >= destroy.killAtMs) {
      destroy.killed = true;
      destroy.giveUpAtMs = nowMs + KILL_WAIT_MS;
      this.#machine.signal(container, SIGKILL);
    } else if (nowMs >= destroy.giveUpAtMs) {
      const message = `container ${id} did not end within ${KILL_WAIT_MS} ms of SIGKILL; ask again`;
      return this.#destroyed(id, destroy, refusal("notEmpty", message));
    }
    const lookAtMs = destroy.killed ? destroy.giveUpAtMs : destroy.killAtMs;
    if (lookAtMs === destroy.lookAtMs) return;
    destroy.lookAtMs = lookAtMs;
    this.#machine.world.at(lookAtMs, () => this.#pursue(container, destroy));
  }

  #destroyed(id: string, destroy: Destroy, what: LauncherAnswer): void {
    this.#destroys.delete(id);
    for (const answer of destroy.waiting) answer(what);
  }

  #usageOf(container: SimContainer): ContainerUsage {
    const ranMs = this.#machine.world.nowMs - container.startedAtMs;
    return {
      containerId: container.plan.containerId,
      atMs: this.#node.wallMs(),
      cpuUsageUs: Math.floor(ranMs * 125),
      cpuPeriods: null,
      cpuPeriodsThrottled: null,
      cpuThrottledUs: null,
      memoryBytes: 4 * 1024 * 1024,
      memoryPeakBytes: 4 * 1024 * 1024,
      memoryAnonBytes: null,
      memoryFileBytes: null,
      oomKills: container.exit?.oomKills ?? 0,
      pids: 1 + container.left,
      pidsRefused: null,
      cpuPressureUs: null,
      memoryPressureUs: null,
      ioPressureUs: null,
      ioReadBytes: null,
      ioWriteBytes: null,
    };
  }
}
