/**
 * Every subject of the bus, built and parsed here only. The speaker's identity stands in the
 * subject and the broker vouches for it (P-4.1); no message carries a `from`.
 */
import {
  type ClusterId,
  type ContainerId,
  type InstanceId,
  isId,
  type Principal,
  type TokenId,
} from "./ids.ts";

declare const peerBrand: unique symbol;
/**
 * Who is spoken with: `master`, `agent.<principal>`, `framework.<principal>.<instance>`,
 * `executor.<agent's principal>.<containerId>` or `operator.<principal>`.
 */
export type Peer = string & { readonly [peerBrand]: true };

export type PeerParts =
  | { role: "master" }
  | { role: "agent"; principal: Principal }
  | { role: "framework"; principal: Principal; instance: InstanceId }
  | { role: "executor"; principal: Principal; containerId: ContainerId }
  | { role: "operator"; principal: Principal };

export type Role = PeerParts["role"];

/**
 * Who may say something: the peers, and two that are none, for they have no session. A joiner asks
 * for a credential, the registrar answers.
 */
export type Speaker = Role | "joiner" | "registrar";

export const MASTER_PEER = "master" as Peer;

export function agentPeer(principal: Principal): Peer {
  return `agent.${principal}` as Peer;
}

export function frameworkPeer(principal: Principal, instance: InstanceId): Peer {
  return `framework.${principal}.${instance}` as Peer;
}

export function executorPeer(agent: Principal, containerId: ContainerId): Peer {
  return `executor.${agent}.${containerId}` as Peer;
}

export function operatorPeer(principal: Principal): Peer {
  return `operator.${principal}` as Peer;
}

/** The parts of a peer's name; undefined when it is none. */
export function parsePeer(text: string): PeerParts | undefined {
  if (text === "master") return { role: "master" };
  const [role, first, second, ...rest] = text.split(".");
  if (rest.length > 0 || !isId(first)) return undefined;
  if (role === "agent" && second === undefined) return { role, principal: first as Principal };
  if (role === "operator" && second === undefined) return { role, principal: first as Principal };
  if (!isId(second)) return undefined;
  if (role === "framework") {
    return { role, principal: first as Principal, instance: second as InstanceId };
  }
  if (role === "executor") {
    return { role, principal: first as Principal, containerId: second as ContainerId };
  }
  return undefined;
}

/** The role of a peer made by the functions above. */
export function roleOf(peer: Peer): Role {
  const dot = peer.indexOf(".");
  return (dot < 0 ? peer : peer.slice(0, dot)) as Role;
}

/** Topics of operator events; a closed list, so that permissions can name them. */
export const EVENT_TOPICS = ["cluster"] as const;
export type EventTopic = (typeof EVENT_TOPICS)[number];

/** The subjects of one cluster. */
export interface Subjects {
  readonly cluster: ClusterId;
  /** Beacons of the leader. */
  readonly leader: string;
  /** Wildcard: everything agents say to the leader. */
  readonly fromAgents: string;
  /** Wildcard: everything frameworks say to the leader. */
  readonly fromFrameworks: string;
  /** Wildcard: calls of people and gateways to the leader; request and reply. */
  readonly fromOperators: string;
  /** Where `peer` (agent, framework or operator) publishes to the leader. */
  toMaster(peer: Peer): string;
  /** Where the leader publishes to `peer` (agent or framework), and `peer` listens. */
  toPeer(peer: Peer): string;
  /**
   * Agent and executor: `in` is what the executor hears, `out` what it says. The
   * token is the agent's principal, for the broker can vouch for nothing else.
   */
  executor(agent: Principal, containerId: ContainerId, way: "in" | "out"): string;
  /** Wildcard: everything the executors of an agent say. */
  fromExecutors(agent: Principal): string;
  /** Byte streams of logs and files: `out` flows from the agent, `in` carries credits. */
  stream(agent: Principal, streamId: string, way: "in" | "out"): string;
  /** Wildcard: credits for all streams of an agent. */
  streamCredits(agent: Principal): string;
  event(topic: EventTopic): string;
  /** Where the holder of a join token asks for a credential of its own. */
  joining(tokenId: TokenId): string;
  /** Where an agent asks for its credential anew. */
  renewing(agent: Principal): string;
  /** Wildcards: all that is asked of the registrar. */
  readonly toRegistrar: { readonly joining: string; readonly renewing: string };
  /** Subject of the stream that holds the replicated log. */
  readonly log: string;
  /** Who says what is published on `subject`; undefined when nobody may or it is not ours. */
  speaker(subject: string): Peer | undefined;
}

export function subjectsOf(cluster: ClusterId): Subjects {
  const root = `meseta.${cluster}`;
  const masterPrefix = `${root}.master.`;
  const executorPrefix = `${root}.executor.`;
  const operatorPrefix = `${root}.operator.`;
  return {
    cluster,
    leader: `${root}.leader`,
    fromAgents: `${masterPrefix}agent.*`,
    fromFrameworks: `${masterPrefix}framework.*.*`,
    fromOperators: `${operatorPrefix}*`,
    toMaster: (peer) => (peer.startsWith("operator.") ? `${root}.${peer}` : masterPrefix + peer),
    toPeer: (peer) => `${root}.${peer}`,
    executor: (agent, containerId, way) => `${executorPrefix}${agent}.${containerId}.${way}`,
    fromExecutors: (agent) => `${executorPrefix}${agent}.*.out`,
    stream: (agent, streamId, way) => `${root}.stream.${agent}.${streamId}.${way}`,
    streamCredits: (agent) => `${root}.stream.${agent}.*.in`,
    event: (topic) => `${root}.event.${topic}`,
    joining: (tokenId) => `${root}.join.${tokenId}`,
    renewing: (agent) => `${root}.renew.${agent}`,
    toRegistrar: { joining: `${root}.join.*`, renewing: `${root}.renew.*` },
    log: `${root}.log`,
    speaker(subject) {
      if (subject === `${root}.leader` || subject.startsWith(`${root}.event.`)) return MASTER_PEER;
      if (subject.startsWith(masterPrefix)) return asPeer(subject.slice(masterPrefix.length));
      if (subject.startsWith(operatorPrefix)) return asPeer(subject.slice(root.length + 1));
      if (subject.startsWith(executorPrefix) && subject.endsWith(".out")) {
        return asPeer(subject.slice(root.length + 1, -".out".length));
      }
      // What is left below the root and names a peer is spoken downwards, by masters only.
      const rest = subject.startsWith(`${root}.`) ? subject.slice(root.length + 1) : "";
      const parts = parsePeer(rest);
      if (parts?.role === "agent" || parts?.role === "framework") return MASTER_PEER;
      return undefined;
    },
  };
}

function asPeer(text: string): Peer | undefined {
  return parsePeer(text) === undefined ? undefined : (text as Peer);
}
