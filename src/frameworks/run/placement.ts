/** Which waiting instances an offer takes: pure, first come first served within a role. */
import type { Offer, TaskInfo } from "#protocol";
import { type RangeList, Resources } from "#resources";
import type { Instance, Run } from "./state.ts";

export interface Placed {
  readonly run: Run;
  readonly instance: Instance;
  readonly task: TaskInfo;
}

/** Instances that fit into the offer, in the order of the runs; changes nothing. */
export function place(offer: Offer, runs: Iterable<Run>, user: string): Placed[] {
  let left = Resources.fromWire(offer.resources);
  const placed: Placed[] = [];
  for (const run of runs) {
    if (run.waiting === 0 || run.cancelled || run.role !== offer.allocationRole) continue;
    const demand = run.demand.allocate(offer.allocationRole);
    for (const instance of run.instances) {
      if (instance.state !== "waiting") continue;
      const taken = takeFrom(left, demand, run.request.ports ?? 0, offer.allocationRole);
      if (taken === undefined) break;
      left = left.subtract(taken.resources);
      placed.push({ run, instance, task: taskOf(run, instance, offer, taken, user) });
    }
  }
  return placed;
}

interface Taken {
  readonly resources: Resources;
  readonly ports: readonly number[];
}

function takeFrom(
  left: Resources,
  demand: Resources,
  portCount: number,
  role: string,
): Taken | undefined {
  if (portCount === 0) {
    const found = left.contains(demand) ? demand : findAllocated(left, demand);
    return found === undefined ? undefined : { resources: found, ports: [] };
  }
  const ports = firstPorts(left.ports(), portCount);
  if (ports === undefined) return undefined;
  const text = `ports:[${ports.map((port) => `${port}-${port}`).join(",")}]`;
  const wanted = demand.add(Resources.of(text).allocate(role));
  const found = left.contains(wanted) ? wanted : findAllocated(left, wanted);
  return found === undefined ? undefined : { resources: found, ports };
}

/** Reserved resources of the role serve too; the algebra finds the mixture. */
function findAllocated(left: Resources, wanted: Resources): Resources | undefined {
  return left.find(wanted);
}

function firstPorts(ranges: RangeList, count: number): number[] | undefined {
  const ports: number[] = [];
  for (const { begin, end } of ranges) {
    for (let port = begin; port <= end && ports.length < count; port += 1) ports.push(port);
  }
  return ports.length === count ? ports : undefined;
}

type Variables = NonNullable<NonNullable<TaskInfo["command"]>["environment"]>["variables"];

function variablesOf({ env = {}, secrets = {} }: Run["request"]): Variables {
  const plain = Object.entries(env).map(([name, value]) => ({ name, value }));
  const secret = Object.entries(secrets).map(([name, known]) => ({
    name,
    value: "",
    type: "SECRET" as const,
    secret: { type: "REFERENCE" as const, reference: { name: known } },
  }));
  return [...plain, ...secret];
}

function taskOf(run: Run, { taskId }: Instance, offer: Offer, taken: Taken, user: string) {
  const { request } = run;
  const [program = "", ...rest] = request.argv;
  const variables = variablesOf(request);
  taken.ports.forEach((port, index) => {
    variables.push({ name: `PORT${index}`, value: String(port) });
  });
  if (taken.ports[0] !== undefined) variables.push({ name: "PORT", value: String(taken.ports[0]) });
  const task: TaskInfo = {
    name: run.name,
    taskId,
    agentId: offer.agentId,
    resources: taken.resources.toWire(),
    command: {
      shell: false,
      value: program,
      arguments: [program, ...rest],
      environment: { variables },
      user: request.user ?? user,
    },
    ...(request.container === undefined ? {} : { container: request.container }),
    ...(request.graceMs === undefined ? {} : { killPolicy: { gracePeriodMs: request.graceMs } }),
  };
  return task;
}
