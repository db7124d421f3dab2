/**
 * What each role may publish and listen to, derived from the subjects of the protocol; everything
 * else is forbidden. The broker's templates and the in-process bus both take it from here.
 */
import {
  agentPeer,
  type ContainerId,
  EVENT_TOPICS,
  frameworkPeer,
  type InstanceId,
  MASTER_PEER,
  type MasterId,
  operatorPeer,
  type Principal,
  type Speaker,
  type Subjects,
  type TokenId,
} from "#protocol";
import { type Identity, inboxOf } from "./principals.ts";

/** Subject patterns of the broker: `*` stands for one token, a last `>` for one or more. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const ANY = "*";

export function permissionsOf(subjects: Subjects, identity: Identity): Permissions {
  const own = ownPermissions(subjects, identity);
  return { publish: own.publish, subscribe: [...own.subscribe, `${inboxOf(identity)}.>`] };
}

/**
 * The permissions of a role with what the broker fills in where an identity has its ids. A name
 * of two ids is one name for the broker, so the dot between them comes with it.
 */
export function templateOf(subjects: Subjects, role: Speaker): Permissions {
  const filled = permissionsOf(subjects, unfilled(role));
  const broker = (pattern: string): string => pattern.replace(`${FIRST}.${SECOND}`, FIRST);
  return { publish: filled.publish.map(broker), subscribe: filled.subscribe.map(broker) };
}

const FIRST = "{{name()}}";
const SECOND = "{{second}}";

function unfilled(role: Speaker): Identity {
  switch (role) {
    case "master":
      return { role, masterId: FIRST as MasterId };
    case "agent":
    case "operator":
      return { role, principal: FIRST as Principal };
    case "framework":
      return { role, principal: FIRST as Principal, instance: SECOND as InstanceId };
    case "executor":
      return { role, principal: FIRST as Principal, containerId: SECOND as ContainerId };
    case "joiner":
      return { role, tokenId: FIRST as TokenId };
    case "registrar":
      return { role };
  }
}

function ownPermissions(subjects: Subjects, identity: Identity): Permissions {
  switch (identity.role) {
    case "master":
      return masterPermissions(subjects);
    case "agent":
      return agentPermissions(subjects, identity.principal);
    case "framework": {
      const peer = frameworkPeer(identity.principal, identity.instance);
      return {
        publish: [subjects.toMaster(peer)],
        subscribe: [subjects.leader, subjects.toPeer(peer)],
      };
    }
    case "executor": {
      const { principal, containerId } = identity;
      return {
        publish: [subjects.executor(principal, containerId, "out")],
        subscribe: [subjects.executor(principal, containerId, "in")],
      };
    }
    case "operator":
      return {
        publish: [subjects.toMaster(operatorPeer(identity.principal))],
        subscribe: [subjects.leader, ...EVENT_TOPICS.map((topic) => subjects.event(topic))],
      };
    case "joiner":
      return { publish: [subjects.joining(identity.tokenId)], subscribe: [] };
    case "registrar":
      return {
        publish: [`_INBOX.joiner.${ANY}.>`, `_INBOX.${agentPeer(ANY as Principal)}.>`],
        subscribe: [subjects.toRegistrar.joining, subjects.toRegistrar.renewing],
      };
  }
}

/**
 * Masters speak downwards, hold the log and relay byte streams. They answer operators only: no
 * other role asks through an inbox, so nobody else can be answered in another's name.
 */
function masterPermissions(subjects: Subjects): Permissions {
  const anyStream = (way: "in" | "out"): string => subjects.stream(ANY as Principal, ANY, way);
  const events = EVENT_TOPICS.map((topic) => subjects.event(topic));
  return {
    publish: [
      subjects.leader,
      subjects.toMaster(MASTER_PEER),
      subjects.toPeer(agentPeer(ANY as Principal)),
      subjects.toPeer(frameworkPeer(ANY as Principal, ANY as InstanceId)),
      ...events,
      anyStream("in"),
      subjects.log,
      "$JS.API.>",
      "$JS.FC.>",
      `_INBOX.${operatorPeer(ANY as Principal)}.>`,
    ],
    subscribe: [
      subjects.leader,
      subjects.toMaster(MASTER_PEER),
      subjects.fromAgents,
      subjects.fromFrameworks,
      subjects.fromOperators,
      ...events,
      anyStream("out"),
      subjects.log,
    ],
  };
}

function agentPermissions(subjects: Subjects, principal: Principal): Permissions {
  const peer = agentPeer(principal);
  return {
    publish: [
      subjects.toMaster(peer),
      subjects.executor(principal, ANY as ContainerId, "in"),
      subjects.stream(principal, ANY, "out"),
      subjects.renewing(principal),
    ],
    subscribe: [
      subjects.leader,
      subjects.toPeer(peer),
      subjects.fromExecutors(principal),
      subjects.streamCredits(principal),
    ],
  };
}

export function mayPublish(permissions: Permissions, subject: string): boolean {
  return permissions.publish.some((allowed) => covers(allowed, subject));
}

/** A wildcard is allowed only where every subject that it matches is. */
export function maySubscribe(permissions: Permissions, pattern: string): boolean {
  return permissions.subscribe.some((allowed) => covers(allowed, pattern));
}

/**
 * Whether every subject that `pattern` matches is matched by `allowed` too; with a plain subject
 * as `pattern`, whether `allowed` matches it.
 */
export function covers(allowed: string, pattern: string): boolean {
  const wide = allowed.split(".");
  const narrow = pattern.split(".");
  for (const [index, token] of wide.entries()) {
    const other = narrow[index];
    if (token === ">") return other !== undefined;
    if (other === undefined || other === ">") return false;
    if (token !== other && token !== "*") return false;
  }
  return narrow.length === wide.length;
}
