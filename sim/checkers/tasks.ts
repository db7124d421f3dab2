/**
 * T1, T2, I1: no task is lost or runs twice. A task id is sent to one agent only and started in
 * one container only; its states move along the table; what ended stays ended; and at rest
 * nothing runs that its scheduler believes over, nor is anything over that it waits for.
 */
import { isTerminal, type TaskState, taskMove } from "#protocol";
import type { Observation } from "../observation.ts";
import type { CheckedWorld, Checker, Violate } from "./checker.ts";

interface SeenTask {
  agent: string | undefined;
  state: TaskState | undefined;
  containers: Set<string>;
}

export function taskChecker(world: CheckedWorld, violate: Violate): Checker {
  const tasks = new Map<string, SeenTask>();
  const taskOf = (id: string): SeenTask => {
    let task = tasks.get(id);
    if (task === undefined) {
      task = { agent: undefined, state: undefined, containers: new Set() };
      tasks.set(id, task);
    }
    return task;
  };
  const sent = (taskId: string, agentId: string): void => {
    const task = taskOf(taskId);
    if (task.agent !== undefined && task.agent !== agentId) {
      violate("T2", `${taskId} was sent to ${task.agent} and to ${agentId}`);
    }
    task.agent = agentId;
  };
  const moved = (taskId: string, state: TaskState, container: string | undefined): void => {
    const task = taskOf(taskId);
    if (container !== undefined) task.containers.add(container);
    if (task.containers.size > 1) {
      violate("T2", `${taskId} runs in the containers ${[...task.containers].join(" and ")}`);
    }
    if (task.state === state) return;
    if (task.state !== undefined && !taskMove(task.state, state)) {
      violate("T2", `${taskId} goes from ${task.state} to ${state}`);
    }
    task.state = state;
  };
  /** Updates are told again until acknowledged; only the first word of each counts as a move. */
  const known = new Set<string>();
  return {
    id: "T1",
    statement: "no task is lost, none runs twice, states move along the table",
    on(observation: Observation): void {
      if (observation.what !== "said") return;
      const { frame } = observation;
      for (const message of frame.messages) {
        if (message.kind === "RunTask") sent(message.body.task.taskId, message.body.task.agentId);
        if (message.kind === "RunTaskGroup") {
          for (const { taskId, agentId } of message.body.taskGroup.tasks) sent(taskId, agentId);
        }
        if (message.kind !== "StatusUpdate") continue;
        const { taskId, state, uuid, containerStatus } = message.body.status;
        if (uuid !== undefined && known.has(uuid)) continue;
        if (uuid !== undefined) known.add(uuid);
        moved(taskId, state, containerStatus?.containerId);
      }
    },
    settled(): void {
      for (const [framework, item] of world.unfinished()) {
        violate("LV", `${framework} still waits for ${item}`);
      }
      for (const wrong of world.wrong()) violate("T1", wrong);
      // While work goes on tasks run: only a cluster at rest can have lost one.
      if ([...world.unfinished()].length > 0) return;
      for (const [machine, containers] of world.running()) {
        for (const container of containers) {
          violate("I1", `${machine} still runs container ${container} though all work is over`);
        }
      }
      for (const [id, { agent, state }] of tasks) {
        if (state !== undefined && !isTerminal(state)) {
          violate("T1", `${id} on ${agent} was last said to be ${state}`);
        }
      }
    },
  };
}
