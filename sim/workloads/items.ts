/**
 * The items of a batch framework's work: what each one's script does, how it must end, what it
 * needs and when it comes in, all drawn from the seed. Whether they are done is the batch's affair.
 */
import type { Chance } from "../kernel/prng.ts";
import { MACHINE } from "../machine-size.ts";

export interface Item {
  readonly name: string;
  readonly script: string;
  /** How a task with this script ends when nothing else goes wrong. */
  readonly ends: string;
  readonly cpuMilli: number;
  readonly memMib: number;
  /** Killed by its scheduler so long after it runs. */
  readonly killAfterMs: number | undefined;
  readonly availableAtMs: number;
  /** true: in an executor of its own, which costs something too. */
  readonly custom: boolean;
  tries: number;
  done: boolean;
}

/** `backlog`: every item takes a machine whole, and all are there from the beginning. */
export type WorkloadKind = "batch" | "backlog";

export interface BatchOptions {
  readonly name: string;
  readonly kind?: WorkloadKind;
  readonly items: number;
  readonly chance: Chance;
  /** Draws how custom items come by their executors. */
  readonly executors: Chance;
  /** Items come in over this time, from the beginning of the run. */
  readonly overMs: number;
  /** Names of the items that are done; absent: all. What is left out was still drawn. */
  readonly only?: readonly string[] | undefined;
  readonly world: { readonly nowMs: number };
  /** true: items come one by one, and every framework works alike, as a story may count on. */
  readonly plain?: boolean;
}

/** States that say nothing of the script: the item is tried again. */
export const LOST: ReadonlySet<string> = new Set([
  "TASK_LOST",
  "TASK_DROPPED",
  "TASK_UNREACHABLE",
  "TASK_GONE",
  "TASK_GONE_BY_OPERATOR",
  "TASK_ERROR",
  "TASK_UNKNOWN",
]);

/** What a script does, how it ends, how often it is drawn. */
const SCRIPTS: readonly (readonly [script: (ms: number) => string, ends: string])[] = [
  [(ms) => `sleep ${ms / 1000}`, "TASK_FINISHED"],
  [(ms) => `sleep ${ms / 1000}`, "TASK_FINISHED"],
  [(ms) => `echo ${ms}; sleep ${ms / 1000}; exit 0`, "TASK_FINISHED"],
  [() => "true", "TASK_FINISHED"],
  [(ms) => `sleep ${ms / 1000}; exit 3`, "TASK_FAILED"],
  [(ms) => `sleep ${ms / 1000}; oom`, "TASK_FAILED"],
];

/** How long an item of a backlog runs. */
const BACKLOG_MS = [1_000, 5_000] as const;

/** More work than there is room for; only how long each item runs is drawn. */
export function backlogItems({ name, items, chance, only }: BatchOptions): Item[] {
  const drawn = Array.from({ length: items }, (_, index): Item => {
    const [low, high] = BACKLOG_MS;
    return {
      name: `${name}-${index + 1}`,
      script: `sleep ${chance.between(low, high) / 1000}`,
      ends: "TASK_FINISHED",
      cpuMilli: MACHINE.cpusMilli,
      memMib: MACHINE.memMib,
      killAfterMs: undefined,
      availableAtMs: 0,
      custom: false,
      tries: 0,
      done: false,
    };
  });
  return drawn.filter((item) => only?.includes(item.name) ?? true);
}

/** Items in the order in which they come in. */
export function drawItems(
  { name, items, chance, overMs, only }: BatchOptions,
  taskMs: number,
  most: number,
) {
  const drawn: Item[] = [];
  while (drawn.length < items) {
    const atMs = chance.below(Math.max(1, overMs));
    const size = Math.min(items - drawn.length, chance.between(1, most));
    // A job is one program many times.
    const item = drawItem(chance, taskMs, overMs);
    for (let count = 0; count < size; count++) {
      drawn.push({ ...{}, ...item, name: `${name}-${drawn.length + 1}`, availableAtMs: atMs });
    }
  }
  drawn.sort((one, other) => one.availableAtMs - other.availableAtMs);
  return drawn.filter((item) => only?.includes(item.name) ?? true);
}

type Drawn = Omit<Item, "name" | "availableAtMs">;

function drawItem(chance: Chance, taskMs: number, overMs: number): Drawn {
  const common = {
    custom: chance.chance(200_000),
    cpuMilli: chance.between(1, 20) * 100,
    memMib: chance.between(1, 16) * 32,
    tries: 0,
    done: false,
  };
  if (chance.chance(100_000)) {
    const killAfterMs = chance.between(100, 10_000);
    const script = chance.chance(300_000) ? "ignore-term; hang" : "hang";
    return { ...{}, ...common, script, ends: "TASK_KILLED", killAfterMs };
  }
  const [script, ends] = chance.pick(SCRIPTS) ?? [() => "true", "TASK_FINISHED"];
  // Work that is lost at the end of the faults must still end before the run does.
  const text = script(Math.ceil(Math.min(chance.exponential(taskMs), overMs / 5)));
  return { ...{}, ...common, script: text, ends, killAfterMs: undefined };
}

/** Names of all items of a run. */
export function itemNames({
  frameworks,
  items,
}: {
  readonly frameworks: number;
  readonly items: number;
}): string[] {
  return Array.from({ length: frameworks * items }, (_, index) => {
    const framework = 1 + Math.floor(index / items);
    return `framework-${framework}-${1 + (index % items)}`;
  });
}
