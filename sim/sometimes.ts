/**
 * Rare branches that must be reached now and then, or the faults do not try what they are there
 * for (CV). Counted from the same observations as the checkers read, over a run; a swarm adds
 * them up. Judges nothing.
 */
import { type AnyMessage, isTerminal } from "#protocol";
import { DriverLives } from "./checkers/driver-lives.ts";
import { lifeOf, type Observation, type SeenFrame } from "./observation.ts";
import { opened } from "./opened.ts";

export const SOMETIMES = {
  "failover-mid-launch": "another master leads before an agent has said a word of a launched task",
  "ack-lost": "an agent says an update again that a master has acknowledged already",
  "torn-tail-replayed": "an agent starts from a journal of which a crash has torn the last record",
  "offer-rescinded-in-flight": "an offer is taken that was taken back before the call was said",
  "offer-expired-accepted": "a call is refused because its offer has expired",
  "offer-taken-twice": "a call is refused because its offer is not outstanding any more",
  "call-answered-again": "a call that is said again gets its first answer",
  "lead-proven-again": "a leader falls silent and speaks again in the same epoch",
  "deposed-while-up": "a master that has led reads of its successor",
  "session-gap": "a session is closed because a frame is missing",
  "update-told-twice": "a scheduler is told the same update a second time",
  "agent-marked-unreachable": "the log says that an agent is unreachable",
  "framework-displaced": "an instance of a framework is told that another one has its place",
  "framework-torn-down": "an agent is told to shut a framework down",
  "kill-raced-end": "a kill is said of a task whose end is on its way",
  "tasks-outlive-agent": "an agent that was started again registers with live tasks",
  "tasks-lost-to-reboot": "an agent says of a task that its machine was restarted",
  "executor-came-back": "an executor subscribes again and names its tasks",
  "launch-refused-by-agent": "an agent refuses a task that the master has launched",
  "agent-drained": "the log says that an agent is drained",
  "machine-down": "an agent is refused because its machine is down for maintenance",
  "operator-operation-done": "an operator's operation on resources is closed in the log",
  "framework-operation-done": "a scheduler is told that its operation on resources is finished",
  "operation-dropped": "a scheduler is told that its operation never came to the agent",
  "inverse-offer-answered": "a scheduler agrees to leave an agent before its maintenance",
  "log-elected-anew": "the replicated log elects another leader",
} as const;

export type SometimesName = keyof typeof SOMETIMES;

/** What an agent says of a task whose machine was restarted. */
const REBOOTED = /machine was restarted|left no status/;
/** A leader whose beacons pause for longer than this has been mute. */
const BEACON_GAP_MS = 2_000;

export class Sometimes {
  readonly counts = new Map<SometimesName, number>();
  /** Tasks that were launched and of which no agent has said a word, with their epoch. */
  readonly #launched = new Map<string, number>();
  readonly #acknowledged = new Set<string>();
  readonly #rescinded = new Set<string>();
  /** Answers by whose call it was, in which epoch and under which number. */
  readonly #answered = new Set<string>();
  readonly #lives = new DriverLives();
  readonly #told = new Set<string>();
  readonly #ended = new Set<string>();
  /** Epoch in which a node spoke as a master, by its name and life. */
  readonly #led = new Map<string, number>();
  #position = 0;
  readonly #now: () => number;
  #beacon = { epoch: 0, node: "", atMs: 0 };

  constructor(now: () => number) {
    this.#now = now;
    for (const name of Object.keys(SOMETIMES)) this.counts.set(name as SometimesName, 0);
  }

  reached(name: SometimesName, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }

  on(observation: Observation): void {
    switch (observation.what) {
      case "said": {
        const { node, frame } = observation;
        if (frame.speaker === "master") this.#led.set(lifeOf(node), frame.epoch);
        if (frame.speaker.startsWith("framework.")) this.#lives.said(node, frame);
        return this.#said(node.name, frame);
      }
      case "told": {
        const { uuid } = observation;
        if (uuid === undefined) return;
        if (this.#told.has(uuid)) this.reached("update-told-twice");
        this.#told.add(uuid);
        return;
      }
      case "read": {
        const epoch = this.#led.get(lifeOf(observation.node));
        for (const { position, record } of observation.entries) {
          this.#written(position, record);
          if (epoch !== undefined) this.#readBy(epoch, record);
        }
        return;
      }
      default:
        return;
    }
  }

  /** Each record once, whoever reads it. */
  #written(position: number, record: Uint8Array): void {
    if (position <= this.#position) return;
    this.#position = position;
    const found = opened(record);
    if (found.kind !== "record") return;
    for (const { kind } of found.record.operations) {
      if (kind === "AgentDrained") this.reached("agent-drained");
      if (kind === "OperationClosed") this.reached("operator-operation-done");
    }
  }

  #readBy(epoch: number, record: Uint8Array): void {
    const found = opened(record);
    if (found.kind !== "record" || found.record.epoch <= epoch) return;
    const elects = found.record.operations.some(({ kind }) => kind === "LeaderElected");
    if (elects) this.reached("deposed-while-up");
  }

  #said(node: string, frame: SeenFrame): void {
    const { speaker, messages } = frame;
    if (speaker === "master") {
      for (const message of messages) this.#byMaster(node, frame, message);
    } else if (speaker.startsWith("agent.")) {
      for (const message of messages) this.#byAgent(message);
    } else for (const message of messages) this.#byOther(message);
  }

  #byMaster(node: string, { epoch, session }: SeenFrame, message: AnyMessage): void {
    switch (message.kind) {
      case "Beacon":
        return this.#beaconOf(node, epoch);
      case "RunTask":
        return void this.#launched.set(message.body.task.taskId, epoch);
      case "StatusUpdateAcknowledgement":
        return void this.#acknowledged.add(message.body.uuid);
      case "RESCIND":
        return void this.#rescinded.add(message.body.offerId);
      case "Closed":
        if (message.body.reason === "gap") this.reached("session-gap");
        return;
      case "ERROR":
        if (message.body.reason === "displaced") this.reached("framework-displaced");
        return;
      case "AgentRefused":
        if (message.body.message.includes("down for maintenance")) this.reached("machine-down");
        return;
      case "UPDATE_OPERATION_STATUS": {
        const { state } = message.body.status;
        if (state === "OPERATION_FINISHED") this.reached("framework-operation-done");
        if (state === "OPERATION_DROPPED") this.reached("operation-dropped");
        return;
      }
      case "ShutdownFramework":
        return this.reached("framework-torn-down");
      case "KillTask":
        if (this.#ended.has(message.body.taskId)) this.reached("kill-raced-end");
        return;
      case "ANSWER": {
        const { reason } = message.body;
        if (reason === "offer-expired") this.reached("offer-expired-accepted");
        if (reason === "offer-not-outstanding") this.reached("offer-taken-twice");
        // Being busy is no answer; and who calls again does so in a later session.
        if (reason === "busy") return;
        const key = `${this.#lives.of(session)} ${epoch} ${message.re}`;
        if (this.#answered.has(key)) this.reached("call-answered-again");
        return void this.#answered.add(key);
      }
      default:
        return;
    }
  }

  #beaconOf(node: string, epoch: number): void {
    const nowMs = this.#now();
    const { epoch: before, atMs } = this.#beacon;
    if (epoch === before && nowMs - atMs > BEACON_GAP_MS) this.reached("lead-proven-again");
    if (epoch > before) {
      for (const [taskId, launchedIn] of this.#launched) {
        if (launchedIn < epoch) this.reached("failover-mid-launch");
        this.#launched.delete(taskId);
      }
    }
    if (epoch < before) return;
    this.#beacon = { epoch, node, atMs: nowMs };
  }

  #byAgent(message: AnyMessage): void {
    if (message.kind === "RegisterAgent") {
      const { incarnation, tasks } = message.body;
      if (incarnation > 1 && tasks.some(({ state }) => !isTerminal(state))) {
        this.reached("tasks-outlive-agent");
      }
    }
    if (message.kind !== "StatusUpdate") return;
    const { taskId, uuid, state, message: why } = message.body.status;
    this.#launched.delete(taskId);
    if (uuid !== undefined && this.#acknowledged.has(uuid)) this.reached("ack-lost");
    if (isTerminal(state)) this.#ended.add(taskId);
    if (state === "TASK_DROPPED") this.reached("launch-refused-by-agent");
    if (why !== undefined && REBOOTED.test(why)) this.reached("tasks-lost-to-reboot");
  }

  #byOther(message: AnyMessage): void {
    if (message.kind === "ACCEPT") {
      const late = message.body.offerIds.some((offerId) => this.#rescinded.has(offerId));
      if (late) this.reached("offer-rescinded-in-flight");
    }
    if (message.kind === "ACCEPT_INVERSE_OFFERS") this.reached("inverse-offer-answered");
    if (message.kind !== "EXECUTOR_SUBSCRIBE") return;
    if (message.body.unacknowledgedTasks.length > 0) this.reached("executor-came-back");
  }
}
