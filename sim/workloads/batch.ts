/**
 * A batch framework on the real driver: jobs of work items, each a task that is tried again
 * under a new id until it has ended as its script must end. Its book outlives the process, as a
 * scheduler's database would; ids are never used twice. How its jobs arrive, how large they are,
 * and its habits with offers are drawn from the seed.
 */
import {
  type AgentId,
  asId,
  type ExecutorId,
  type ExecutorInfo,
  type FrameworkId,
  isTerminal,
  type Offer,
  type OfferId,
  type OfferOperation,
  type OperationId,
  type TaskId,
  type TaskInfo,
  type TaskStatus,
} from "#protocol";
import type { Driver, SchedulerEvent } from "#actors/framework";
import { drawHabits, type Habits, PLAIN_HABITS } from "./habits.ts";
import { backlogItems, type BatchOptions, drawItems, type Item, LOST } from "./items.ts";
import type { Manner, Scheduler } from "./scheduler.ts";
import { amountIn, scalar, type SchedulerProcess, type Work } from "./work.ts";

/** Tries of one item before it counts as not to be done. */
export const TRIES_MAX = 50;
/** Items that run at the same time, so that the work lasts. */
const RUNNING_MAX = 40;
/** Program of the executor that a fifth of the items run in, and what it costs. */
export const EXECUTOR_PROGRAM = "batch-executor";
const EXECUTOR_CPU_MILLI = 100;
const EXECUTOR_MEM_MIB = 32;
/** What a reserving scheduler reserves of an offer. */
const RESERVED_CPU_MILLI = 200;
/** What is launched under the id of a live task. */
const AGAIN = { script: "sleep 1", ends: "TASK_FINISHED" } as const;
/** States of a try of which no agent has said a word. */
const UNHEARD: ReadonlySet<string> = new Set(["asked", "TASK_STAGING"]);
interface Try {
  readonly item: Item;
  readonly atMs: number;
  /** The driver that it was launched by. */
  readonly by: Driver;
  agentId: AgentId;
  state: string;
  over: boolean;
  /** States in which it may end too, whatever its script says. */
  readonly alsoEnds: Set<string>;
}

export class BatchWork implements Work, Scheduler {
  readonly manners = new Set<Manner>();
  readonly acknowledges = true;
  readonly #options: BatchOptions;
  readonly #habits: Habits;
  readonly #items: readonly Item[];
  /** Takes each offer at once and whole, as long as there is work. */
  readonly #takesWhole: boolean;
  /** Items that have come in and are neither done nor being tried. */
  readonly #waiting = new Set<Item>();
  #arrived = 0;
  #running = 0;
  /** Drivers that were told SUPPRESS last; each keeps that for as long as its process lives. */
  readonly #suppressing = new WeakSet<Driver>();
  readonly #tries = new Map<TaskId, Try>();
  #driver: Driver | undefined;
  /** Where that driver runs. */
  #process: SchedulerProcess | undefined;
  /** The id that the first subscription got; it survives the process. */
  frameworkId: FrameworkId | undefined;
  /** Updates that were told, by state: what the summary counts. */
  readonly updates = new Map<string, number>();
  /** How tasks ended, by state. */
  readonly ended = new Map<string, number>();
  /** What became of operations on resources, by state. */
  readonly operations = new Map<string, number>();
  wrong: string[] = [];
  #open: number;

  constructor(options: BatchOptions) {
    this.#options = options;
    const { chance, executors, kind, plain = false } = options;
    this.#takesWhole = kind === "backlog";
    this.#habits = plain || this.#takesWhole ? PLAIN_HABITS : drawHabits(chance, executors);
    const { jobItemsMax, taskMs } = this.#habits;
    this.#items = this.#takesWhole
      ? backlogItems(options)
      : drawItems(options, taskMs, jobItemsMax);
    this.#open = this.#items.length;
  }

  get done(): boolean {
    return this.#open === 0;
  }

  /** Whether it would take any machine that it is offered, whole. */
  get isBacklogged(): boolean {
    return this.#takesWhole && this.#waiting.size > 0;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Tasks launched so far: each try of an item is one. */
  get launched(): number {
    return this.#tries.size;
  }

  /** Whether the last try of an item that is not done runs. */
  get isUnderWay(): boolean {
    return this.#items.some(({ done, name, tries }) => {
      return !done && this.#tries.get(`${name}-${tries}` as TaskId)?.state === "TASK_RUNNING";
    });
  }

  /** Items that are not done yet. */
  *unfinished(): IterableIterator<string> {
    for (const item of this.#items) {
      if (item.done) continue;
      const last = this.#tries.get(`${item.name}-${item.tries}` as TaskId);
      const how = `${last?.over === false ? "live" : "over"} as ${last?.state}`;
      yield `${item.name} (${item.script}), ${item.tries} tries, the last ${how}`;
    }
  }

  /** Names of all items. */
  names(): string[] {
    return this.#items.map(({ name }) => name);
  }

  /** Live tasks as the scheduler's book has them. */
  known(): { taskId: TaskId; agentId: AgentId }[] {
    const live = [...this.#tries].filter(([, one]) => !one.over);
    return live.map(([taskId, { agentId }]) => ({ taskId, agentId }));
  }

  speaks({ instance }: SchedulerProcess): boolean {
    return instance === this.#instance;
  }

  reconcile(times: number): void {
    const tasks = this.known();
    for (let time = 0; time < times; time++) this.#driver?.reconcile(tasks);
  }

  letGo(): void {
    if (this.#driver !== undefined) this.#declineAll(this.#driver);
  }

  mayFail(taskId: string): void {
    this.#tries.get(taskId as TaskId)?.alsoEnds.add("TASK_FAILED");
  }

  /** Asked for until the leader has said that the framework is no more. */
  teardown(): void {
    if (this.frameworkId === undefined) return;
    this.#leaving = true;
    this.#driver?.teardown();
  }

  /** The framework is no more: its tasks are lost to it, its work goes on under another id. */
  #left(): void {
    this.#leaving = false;
    this.#gone = this.#driver;
    this.frameworkId = undefined;
    for (const one of this.#tries.values()) if (!one.over) this.#over(one);
    this.#accepts.clear();
  }

  /** An instance that is not the one whose events count has been displaced, or will be. */
  on(event: SchedulerEvent, driver: Driver, process: SchedulerProcess): void {
    if (event.kind === "subscribed") this.#instance = process.instance;
    if (process.instance !== this.#instance || driver === this.#gone) return;
    if (this.#driver !== driver) {
      this.#driver = driver;
      this.#process = process;
      this.#awaitArrival();
    }
    switch (event.kind) {
      case "subscribed":
        this.frameworkId = event.frameworkId;
        this.#inherit(driver, process);
        if (this.#leaving) driver.teardown();
        return this.#reconsider();
      case "ended":
        if (this.#leaving && event.reason === "framework-completed") this.#left();
        return;
      case "offers":
        for (const offer of event.offers) this.#offered(offer, driver);
        this.#declineAll(driver);
        return this.#reconsider();
      case "update":
        return this.#update(event.status, driver);
      case "operation":
        this.operations.set(event.status.state, (this.operations.get(event.status.state) ?? 0) + 1);
        if (event.status.uuid !== undefined) driver.acknowledgeOperation(event.status);
        return;
      case "inverse-offers":
        driver.acceptInverseOffers(event.inverseOffers.map(({ inverseOfferId }) => inverseOfferId));
        return;
      case "answer":
        return this.#answered(event, driver);
      default:
        return;
    }
  }

  #operations = 0;
  readonly #accepts = new Map<number, readonly TaskId[]>();
  /** Offers of the event in hand that nothing was found for. */
  #unwanted: OfferId[] = [];
  #leaving = false;
  /** The driver of a framework that is no more: what it still says does not count. */
  #gone: Driver | undefined;
  /** Which process speaks for the framework. */
  #instance = "";

  /**
   * What another process has launched since this one began stands in the book, and its driver has
   * never heard of it: a call that the displaced one was refused is nobody's but this one's. What
   * was unreachable to another may have come back while nobody was there to be told.
   */
  #inherit(driver: Driver, { beganMs }: SchedulerProcess): void {
    const others = [...this.#tries].filter(([, { over, by, atMs, state }]) => {
      if (by === driver) return false;
      return over ? state === "TASK_UNREACHABLE" : atMs >= beganMs;
    });
    if (others.length === 0) return;
    driver.reconcile(others.map(([taskId, { agentId }]) => ({ taskId, agentId })));
  }

  #later(inMs: number, run: () => void): void {
    this.#process?.later(inMs, run);
  }

  #use(offer: Offer, driver: Driver): void {
    // A framework that has ended meanwhile, or is about to, launches nothing more.
    if (driver !== this.#driver || driver === this.#gone || this.#leaving) return;
    const changes = this.#changes(offer);
    let cpuMilli = amountIn(offer, "cpus") - (changes.length > 0 ? RESERVED_CPU_MILLI : 0);
    let memMilli = amountIn(offer, "mem");
    const tasks: TaskInfo[] = [];
    this.#comeIn();
    for (const item of this.#waiting) {
      if (this.#running >= RUNNING_MAX || tasks.length >= this.#habits.acceptTasksMax) break;
      const cpu = item.cpuMilli + (item.custom ? EXECUTOR_CPU_MILLI : 0);
      const mem = (item.memMib + (item.custom ? EXECUTOR_MEM_MIB : 0)) * 1000;
      if (cpu > cpuMilli || mem > memMilli) continue;
      cpuMilli -= cpu;
      memMilli -= mem;
      tasks.push(this.#try(item, offer, driver));
    }
    if (this.manners.has("launch-same-task-id")) tasks.push(...this.#again(offer, tasks));
    if (tasks.length + changes.length === 0) return void this.#unwanted.push(offer.offerId);
    const operations: OfferOperation[] = [...changes];
    if (tasks.length > 0) operations.push({ type: "LAUNCH", taskInfos: tasks });
    const call = driver.accept([offer.offerId], operations, 1_000);
    this.#accepts.set(
      call,
      tasks.map(({ taskId }) => taskId),
    );
  }

  /** What it reserves of an offer, and gives back of what was reserved by it before. */
  #changes({ resources, allocationRole: role }: Offer): OfferOperation[] {
    const own = resources.filter(({ reservations }) => {
      const top = reservations?.at(-1);
      return top?.type === "DYNAMIC" && top.principal !== undefined;
    });
    const reserves = this.manners.has("reserve-resources");
    if (own.length > 0) {
      // What it reserved itself it keeps for a while, else it would be offered anew at once.
      if (reserves && this.#options.chance.below(8) > 0) return [];
      return [{ type: "UNRESERVE", resources: own, id: this.#nextId() }];
    }
    const free = resources.find(({ name, reservations, scalar: amount }) => {
      const enough = (amount?.milli ?? 0) >= RESERVED_CPU_MILLI;
      return name === "cpus" && reservations === undefined && enough;
    });
    if (!reserves || free === undefined) return [];
    const reservations = [{ type: "DYNAMIC" as const, role, principal: this.#options.name }];
    const wanted = { ...{}, ...scalar("cpus", RESERVED_CPU_MILLI, role), reservations };
    return [{ type: "RESERVE", resources: [wanted], id: this.#nextId() }];
  }

  #nextId(): OperationId {
    this.#operations += 1;
    return asId<OperationId>(`op-${this.#operations}`);
  }

  /**
   * Schedulers are not all well-behaved: some sit on an offer and take it when it may have
   * expired, some take an offer a second time.
   */
  #offered(offer: Offer, driver: Driver): void {
    const { chance } = this.#options;
    const { manners } = this;
    if (manners.has("hoard-offers")) return void this.#unwanted.push(offer.offerId);
    if (manners.has("decline-all")) {
      driver.decline([offer.offerId], { refuseMs: 1_000, reason: "not today" });
      return;
    }
    if (manners.has("double-accept")) this.#use(offer, driver);
    if (this.#takesWhole) return this.#use(offer, driver);
    const manner = chance.below(10);
    if (manner === 0 || manners.has("accept-expired")) {
      const inMs = Math.ceil(chance.exponential(8_000));
      return this.#useLater(inMs, offer, driver);
    }
    this.#use(offer, driver);
    if (manner <= 2) this.#useLater(chance.between(1, 3_000), offer, driver);
  }

  #useLater(inMs: number, offer: Offer, driver: Driver): void {
    this.#later(inMs, () => {
      this.#use(offer, driver);
      this.#declineAll(driver);
    });
  }

  /** What nothing fits of one event is declined by one call, as schedulers do. */
  #declineAll(driver: Driver): void {
    if (this.#unwanted.length === 0 || this.manners.has("hoard-offers")) return;
    const refuseMs = this.done ? 60_000 : this.#habits.refuseMs;
    driver.decline(this.#unwanted, { refuseMs, reason: "nothing fits" });
    this.#unwanted = [];
  }

  /** Items whose time has come wait from now on. */
  #comeIn(): void {
    const { nowMs } = this.#options.world;
    for (let item = this.#items[this.#arrived]; item; item = this.#items[this.#arrived]) {
      if (item.availableAtMs > nowMs) return;
      this.#arrived += 1;
      this.#waiting.add(item);
    }
  }

  /** Wakes the process when the next job comes in. */
  #awaitArrival(): void {
    this.#comeIn();
    const next = this.#items[this.#arrived];
    if (next === undefined) return;
    this.#later(next.availableAtMs - this.#options.world.nowMs, () => {
      this.#awaitArrival();
      this.#reconsider();
    });
  }

  /** Says whether offers are wanted, when that has changed. */
  #reconsider(): void {
    const driver = this.#driver;
    if (driver === undefined || !this.#habits.suppresses || this.#leaving) return;
    const wants = this.#waiting.size > 0 && this.#running < RUNNING_MAX;
    if (wants !== this.#suppressing.has(driver)) return;
    if (wants) {
      this.#suppressing.delete(driver);
      driver.revive();
    } else {
      this.#suppressing.add(driver);
      driver.suppress();
    }
  }

  /** The try is over; what is not done waits to be tried again. */
  #over(one: Try): void {
    one.over = true;
    this.#running -= 1;
    if (!one.item.done) this.#waiting.add(one.item);
  }

  /** A task under the id of one that is live, for as much as the first new one takes. */
  #again({ agentId }: Offer, [first]: readonly TaskInfo[]): TaskInfo[] {
    // One of the same agent, so that somebody can know it whoever leads.
    const live = this.known().find(
      (one) => one.agentId === agentId && one.taskId !== first?.taskId,
    );
    if (first === undefined || live === undefined) return [];
    // A first launch that nobody ever heard of leaves its id to the second one, which runs then.
    const known = this.#tries.get(live.taskId);
    if (known !== undefined && UNHEARD.has(known.state)) known.alsoEnds.add(AGAIN.ends);
    const { executor: _, data: _data, ...plain } = first;
    const command = { shell: true, value: AGAIN.script };
    return [{ ...{}, ...plain, taskId: live.taskId, agentId, command }];
  }

  /** What the task does, with what its scheduler's manners add to it. */
  #scriptOf({ script, custom }: Item): string {
    if (this.manners.has("status-flood") && custom) return `flood 100; ${script}`;
    if (this.manners.has("fork-bomb") && !custom) return `fork 500; ${script}`;
    return script;
  }

  #try(item: Item, { agentId, allocationRole: role }: Offer, by: Driver): TaskInfo {
    item.tries += 1;
    this.#waiting.delete(item);
    this.#running += 1;
    const taskId = `${item.name}-${item.tries}` as TaskId;
    const atMs = this.#options.world.nowMs;
    const rest = { state: "asked", over: false, alsoEnds: new Set<string>() };
    this.#tries.set(taskId, { item, atMs, by, agentId, ...rest });
    const common = {
      name: item.name,
      taskId,
      agentId,
      resources: [scalar("cpus", item.cpuMilli, role), scalar("mem", item.memMib * 1000, role)],
    };
    const script = this.#scriptOf(item);
    if (!item.custom) return { ...{}, ...common, command: { shell: true, value: script } };
    const executor: ExecutorInfo = {
      executorId: asId<ExecutorId>(
        this.#habits.sharesExecutors ? `${this.#options.name}-executor` : taskId,
      ),
      type: "CUSTOM",
      command: { shell: false, value: EXECUTOR_PROGRAM, arguments: [EXECUTOR_PROGRAM] },
      resources: [
        scalar("cpus", EXECUTOR_CPU_MILLI, role),
        scalar("mem", EXECUTOR_MEM_MIB * 1000, role),
      ],
    };
    return { ...{}, ...common, executor, data: new TextEncoder().encode(script) };
  }

  /** An ACCEPT that the leader refused has launched nothing. */
  #answered(event: SchedulerEvent & { kind: "answer" }, driver: Driver): void {
    if (event.of === "TEARDOWN" && event.answer.accepted && this.#leaving) return this.#left();
    if (event.of !== "ACCEPT") return;
    const tasks = this.#accepts.get(event.call);
    this.#accepts.delete(event.call);
    if (tasks === undefined || event.answer.accepted) return;
    // Tasks of a refused call are told of by updates, or by reconciliation; ask at once.
    const open = tasks.filter((taskId) => this.#tries.get(taskId)?.over === false);
    if (open.length > 0) driver.reconcile(open.map((taskId) => ({ taskId })));
  }

  #update(status: TaskStatus, driver: Driver): void {
    const { taskId, state } = status;
    this.updates.set(state, (this.updates.get(state) ?? 0) + 1);
    if (status.uuid !== undefined && !this.manners.has("never-ack")) driver.acknowledge(status);
    const one = this.#tries.get(taskId);
    if (one === undefined) {
      this.wrong.push(`${this.#options.name} is told of ${taskId}, which it never launched`);
      return;
    }
    if (status.agentId !== undefined) one.agentId = status.agentId;
    one.state = state;
    const { killAfterMs } = one.item;
    if (state === "TASK_RUNNING" && killAfterMs !== undefined) this.#killLater(taskId, killAfterMs);
    if (one.over) return this.#late(taskId, one, state, driver);
    if (!isTerminal(state) && !LOST.has(state)) return;
    this.ended.set(state, (this.ended.get(state) ?? 0) + 1);
    if (state === one.item.ends) this.#close(one.item);
    this.#over(one);
    this.#reconsider();
    this.#judge(taskId, one, status);
  }

  /** Whether the end is one that the item may have. */
  #judge(taskId: TaskId, { item, alsoEnds }: Try, status: TaskStatus): void {
    const { state } = status;
    if (state === item.ends || alsoEnds.has(state)) return;
    if (!LOST.has(state) && !this.#explained(status)) {
      const { script, ends } = item;
      this.wrong.push(`${taskId} (${script}) is ${state}, not ${ends}: ${status.message}`);
    } else if (item.tries >= TRIES_MAX) {
      this.wrong.push(`${item.name} was tried ${TRIES_MAX} times`);
    }
  }

  /** A task that was given up as unreachable has come back: it is not wanted any more. */
  #late(taskId: TaskId, { agentId, item }: Try, state: string, driver: Driver): void {
    if (isTerminal(state as never) || LOST.has(state)) return;
    if (!item.done || item.tries > 1) driver.kill(taskId, { agentId });
  }

  /** Whether a failed or killed task failed through no act of its script: it is tried again. */
  #explained({ state, reason }: TaskStatus): boolean {
    const byScript = reason === undefined || reason === "REASON_COMMAND_EXECUTOR_FAILED";
    return state === "TASK_KILLED" || (state === "TASK_FAILED" && !byScript);
  }

  #killLater(taskId: TaskId, inMs: number): void {
    this.#later(inMs, () => {
      const one = this.#tries.get(taskId);
      if (one === undefined || one.over) return;
      this.#driver?.kill(taskId, { agentId: one.agentId });
    });
  }

  #close(item: Item): void {
    if (item.done) return;
    item.done = true;
    this.#open -= 1;
  }
}
