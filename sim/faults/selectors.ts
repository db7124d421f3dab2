/**
 * Whom a fault hits, in words: `leader`, `follower`, `anyAgent`, `agentOf(task)`, `random(3)`,
 * `rest`, or a name. Resolved when the fault is applied; the names that come of it go into the
 * trace and into the failure file.
 */
import type { Chance } from "../kernel/prng.ts";
import type { FaultTarget, Member, MemberRole } from "./fault.ts";

export const SELECTORS = [
  "leader",
  "follower",
  "anyMaster",
  "anyAgent",
  "anyFramework",
  "anyMember",
  "anyBroker",
  "anyExecutor",
  "logLeader",
  "masters",
  "agents",
  "frameworks",
  "brokers",
  "half",
  "agentOf(TASK)",
  "random(N)",
  "rest",
] as const;

const RANDOM = /^random\((\d+)\)$/;
const AGENT_OF = /^agentOf\(([^()]+)\)$/;
/** A member or a broker by its name; an executor's node by the id of its container. */
const NAME = /^(master|agent|framework|broker|executor)-[\w-]+$/;

/** Why a text is no selector; undefined when it is one. */
export function selectorFault(text: string): string | undefined {
  const words: readonly string[] = SELECTORS;
  if (words.includes(text) && !text.includes("(")) return undefined;
  if (RANDOM.test(text) || AGENT_OF.test(text) || NAME.test(text)) return undefined;
  return `${JSON.stringify(text)} is none of ${SELECTORS.join(", ")}, nor a name like agent-3`;
}

function up(target: FaultTarget, role?: MemberRole): Member[] {
  return target.members(role).filter(({ node }) => node.up && !node.paused);
}

const ROLES: Readonly<Record<string, MemberRole>> = {
  anyMaster: "master",
  anyAgent: "agent",
  anyFramework: "framework",
  masters: "master",
  agents: "agent",
  frameworks: "framework",
};

/** Names of members that are up, of brokers; empty where nobody fits. */
export function resolve(
  selectors: readonly string[],
  target: FaultTarget,
  chance: Chance,
  taken: readonly string[] = [],
): string[] {
  return selectors.flatMap((selector) => one(selector, target, chance, taken));
}

function one(
  selector: string,
  target: FaultTarget,
  chance: Chance,
  taken: readonly string[],
): string[] {
  const pick = (names: readonly string[]): string[] => {
    const picked = chance.pick(names);
    return picked === undefined ? [] : [picked];
  };
  const names = (members: readonly Member[]): string[] => members.map(({ name }) => name);
  switch (selector) {
    case "leader":
      return names([target.leader()].filter((member) => member !== undefined));
    case "follower": {
      const leader = target.leader()?.name;
      return pick(names(up(target, "master")).filter((name) => name !== leader));
    }
    case "anyMaster":
    case "anyAgent":
    case "anyFramework":
      return pick(names(up(target, ROLES[selector])));
    case "anyMember":
      return pick(names(up(target)));
    case "anyBroker":
      return pick(target.network.brokers.filter((broker) => broker.up).map(({ name }) => name));
    case "anyExecutor":
      return pick(target.executors().map(({ name }) => name));
    case "logLeader":
      return target.log.leader === undefined ? [] : [target.log.leader];
    case "masters":
    case "agents":
    case "frameworks":
      return names(up(target, ROLES[selector]));
    case "brokers":
      return [...target.brokers];
    case "half":
      return half(target, chance);
    case "rest":
      return everybody(target).filter((name) => !taken.includes(name));
    default:
      return worded(selector, target, chance);
  }
}

function everybody(target: FaultTarget): string[] {
  return [...target.brokers, ...target.members().map(({ name }) => name)];
}

/** A drawn group of at most half of everybody; brokers too, so that one side may lack a majority. */
function half(target: FaultTarget, chance: Chance): string[] {
  const shuffled = chance.shuffled(everybody(target));
  return shuffled.slice(0, chance.between(1, Math.max(1, Math.floor(shuffled.length / 2))));
}

function worded(selector: string, target: FaultTarget, chance: Chance): string[] {
  const count = RANDOM.exec(selector)?.[1];
  if (count !== undefined) {
    return chance.shuffled(up(target).map(({ name }) => name)).slice(0, Number(count));
  }
  const task = AGENT_OF.exec(selector)?.[1];
  if (task === undefined) return [selector];
  const known = target
    .members("framework")
    .flatMap(({ name }) => [...(target.scheduler(name)?.known() ?? [])]);
  const fits = known.filter(({ taskId }) => task === "any" || taskId.startsWith(task));
  const agentId = chance.pick(fits)?.agentId;
  // The id of an agent begins with its principal, which is the name of its process.
  return agentId === undefined ? [] : [agentId.replace(/-S\d+$/, "")];
}
