/**
 * `linux/capabilities` and `linux/nnp`: what root inside may do, and that nobody inside ever gets
 * more. On by default; a task may ask for less, or for more up to what the agent grants.
 */
import { CAPABILITIES, CAPABILITIES_DEFAULT, type Capability } from "#protocol";
import type { ContainerSpec } from "../container.ts";
import type { Isolator } from "../isolator.ts";
import type { InsideOptions } from "./inside-options.ts";

/** Hexadecimal digits of a set, by the numbers of the kernel. */
export function capabilityBits(names: Iterable<Capability>): string {
  let bits = 0n;
  for (const name of names) bits |= 1n << BigInt(CAPABILITIES.indexOf(name));
  return bits.toString(16);
}

export interface CapabilityWish {
  readonly effective: readonly Capability[];
  readonly bounding: readonly Capability[];
}

/** What the container gets, or a sentence about what this agent does not grant. */
export function capabilitiesOf(
  { user, container }: Pick<ContainerSpec, "user" | "container">,
  { boundingCapabilities }: InsideOptions,
): CapabilityWish | string {
  const info = container?.linuxInfo;
  const usual = CAPABILITIES_DEFAULT.filter((name) => boundingCapabilities.includes(name));
  const isRoot = user === null || user.uid === 0;
  const effective = info?.effectiveCapabilities?.capabilities ?? (isRoot ? usual : []);
  const bounding =
    info?.boundingCapabilities?.capabilities ?? (info?.effectiveCapabilities ? effective : usual);
  const beyond = [...effective, ...bounding].find((name) => !boundingCapabilities.includes(name));
  if (beyond !== undefined) {
    const granted = boundingCapabilities.join(" ") || "none";
    return `linuxInfo.effectiveCapabilities: ${beyond} is not among what this agent grants: ${granted}`;
  }
  const outside = effective.find((name) => !bounding.includes(name));
  if (outside !== undefined) {
    return `linuxInfo.boundingCapabilities: ${outside} is effective and not among them`;
  }
  return { effective, bounding };
}

export function capabilitiesIsolator(options: InsideOptions): Isolator {
  return {
    name: "linux/capabilities",
    fragment(spec, machine) {
      const info = spec.container?.linuxInfo;
      if (!machine.isRoot) {
        const asked = info?.effectiveCapabilities ?? info?.boundingCapabilities;
        if (asked === undefined) return {};
        return { refused: "linuxInfo: capabilities need an agent that runs as root" };
      }
      const wish = capabilitiesOf(spec, options);
      if (typeof wish === "string") return { refused: wish };
      const effective = capabilityBits(wish.effective);
      const bounding = capabilityBits(wish.bounding);
      return { inside: { capabilities: { effective, bounding } } };
    },
  };
}

export const nnpIsolator: Isolator = {
  name: "linux/nnp",
  fragment: () => ({ inside: { noNewPrivileges: true } }),
};
