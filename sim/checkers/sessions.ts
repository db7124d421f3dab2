/**
 * N1: from its Hello on, an agent obeys no frame of an older session, so what its Register does
 * not list will never run (P-3.2). Tasks that reach an agent only in frames of sessions that it
 * has left must stay unheard.
 */
import type { AnyMessage } from "#protocol";
import { lifeOf, type Observation, type SeenFrame } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

function launches({ kind }: AnyMessage): boolean {
  return kind === "RunTask" || kind === "RunTaskGroup";
}

function launchedIn({ messages }: SeenFrame): string[] {
  return messages.flatMap((message) => {
    if (message.kind === "RunTask") return [message.body.task.taskId];
    if (message.kind !== "RunTaskGroup") return [];
    return message.body.taskGroup.tasks.map(({ taskId }) => taskId);
  });
}

export function sessionChecker(_world: CheckedWorld, violate: Violate): Checker {
  /** Session that an agent's node asked for last, by node and life. */
  const asked = new Map<string, string>();
  const rightful = new Set<string>();
  const stale = new Set<string>();
  return {
    id: "N1",
    statement: "no agent obeys a frame of a session that it has left",
    sees: { said: ["agent"], heard: ["master"] },
    kinds: ["Hello", "StatusUpdate", "RunTask", "RunTaskGroup"],
    on(observation: Observation): void {
      if (observation.what !== "said" && observation.what !== "heard") return;
      const { node, frame, what } = observation;
      if (what === "heard") {
        if (frame.speaker !== "master" || !frame.messages.some(launches)) return;
        const isRightful = frame.session === asked.get(lifeOf(node));
        for (const taskId of launchedIn(frame)) (isRightful ? rightful : stale).add(taskId);
        return;
      }
      if (!frame.speaker.startsWith("agent.")) return;
      for (const message of frame.messages) {
        if (message.kind === "Hello") asked.set(lifeOf(node), message.body.session);
        if (message.kind !== "StatusUpdate" || message.body.status.uuid === undefined) continue;
        const { taskId } = message.body.status;
        if (!stale.has(taskId) || rightful.has(taskId)) continue;
        violate("N1", `${frame.speaker} obeys an older session: it has ${taskId}`);
      }
    },
  };
}
