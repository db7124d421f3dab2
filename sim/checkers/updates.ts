/**
 * U1: every update that an agent makes reaches the scheduler at least once; the first deliveries
 * of a task come in the order in which the agent made them; no update gets a second uuid; and
 * only the acknowledgement of its own uuid retires an update.
 */
import { isTerminal, type TaskStatus } from "#protocol";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";
import { ENDING_KINDS, Endings } from "./endings.ts";

interface Stream {
  /** Uuids in the order in which the agent first said them. */
  readonly made: string[];
  /** How many of them the scheduler was told, in order. */
  told: number;
  terminal: string | undefined;
  agent: string | undefined;
  frameworkId: string | undefined;
  /** What each update says, to find the same one under two uuids. */
  readonly contents: Map<string, string>;
  /** Uuids whose acknowledgement has reached the agent. */
  readonly acknowledged: Set<string>;
}

export function updateChecker(world: CheckedWorld, violate: Violate): Checker {
  const streams = new Map<string, Stream>();
  const streamOf = (taskId: string): Stream => {
    let stream = streams.get(taskId);
    if (stream === undefined) {
      stream = {
        made: [],
        told: 0,
        terminal: undefined,
        agent: undefined,
        frameworkId: undefined,
        contents: new Map(),
        acknowledged: new Set(),
      };
      streams.set(taskId, stream);
    }
    return stream;
  };
  const endings = new Endings();
  const made = (status: TaskStatus, frameworkId: string): void => {
    const { taskId, uuid, state, timestampMs, agentId, message } = status;
    if (uuid === undefined) return;
    const stream = streamOf(taskId);
    if (stream.made.includes(uuid)) return;
    stream.agent = agentId;
    stream.frameworkId = frameworkId;
    const content = `${state} ${timestampMs} ${message ?? ""}`;
    const before = stream.contents.get(content);
    if (before !== undefined) {
      violate("U1", `${taskId}: ${content} has the uuids ${before} and ${uuid}`);
    }
    stream.contents.set(content, uuid);
    const last = stream.made.at(-1);
    if (last !== undefined && !stream.acknowledged.has(last)) {
      violate("U1", `${taskId}: ${uuid} is said before ${last} was acknowledged to its agent`);
    }
    if (isTerminal(state)) {
      if (stream.terminal !== undefined) {
        violate("U1", `${taskId} has two terminal updates: ${stream.terminal} and ${uuid}`);
      }
      stream.terminal = uuid;
    }
    stream.made.push(uuid);
  };
  return {
    id: "U1",
    statement: "updates arrive at least once, first deliveries in order, one uuid each",
    sees: { said: ["master", "agent", "framework"], heard: ["master"], told: "all", fault: "all" },
    kinds: ["StatusUpdate", "StatusUpdateAcknowledgement", ...ENDING_KINDS],
    on(observation: Observation): void {
      endings.on(observation);
      if (observation.what === "said") {
        for (const message of observation.frame.messages) {
          if (message.kind !== "StatusUpdate") continue;
          made(message.body.status, message.body.frameworkId);
        }
        return;
      }
      if (observation.what === "heard") {
        for (const message of observation.frame.messages) {
          if (message.kind !== "StatusUpdateAcknowledgement") continue;
          streamOf(message.body.taskId).acknowledged.add(message.body.uuid);
        }
        return;
      }
      if (observation.what !== "told" || observation.uuid === undefined) return;
      const { taskId, uuid } = observation;
      const stream = streamOf(taskId);
      const index = stream.made.indexOf(uuid);
      if (index < 0) return violate("U1", `${taskId}: nobody made the update ${uuid}`);
      if (index > stream.told) {
        violate("U1", `${taskId}: update ${index + 1} was told before update ${stream.told + 1}`);
      }
      stream.told = Math.max(stream.told, index + 1);
    },
    settled(): void {
      // While work goes on updates are under way.
      if ([...world.unfinished()].length > 0) return;
      for (const [taskId, stream] of streams) {
        const { made: all, told, acknowledged, agent, frameworkId } = stream;
        if (endings.hasEnded(frameworkId) || endings.isReplaced(agent)) continue;
        if (told < all.length) {
          violate("U1", `${taskId}: of ${all.length} updates only ${told} were ever told`);
        }
        const open = all.find((uuid) => !acknowledged.has(uuid));
        if (open !== undefined) violate("U1", `${taskId}: nobody acknowledged ${open}`);
      }
    },
  };
}
