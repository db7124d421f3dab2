/** What a master is told when it starts: every setting with its default and its meaning. */
import type { Placement, Sorter } from "#allocator";
import type { ClusterId, MasterId, Subjects } from "#protocol";
import { ELECTION_TIMES, type ElectionTimes, RECORD_VERSION, type Witness } from "#replication";
import { EVENTS_INTERVAL_MS } from "./publish.ts";

/** All times in milliseconds. Defaults are those of Mesos (mesos.md §2) unless said. */
export interface MasterConfig {
  readonly subjects: Subjects;
  readonly masterId: MasterId;
  /** Name that a new log gets. */
  readonly clusterId: ClusterId;
  /**
   * true: this process holds a lock on the place that `masterId` comes from, so an earlier leader
   * of that id has ended for certain and need not be waited for. Default false.
   */
  readonly masterIdLocked?: boolean;
  readonly election?: ElectionTimes;
  /** The log as this master's disk last saw it; a log that ends before it is not led (P-7.4). */
  readonly witness?: Witness;

  /** How often the leader says that it leads. Default 1,000. */
  readonly beaconIntervalMs?: number;
  /** Clients spread their first Hello over this time. Default 1,000. */
  readonly helloWindowMs?: number;
  /** How often peers say that they live: agent_ping_timeout. Default 15,000. */
  readonly heartbeatIntervalMs?: number;
  /** Silence after which an agent is unreachable: 5 pings. Default 75,000. */
  readonly agentSilenceMs?: number;
  /** Silence after which a framework's session counts as over. Default 75,000. */
  readonly frameworkSilenceMs?: number;
  /**
   * How long a framework whose session ended has to come back before its failover timeout begins
   * to count. Default 15,000: a gap in a session is no disconnection.
   */
  readonly frameworkReturnMs?: number;
  /** After a takeover, how long agents and frameworks have to return. Default 600,000. */
  readonly returnWindowMs?: number;
  /** Clients that register at the same time; others wait to be called. Default 32. */
  readonly comingMax?: number;
  /** How long one that was called has to register before the next is called. Default 10,000. */
  readonly comingMs?: number;
  /** How long an incumbent has to answer before another may take its place. Default 1,500. */
  readonly incumbentMs?: number;
  /** Agents that may be removed in a minute; the larger of the two counts. Default 3 and 0.1. */
  readonly agentRemovalsMin?: number;
  readonly agentRemovalsShare?: number;

  /** Offers expire after this; 0: never. Mesos has no default, here 60,000. */
  readonly offerTimeoutMs?: number;
  readonly allocationIntervalMs?: number;
  /** In which order a run goes over the agents. Default `random`, as in Mesos. */
  readonly placement?: Placement;
  /** How roles, and the frameworks of a role, come into order. Default `drf`. */
  readonly roleSorter?: Sorter;
  readonly frameworkSorter?: Sorter;
  /** How long tasks on lent resources live on when the lender asks for them. Default 30,000. */
  readonly reclaimNoticeMs?: number;
  /** Each entry is a set of quantities; an offer contains one. Default `cpus:0.01;mem:32`. */
  readonly minAllocatable?: readonly string[];
  /** Filter of leftovers and declines that say nothing. Default 5,000; at most 365 days. */
  readonly refuseMsDefault?: number;
  /**
   * Changes are published so often: what a view may lag behind, and what it costs to tell it.
   * Default 100.
   */
  readonly eventsIntervalMs?: number;
  /** How often counters are published. Default 5,000. */
  readonly countersIntervalMs?: number;
  /**
   * The registry is written into the log as a snapshot when so many records and so much cluster
   * time have passed since the last one. Default 10,000 and one hour (P-7.7).
   */
  readonly snapshotRecords?: number;
  readonly snapshotIntervalMs?: number;
  /**
   * Newest version of records that this master reads and writes. Default: the one of this build;
   * lower where it stands for an older build during an upgrade (P-7.8).
   */
  readonly recordVersion?: number;
  /** Refuse frameworks whose user is root. Default false. */
  readonly refuseRoot?: boolean;
}

export type MasterSettings = Required<Omit<MasterConfig, "witness">> & {
  readonly witness: Witness | undefined;
};

/** The configuration with its defaults filled in. */
export function settingsOf(config: MasterConfig): MasterSettings {
  return {
    masterIdLocked: false,
    election: ELECTION_TIMES,
    beaconIntervalMs: 1000,
    helloWindowMs: 1000,
    heartbeatIntervalMs: 15_000,
    agentSilenceMs: 75_000,
    frameworkSilenceMs: 75_000,
    frameworkReturnMs: 15_000,
    returnWindowMs: 600_000,
    comingMax: 32,
    comingMs: 10_000,
    incumbentMs: 1500,
    agentRemovalsMin: 3,
    agentRemovalsShare: 0.1,
    offerTimeoutMs: 60_000,
    allocationIntervalMs: 1000,
    placement: "random",
    roleSorter: "drf",
    frameworkSorter: "drf",
    reclaimNoticeMs: 30_000,
    minAllocatable: ["cpus:0.01;mem:32"],
    refuseMsDefault: 5000,
    eventsIntervalMs: EVENTS_INTERVAL_MS,
    countersIntervalMs: 5000,
    snapshotRecords: 10_000,
    snapshotIntervalMs: 3_600_000,
    recordVersion: RECORD_VERSION,
    refuseRoot: false,
    ...config,
    witness: config.witness,
  };
}
