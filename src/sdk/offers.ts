/** Tasks and the offers they are launched on: what fits, what a launch takes. Pure. */
import { asId, type Offer, type TaskId, type TaskInfo } from "#protocol";
import { Resources } from "#resources";

/** A command to run. */
export interface TaskWish {
  /** Unique within the framework for ever: letters, digits, `_` and `-`. */
  readonly id: string;
  /** For people; default: the id. */
  readonly name?: string;
  /** As text, such as `cpus:0.1;mem:32`. */
  readonly resources: string;
  /** On what other roles lend alone: the task is ended when they ask for it back. */
  readonly revocable?: boolean;
  /** Program and arguments; or a line for the shell. */
  readonly command: readonly [string, ...string[]] | string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the framework's user. */
  readonly user?: string;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs?: number;
}

/** What of some offers is not taken yet. All must be of one agent and one role. */
export class OfferPool {
  readonly #offer: Offer;
  #left: Resources;

  constructor(offer: Offer) {
    this.#offer = offer;
    this.#left = Resources.fromWire(offer.resources);
  }

  /** The task on this offer, which is smaller by it from now on; undefined when it does not fit. */
  take(wish: TaskWish): TaskInfo | undefined {
    const plain = Resources.of(wish.resources);
    const asked =
      wish.revocable === true
        ? Resources.fromWire(plain.toWire().map((each) => ({ ...each, revocable: {} })))
        : plain;
    const wanted = asked.allocate(this.#offer.allocationRole);
    // Resources reserved for the role serve as well as those that are not.
    const found = this.#left.contains(wanted) ? wanted : this.#left.find(wanted);
    if (found === undefined) return undefined;
    this.#left = this.#left.subtract(found);
    return taskOn(this.#offer, wish, found);
  }
}

function taskOn(offer: Offer, wish: TaskWish, resources: Resources): TaskInfo {
  const { command } = wish;
  const variables = Object.entries(wish.env ?? {}).map(([name, value]) => ({ name, value }));
  const run =
    typeof command === "string"
      ? { shell: true, value: command }
      : { shell: false, value: command[0], arguments: [...command] };
  return {
    name: wish.name ?? wish.id,
    taskId: asId<TaskId>(wish.id),
    agentId: offer.agentId,
    resources: resources.toWire(),
    command: {
      ...run,
      environment: { variables },
      ...(wish.user === undefined ? {} : { user: wish.user }),
    },
    ...(wish.graceMs === undefined ? {} : { killPolicy: { gracePeriodMs: wish.graceMs } }),
  };
}
