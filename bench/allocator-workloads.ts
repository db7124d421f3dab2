/**
 * The list of workloads: sizes, what the C++ original needed at each of them (unscaled), and what
 * is asked of ours. Median processor time; the definitions of W1 to W16 are those of Mesos' own
 * benchmarks, the others are ours.
 */
import {
  addAndUpdate,
  backlog,
  cycles,
  explanations,
  launches,
  mostFiltered,
  mostSuppressed,
  singleEvents,
  unlike,
} from "./allocator-cycle-load.ts";
import type { OriginalPhase, Point, Workload } from "./allocator-meter.ts";
import { largeAndSmallQuota, multiFramework, quotaOrNot, updates } from "./allocator-quota-load.ts";
import { declines, labelled, suppression, used, volumes } from "./allocator-refusal-load.ts";
import { arithmetic, fullSort, hierarchyFullSort } from "./allocator-sorter-load.ts";

type Asked = Omit<Point, "agents" | "frameworks" | "rounds">;

const point = (agents: number, frameworks: number, rounds: number, asked: Asked = {}): Point => ({
  agents,
  frameworks,
  rounds,
  ...asked,
});

const ms = (milliseconds: number): OriginalPhase => ({ ms: milliseconds });
const usEach = (microseconds: number): OriginalPhase => ({ usEach: microseconds });

/** Phases of W1 and W1r. */
const cycled = (add: number, frameworks: number, cycle: number, decline: number) => ({
  "add agents": ms(add),
  "add frameworks": ms(frameworks),
  cycle: ms(cycle),
  decline: ms(decline),
});
const launched = (cycle: number, accept: number, endUsEach: number) => ({
  cycle: ms(cycle),
  accept: ms(accept),
  "end tasks": usEach(endUsEach),
});
const LAUNCH_RATE = { phases: ["cycle", "accept"], perSecond: 100_000 };
const updated = (frameworks: number, add: number, update: number) => ({
  "add frameworks": ms(frameworks),
  "add agents": ms(add),
  "update agents": ms(update),
});
const declined = (add: number, cycle: number, declineUsEach: number) => ({
  "add agents": ms(add),
  cycle: ms(cycle),
  decline: usEach(declineUsEach),
});
const suppressed = (list: readonly number[], decline: number) => ({
  ...Object.fromEntries(list.map((each, i) => [`cycle ${i + 1}`, ms(each)])),
  decline: ms(decline),
});
const sorted = (add: number, full: number, noOps: number, back: number) => ({
  "add allocations": ms(add),
  "full sort": ms(full),
  "no-op sorts": ms(noOps),
  "take back": ms(back),
});

const PARTS = "parts alone; what they add up to is asked of W1 to W13";

const LAUNCH_POINTS: readonly Point[] = [
  point(1000, 1, 8, {
    original: launched(26.6, 46, 22),
    originalMib: 54,
    atLeast: LAUNCH_RATE,
  }),
  point(1000, 50, 8, { original: launched(36.6, 58, 27), originalMib: 67, atLeast: LAUNCH_RATE }),
  point(1000, 200, 8, { original: launched(46.6, 65, 35), originalMib: 69, atLeast: LAUNCH_RATE }),
  point(2000, 500, 8, { original: launched(127, 132, 41), originalMib: 129, atLeast: LAUNCH_RATE }),
  point(5000, 1000, 8, {
    original: launched(434, 350, 43),
    originalMib: 303,
    atLeast: LAUNCH_RATE,
  }),
  point(10_000, 1000, 8, {
    original: launched(870, 752, 50),
    originalMib: 588,
    atLeast: LAUNCH_RATE,
  }),
];

const MESOS: readonly Workload[] = [
  {
    name: "W1",
    about: "cycles over all agents, all offers declined; frameworks in one role",
    points: [
      point(1000, 1, 8, { original: cycled(39, 3.7, 34.8, 42), originalMib: 43 }),
      point(1000, 50, 8, { original: cycled(43, 24, 39.7, 45), originalMib: 48 }),
      point(1000, 200, 8, { original: cycled(37, 75, 43.4, 43), originalMib: 50 }),
      point(2000, 500, 8, { original: cycled(72, 388, 101, 88), originalMib: 90 }),
      point(5000, 1000, 8, { original: cycled(168, 1870, 362, 204), originalMib: 207 }),
      point(10_000, 1000, 8, {
        original: cycled(353, 6670, 747, 422),
        originalMib: 348,
        belowMs: { cycle: 50 },
      }),
      point(20_000, 2000, 8, {
        original: cycled(630, 27_900, 3070, 876),
        originalMib: 486,
        belowMs: { cycle: 150 },
      }),
      point(50_000, 1000, 6, { belowMs: { cycle: 400 } }),
      point(50_000, 10_000, 6),
    ],
    run: cycles(() => "*"),
  },
  {
    name: "W1r",
    about: "the same, each framework in a role of its own",
    points: [
      point(1000, 50, 5, { original: cycled(43, 115, 36.6, 40), originalMib: 62 }),
      point(1000, 200, 5, { original: cycled(37, 469, 46, 36), originalMib: 152 }),
      point(2000, 500, 5, { original: cycled(72, 2640, 181, 72), originalMib: 631 }),
      point(5000, 1000, 5, {
        original: cycled(168, 18_800, 1860, 220),
        originalMib: 2923,
        belowMs: { cycle: 100 },
        belowMib: 300,
      }),
    ],
    run: cycles((i) => `role${i}`),
  },
  {
    name: "W2",
    about: "cycle, then a task from each offer; at last all tasks end",
    points: LAUNCH_POINTS,
    run: launches(() => "*"),
  },
  {
    name: "W2r",
    about: "the same, each framework in a role of its own",
    points: [
      point(1000, 50, 8, {
        original: launched(68.7, 94, 64),
        originalMib: 131,
        atLeast: LAUNCH_RATE,
      }),
      point(1000, 200, 8, {
        original: launched(85, 93, 66),
        originalMib: 220,
        atLeast: LAUNCH_RATE,
      }),
    ],
    run: launches((i) => `role${i}`),
  },
  {
    name: "W3",
    about: "agents arrive partly used, then change",
    points: [
      point(1000, 1, 1, { original: updated(0.7, 135, 69), originalMib: 38 }),
      point(1000, 50, 1, { original: updated(2.4, 131, 78), originalMib: 36 }),
      point(1000, 200, 1, { original: updated(5.1, 138, 91), originalMib: 37 }),
      point(2000, 500, 1, { original: updated(13.6, 300, 172), originalMib: 64 }),
      point(5000, 1000, 1, { original: updated(34, 887, 591), originalMib: 146 }),
      point(10_000, 1000, 1, { original: updated(40, 1737, 1300), originalMib: 279 }),
    ],
    run: addAndUpdate,
  },
  {
    name: "W4",
    about: "every offer declined for a year",
    points: [
      point(1000, 1, 2, { original: declined(135, 16.7, 93), originalMib: 48 }),
      point(1000, 50, 100, {
        original: { ...declined(146, 51, 93), "middle cycle": ms(382), "late cycle": ms(500) },
        originalMib: 283,
        belowMs: { "late cycle": 20 },
      }),
      point(1000, 200, 12, { original: declined(140, 77, 111), originalMib: 113 }),
      point(2000, 500, 8, { original: declined(297, 189, 115), originalMib: 180 }),
      point(5000, 1000, 6, { original: declined(899, 537, 117), originalMib: 393 }),
      point(10_000, 1000, 4, { original: declined(1630, 925, 104), originalMib: 644 }),
    ],
    run: declines("*", used("cpus:16;mem:2014;disk:1024")),
  },
  {
    name: "W5",
    about: "the same with labelled reservations in use",
    points: [
      point(1000, 1, 2, { original: declined(174, 12.9, 92), originalMib: 52 }),
      point(1000, 50, 12, { original: declined(136, 85, 126), originalMib: 118 }),
      point(1000, 200, 8, { original: declined(157, 86, 120), originalMib: 98 }),
    ],
    run: declines("role1", labelled),
  },
  {
    name: "W6",
    about: "a fifth of the frameworks more suppressed in each round",
    points: [
      point(1000, 50, 5, { original: suppressed([73, 72, 76, 66, 15], 92), originalMib: 62 }),
      point(1000, 200, 5, { original: suppressed([71, 76, 74, 75, 9], 93), originalMib: 57 }),
      point(5000, 1000, 5, {
        original: { ...suppressed([496, 519, 510, 465, 45], 502), "add agents": ms(1145) },
        originalMib: 232,
      }),
    ],
    run: suppression(false),
  },
  {
    name: "W7",
    about: "all but a hundredth suppressed",
    points: [point(1000, 200, 5, { original: { cycle: ms(95), decline: ms(115) } })],
    run: suppression(true),
  },
  {
    name: "W8",
    about: "reserved agents with persistent volumes",
    points: [
      point(1000, 50, 6, { original: { "add agents": ms(165), cycle: ms(70), decline: ms(132) } }),
      point(1000, 200, 6, { original: { "add agents": ms(171), cycle: ms(80), decline: ms(128) } }),
    ],
    run: volumes,
  },
  {
    name: "W9",
    about: "every framework revives, nothing to give",
    points: [
      point(1000, 50, 1, { original: { "revive all": ms(23) } }),
      point(1000, 200, 1, { original: { "revive all": ms(41) } }),
      point(5000, 1000, 1, { original: { "revive all": ms(1795) } }),
    ],
    run: backlog,
  },
  {
    name: "W10",
    about: "large and small quota roles, one framework each; agents for all of them",
    points: [
      point(30, 30, 2, { original: { "cycle 1": ms(3), "cycle 2": ms(4.5) }, originalMib: 12 }),
      point(300, 300, 2, {
        original: { "cycle 1": ms(178), "cycle 2": ms(142) },
        originalMib: 72,
      }),
      point(3000, 3000, 2, {
        original: {
          "add frameworks": ms(41_100),
          "set quota": ms(368),
          "cycle 1": ms(30_400),
          "cycle 2": ms(21_300),
        },
        originalMib: 5179,
        belowMs: { "cycle 1": 1000, "cycle 2": 1000 },
      }),
    ],
    run: largeAndSmallQuota,
  },
  {
    name: "W11",
    about: "two frameworks a role, no quota",
    points: [
      point(200, 200, 2, { original: { "cycle 1": ms(10.9), "cycle 2": ms(7.2) } }),
      point(2000, 2000, 2, {
        original: { "add frameworks": ms(8140), "cycle 1": ms(525), "cycle 2": ms(368) },
        originalMib: 1168,
      }),
    ],
    run: quotaOrNot(false),
  },
  {
    name: "W11q",
    about: "the same with quota",
    points: [
      point(200, 200, 2, { original: { "cycle 1": ms(13.8), "cycle 2": ms(7.2) } }),
      point(2000, 2000, 2, {
        original: { "add frameworks": ms(7500), "cycle 1": ms(272), "cycle 2": ms(155) },
        originalMib: 1176,
      }),
    ],
    run: quotaOrNot(true),
  },
  {
    name: "W12",
    about: "few greedy, many small, some middling frameworks",
    points: [point(80, 554, 400, { original: { cycle: ms(6.5), "launch and recover": ms(6.2) } })],
    run: multiFramework,
  },
  {
    name: "W13",
    about: "RESERVE and UNRESERVE on an agent of many objects",
    points: [50, 100, 200].map((roles, i) =>
      point(1, roles, 20, {
        original: {
          reserve: ms([7.4, 16.2, 47][i] ?? 0),
          unreserve: ms([7.2, 16.3, 47][i] ?? 0),
        },
      }),
    ),
    run: updates,
  },
  {
    name: "W14",
    about: "one order of clients, all its operations",
    told: PARTS,
    points: [
      point(1000, 50, 1, { original: sorted(3.4, 0.02, 1, 100) }),
      point(1000, 200, 1, { original: sorted(3, 0.06, 5, 125) }),
      point(1000, 1000, 1, { original: sorted(3.7, 0.4, 25, 124) }),
      point(10_000, 1000, 1, { original: sorted(43, 0.5, 18, 1140) }),
    ],
    run: fullSort,
  },
  {
    name: "W15",
    about: "the same in a tree; frameworks: children of a node, rounds: height",
    told: PARTS,
    points: [
      point(1000, 32, 3, { original: sorted(3.9, 0.4, 30, 174) }),
      point(1000, 3, 7, { original: sorted(10.8, 0.5, 50, 398) }),
      point(1000, 2, 10, { original: sorted(15.9, 0.6, 60, 587) }),
    ],
    run: hierarchyFullSort,
  },
  {
    name: "W16",
    about: "arithmetic of resources; rounds: how often",
    told: PARTS,
    points: [
      point(0, 0, 50_000, {
        original: {
          "4 scalars +": usEach(1.2),
          "4 scalars -": usEach(1.2),
          "with a shared disk +": usEach(1.3),
          "with a shared disk -": usEach(0.96),
          "4,000 reservations +": usEach(187_000),
          "4,000 reservations -": usEach(181_000),
          "parse 100 names": usEach(311),
          "10 ranges a+b": usEach(1.1),
          "10 ranges a-b": usEach(1),
          "100 ranges a+b": usEach(14.6),
          "100 ranges a-b": usEach(11.4),
          "1000 ranges a+b": usEach(198),
          "1000 ranges a-b": usEach(147),
        },
      }),
    ],
    run: arithmetic,
  },
];

const OURS: readonly Workload[] = [
  {
    name: "unlike",
    about: "W2 where no agent has as much as another",
    points: LAUNCH_POINTS,
    told: "ours, which the original never ran: beside its W2, where agents are equal",
    run: launches(() => "*", unlike),
  },
  {
    name: "growth",
    about: "W1 with growing numbers of agents",
    points: [1000, 5000, 10_000, 20_000, 50_000].map((agents) => point(agents, 1000, 8)),
    run: cycles(() => "*"),
  },
  {
    name: "suppressed",
    about: "W1 where all but 50 frameworks are suppressed",
    points: [
      ...[50, 1000, 10_000].map((frameworks) => point(10_000, frameworks, 8)),
      ...[50, 1000].map((frameworks) => point(1000, frameworks, 8)),
      ...[50, 1000].map((frameworks) => point(50_000, frameworks, 8)),
    ],
    flatMost: 1.5,
    run: mostSuppressed,
  },
  {
    name: "filtered",
    about: "W1 where all but 50 frameworks have refused every agent for a year",
    // A million filters at most: what a filter takes is memory. A longer list of frameworks costs
    // half as much again by itself, as `growth` has it over 1,000 agents beside W1.
    points: [
      ...[51, 200, 1000].map((frameworks) => point(1000, frameworks, 8)),
      ...[51, 150].map((frameworks) => point(10_000, frameworks, 8)),
      ...[51, 70].map((frameworks) => point(50_000, frameworks, 8)),
    ],
    flatMost: 2.5,
    run: mostFiltered,
  },
  {
    name: "event",
    about: "single agents come free and are offered again, each in a run of its own",
    points: [point(10_000, 1000, 1), point(50_000, 1000, 1), point(50_000, 10_000, 1)].map(
      (each) => ({ ...each, atLeast: { phases: ["event runs"], perSecond: 10_000 } }),
    ),
    run: singleEvents,
  },
  {
    name: "explain",
    about: "why nothing is offered, over all agents",
    points: [
      point(10_000, 50, 8, {
        belowMs: { "explain framework": 50, "explain demand": 50 },
      }),
    ],
    run: explanations,
  },
];

export const WORKLOADS: readonly Workload[] = [...MESOS, ...OURS];
