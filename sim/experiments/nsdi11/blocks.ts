/**
 * A file spread over a cluster's disks as HDFS does it: each block on several nodes, drawn evenly.
 * Owns where blocks are, and which of one reader's blocks are still to be read.
 */
import type { Chance } from "../../kernel/prng.ts";

/** Nodes that hold each block, by block. */
export type Placement = readonly (readonly string[])[];

export function place(
  blocks: number,
  nodes: readonly string[],
  { copies, chance }: { readonly copies: number; readonly chance: Chance },
): Placement {
  return Array.from({ length: blocks }, () => {
    const holders = new Set<string>();
    while (holders.size < Math.min(copies, nodes.length)) {
      const node = chance.pick(nodes);
      if (node !== undefined) holders.add(node);
    }
    return [...holders];
  });
}

/** One reader's list of blocks; each is taken once, and put back when its reading failed. */
export class Unread {
  readonly #onNode = new Map<string, number[]>();
  readonly #open: boolean[];
  readonly #order: number[];
  #left: number;

  /** @param chance readers of one file do not all begin with its first block. */
  constructor(placement: Placement, chance: Chance) {
    this.#open = placement.map(() => true);
    this.#left = placement.length;
    this.#order = chance.shuffled(placement.map((_, block) => block));
    for (const block of this.#order) {
      for (const node of placement[block] ?? []) {
        const list = this.#onNode.get(node);
        if (list === undefined) this.#onNode.set(node, [block]);
        else list.push(block);
      }
    }
  }

  get left(): number {
    return this.#left;
  }

  /** A block that lies on `node`; undefined when none is left there. */
  takeOn(node: string): number | undefined {
    return this.#take(this.#onNode.get(node) ?? []);
  }

  /** Any block. */
  takeAny(): number | undefined {
    return this.#take(this.#order);
  }

  putBack(block: number, holders: readonly string[]): void {
    this.#open[block] = true;
    this.#left += 1;
    this.#order.push(block);
    for (const node of holders) this.#onNode.get(node)?.push(block);
  }

  #take(list: number[]): number | undefined {
    for (let block = list.pop(); block !== undefined; block = list.pop()) {
      if (this.#open[block] !== true) continue;
      this.#open[block] = false;
      this.#left -= 1;
      return block;
    }
    return undefined;
  }
}
