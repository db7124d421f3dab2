/**
 * What an agent and the isolator of its node say to each other: plain data within one process.
 * The agent knows tasks, the isolator knows containers; neither learns the other's nouns.
 */
import type { ContainerId, Limitation } from "#protocol";
import type { ContainerExit, ContainerUsage, Effect, PidFacts } from "#runtime";
import type { ContainerLimits, ContainerResources, ContainerSpec } from "../container.ts";

/** Name under which the agent's actor is connected. */
export const AGENT_ACTOR = "agent";
/** Name under which the agent reaches the isolator. */
export const ISOLATOR_ACTOR = "isolator";

/** What is to run, and with what. What is not here the isolator knows itself. */
export type LaunchSpec = Pick<
  ContainerSpec,
  | "argv"
  | "env"
  | "user"
  | "sandbox"
  | "resources"
  | "limits"
  | "graceMs"
  | "owner"
  | "container"
  | "persistentVolumes"
  | "secretEnv"
  | "credentialDir"
>;

/** Agent → isolator. */
export type IsolatorRequest =
  /** Comes first, once per start of the agent; what it does not name is an orphan. */
  | { readonly kind: "RecoverContainers"; readonly known: readonly ContainerId[] }
  /** The same id is the same launch, however often it is asked for. */
  | {
      readonly kind: "LaunchContainer";
      readonly containerId: ContainerId;
      readonly spec: LaunchSpec;
    }
  /** A shorter grace than before holds; a longer one changes nothing. */
  | { readonly kind: "KillContainer"; readonly containerId: ContainerId; readonly graceMs: number }
  | {
      readonly kind: "UpdateContainer";
      readonly containerId: ContainerId;
      readonly resources: ContainerResources;
      readonly limits: ContainerLimits;
    }
  | { readonly kind: "SampleUsage" }
  /** The end of this container is on the agent's disk: its status need not be kept. */
  | { readonly kind: "ForgetContainer"; readonly containerId: ContainerId };

/** Why a container never ran. */
export type ContainerRefusal =
  /** The spec contradicts itself or names what may not be named. */
  | "invalid"
  /** The program could not be executed, or the machine refused. */
  | "launch-failed"
  /** A kill came before it ran. */
  | "killed"
  /** The node has its most containers already. */
  | "busy"
  /** A kill for a container that is not there. */
  | "unknown";

/** What became of a container that the agent's journal names. */
export interface RecoveredContainer {
  readonly containerId: ContainerId;
  /**
   * `ended`: its exit follows as ContainerExited, as for any other. `absent`: no process of it
   * ever ran, or everything of it is gone; its id is not used again.
   */
  readonly found: "running" | "ended" | "absent";
}

/** Isolator → agent. */
export type IsolatorReport =
  | {
      readonly kind: "ContainersRecovered";
      readonly bootId: string;
      readonly containers: readonly RecoveredContainer[];
      readonly orphans: number;
    }
  | {
      readonly kind: "ContainerLaunched";
      readonly containerId: ContainerId;
      readonly pids: PidFacts;
    }
  | {
      readonly kind: "ContainerRefused";
      readonly containerId: ContainerId;
      readonly reason: ContainerRefusal;
      readonly message: string;
    }
  /** No process of it is left and its cgroups are gone; told again after a restart. */
  | {
      readonly kind: "ContainerExited";
      readonly containerId: ContainerId;
      readonly exit: ContainerExit;
      /** What the kernel's counters say took it, where something did. */
      readonly limitation?: Limitation;
    }
  | {
      readonly kind: "ContainerUpdateFailed";
      readonly containerId: ContainerId;
      readonly message: string;
    }
  | { readonly kind: "Usage"; readonly usages: readonly ContainerUsage[] }
  /** The isolator cannot go on; its process has to be started again. */
  | { readonly kind: "IsolatorFailed"; readonly message: string };

/** The effect that brings a report to the agent. */
export function tell(report: IsolatorReport): Effect {
  return { kind: "tell", to: AGENT_ACTOR, message: report };
}
