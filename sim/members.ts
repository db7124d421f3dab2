/**
 * One process of the simulated cluster: what survives it (disk, machine), how it is started,
 * and who starts it again. Boots the same actors as the daemon; only the ports differ.
 */
import type { Identity } from "#access";
import { inboxOf, mayPublish, maySubscribe, permissionsOf } from "#access";
import type { Subjects } from "#protocol";
import type { LifeParts, Recipe, Surroundings } from "#recording";
import type { AgentSettings } from "#actors/agent";
import type { MasterConfig } from "#actors/master";
import { type ActorPorts, type Life, type LogEntry, type RunningActor, supervise } from "#runtime";
import type { Facts } from "./facts.ts";
import type { Member, MemberRole } from "./faults/fault.ts";
import type { SimNode } from "./kernel/node.ts";
import type { World } from "./kernel/world.ts";
import type { Observe } from "./observation.ts";
import type { BusNetwork } from "./ports/bus.ts";
import { clockOf, loggerOf, randomOf } from "./ports/clock.ts";
import { SimDisk } from "./ports/disk.ts";
import { SimLauncher } from "./ports/launcher.ts";
import { SimLog } from "./ports/log.ts";
import type { LogCluster } from "./ports/log-cluster.ts";
import { SimMachine } from "./ports/machine.ts";
import { streamsOf } from "./ports/streams.ts";

/** How long the process manager waits before it starts a process that died again. */
const RESTART_MS = 1_000;

/** Everything a member may need of what is around it. */
export interface Around {
  readonly world: World;
  readonly network: BusNetwork;
  readonly log: LogCluster;
  readonly subjects: Subjects;
  readonly observe: Observe;
  /** true: the product's settings and whole batches; otherwise the seed draws them. */
  readonly steady?: boolean;
  /** No master is of the version before this one. */
  readonly presentVersions?: boolean;
  /** Starts masters and agents in another way, such as recorded; absent: as they are. */
  readonly begin?: Begin;
  /** Settings that an operator of a very large cluster would change. */
  readonly master?: Pick<MasterConfig, "beaconIntervalMs">;
  readonly agent?: Pick<AgentSettings, "usageIntervalMs">;
}

/** Starts one life of the member of that name, as `start` does. */
export type Begin = <State>(
  name: string,
  recipe: Recipe,
  surroundings: Surroundings,
  start: (surroundings: Surroundings) => LifeParts<State>,
) => RunningActor<State>;

export interface MemberOptions {
  readonly name: string;
  readonly role: MemberRole;
  readonly identity: Identity;
  /** Started by a fault only. */
  readonly spare?: boolean;
  /** Makes the actor on the ports of this process; called again after each of its ends. */
  start(member: ClusterMember, ports: ActorPorts, life: Life): RunningActor<unknown>;
}

export class ClusterMember implements Member {
  readonly name: string;
  readonly role: MemberRole;
  readonly node: SimNode;
  readonly disk: SimDisk;
  readonly machine: SimMachine | undefined;
  readonly spare: boolean;
  readonly #around: Around;
  readonly #options: MemberOptions;
  #launcher: SimLauncher | undefined;
  /** What can be seen of its actor, while there is one; set where it is made. */
  facts: (() => Facts) | undefined;
  /** How often it has been started. */
  starts = 0;
  /** How often the machine was installed anew: each time its agent is another. */
  replacements = 0;
  /** false: a fault keeps it down; nobody else starts it. */
  #wanted = true;

  constructor(around: Around, options: MemberOptions) {
    const { world } = around;
    this.name = options.name;
    this.role = options.role;
    this.spare = options.spare ?? false;
    this.#around = around;
    this.#options = options;
    this.node = world.addNode(options.name);
    this.disk = new SimDisk(world, options.name);
    this.machine = options.role === "agent" ? new SimMachine(world, options.name) : undefined;
  }

  begin<State>(
    recipe: Recipe,
    surroundings: Surroundings,
    start: (surroundings: Surroundings) => LifeParts<State>,
  ): RunningActor<State> {
    const { begin } = this.#around;
    if (begin === undefined) return start(surroundings).main;
    return begin(this.name, recipe, surroundings, start);
  }

  launcher(): SimLauncher | undefined {
    return this.#launcher;
  }

  start(): void {
    this.#wanted = true;
    if (this.node.up) return;
    this.starts += 1;
    const { world } = this.#around;
    world.because(this.#record("up", `start ${this.starts}`), () =>
      this.node.start(() => this.#supervise(this.#ports())),
    );
  }

  restart(): void {
    this.start();
  }

  crash(why: string): void {
    this.#wanted = false;
    this.#down(why);
  }

  replace(): void {
    this.crash("replaced");
    this.machine?.reboot();
    this.machine?.containers.clear();
    this.disk.files.clear();
    this.replacements += 1;
  }

  /** The process ends after the turn in hand, and its manager does not start it again. */
  standDown(why: string): void {
    const { life } = this.node;
    this.#wanted = false;
    this.#around.world.after(1, () => {
      if (life === this.node.life) this.#down(why);
    });
  }

  /** The process ends by a fault of its own; its manager starts it again. */
  died(why: string): void {
    this.#down(why);
    this.#around.world.after(RESTART_MS, () => {
      if (this.#wanted) this.start();
    });
  }

  #down(why: string): void {
    if (!this.node.up) return;
    this.#launcher = undefined;
    this.facts = undefined;
    this.#around.world.because(this.#record("down", why), () => {
      this.node.crash();
      this.#around.world.onTurn?.(this.node);
    });
  }

  /** As the daemon does: a successor in the same process, and the process ends with the last. */
  #supervise(ports: ActorPorts): void {
    const { life } = this.node;
    supervise<unknown>({
      name: this.role,
      clock: ports.clock,
      logger: ports.logger,
      afterEnd: true,
      start: (next) => {
        const actor = this.#options.start(this, ports, next);
        actor.onEnd(({ kind, why, by }) => {
          const blame = by === undefined ? {} : { by };
          this.#around.observe({ what: "actor-ended", node: this.node, kind, why, ...blame });
          this.#record(`actor-${kind}`, why);
        });
        return actor;
      },
      onOver: ({ kind, why }) => {
        this.#record("over", `${kind}: ${why}`);
        // The process ends after the turn in hand.
        this.#around.world.after(1, () => {
          if (life === this.node.life) this.died(why);
        });
      },
    });
  }

  /** The ways out of this life. */
  #ports(): ActorPorts {
    const { world, network, log, subjects } = this.#around;
    const { identity } = this.#options;
    const { node, machine } = this;
    const permissions = permissionsOf(subjects, identity);
    const bus = network.connect(node, {
      inbox: inboxOf(identity),
      permissions: {
        mayPublish: (subject) => mayPublish(permissions, subject),
        maySubscribe: (subject) => maySubscribe(permissions, subject),
      },
    });
    const clock = clockOf(node);
    const random = randomOf(world, node);
    const logger = loggerOf(world, node);
    if (this.role === "master") {
      const via = (): string | undefined => bus.brokerName;
      const onRead = (entries: readonly LogEntry[]): void =>
        this.#around.observe({ what: "read", node, entries });
      const disk = this.disk.open(node);
      return { bus, clock, random, logger, disk, log: new SimLog(log, node, via, onRead) };
    }
    if (machine === undefined) return { bus, clock, random, logger };
    const launcher = new SimLauncher(machine, node);
    this.#launcher = launcher;
    const disk = this.disk.open(node);
    return { bus, clock, random, logger, disk, launcher, streams: streamsOf(machine, node) };
  }

  #record(kind: string, summary: string): number {
    return this.#around.world.record({ node: this.name, kind, summary });
  }
}
