/** One process of a run with all that belongs to it alone: its place on the net and its disk. */
import type { SmallDisk } from "./disk.ts";
import type { Place } from "./network.ts";
import type { KeptProcess } from "./process.ts";

export const KINDS = ["broker", "master", "agent", "framework"] as const;
export type Kind = (typeof KINDS)[number];

export interface ChaosNode {
  readonly kind: Kind;
  readonly name: string;
  readonly place: Place;
  readonly disk: SmallDisk;
  readonly process: KeptProcess;
}
