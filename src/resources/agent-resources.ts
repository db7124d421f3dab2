/**
 * What an agent may be told to have, by flag, environment or file: resources that exist on the
 * machine. What only operations can make is refused, as Mesos' `--resources` does.
 */
import type { Resource } from "#protocol";
import { flawed, type Parsed } from "./grammar.ts";
import { isPersistentVolume, isRevocable } from "./resource.ts";
import { Resources } from "./resources.ts";

/** As `Resources.parse`; persistent volumes, revocable and DYNAMIC or allocated ones are refused. */
export function parseAgentResources(text: string, defaultRole?: string): Parsed<Resources> {
  const read = Resources.parse(text, defaultRole);
  if (!read.ok) return read;
  for (const [index, resource] of read.value.toWire().entries()) {
    const wrong = refusedReason(resource);
    if (wrong !== undefined) return flawed(`${resource.name}: ${wrong}`, index);
  }
  return read;
}

function refusedReason(resource: Resource): string | undefined {
  if (isPersistentVolume(resource)) {
    return `persistent volumes are made by CREATE, not by a setting`;
  }
  if (isRevocable(resource)) return "revocable resources are reported by the agent itself";
  if (resource.allocationInfo !== undefined) return "an allocation role cannot be set";
  const dynamic = resource.reservations?.find(({ type }) => type === "DYNAMIC");
  return dynamic === undefined
    ? undefined
    : `the reservation for ${dynamic.role} is DYNAMIC; only STATIC ones can be set`;
}
