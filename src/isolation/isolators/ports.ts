/**
 * `network/ports`: a task in the host's network may listen on the ports that it was given, and on
 * no others. Whoever has a network of its own can take there what it likes.
 */
import { networksOf } from "../container.ts";
import type { Isolator } from "../isolator.ts";

export interface PortsOptions {
  /** Only what lies in this range is looked at, such as the agent's own ports; null: all. */
  readonly isolatedRange: readonly [first: number, last: number] | null;
}

const PORT_LAST = 65_535;

export function portsIsolator({ isolatedRange }: PortsOptions): Isolator {
  return {
    name: "network/ports",
    fragment(spec) {
      if (networksOf(spec).length > 0) return {};
      const own = spec.resources.ports ?? [];
      const [first, last] = isolatedRange ?? [0, PORT_LAST];
      const free: [number, number][] = [];
      if (first > 0) free.push([0, first - 1]);
      if (last < PORT_LAST) free.push([last + 1, PORT_LAST]);
      return { watch: { ports: [...own, ...free] } };
    },
  };
}
