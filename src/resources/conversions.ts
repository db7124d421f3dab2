/**
 * RESERVE, UNRESERVE, CREATE and DESTROY as what they do to a bag: what each uses up and what
 * comes of it (mesos.md §3.4). Also which part of an agent's resources exists by operations alone,
 * and is on its disk, not in its flags. Knows not who may ask for one.
 */
import {
  CHECKPOINTED_BYTES_MAX,
  CHECKPOINTED_RESOURCES_MAX,
  type Disk,
  encodePlain,
  type Resource,
  type ResourceOperation,
} from "#protocol";
import { isPersistentVolume, isRevocable } from "./resource.ts";
import { Resources } from "./resources.ts";

/** What an operation uses up and what comes of it, without allocation role. */
export interface Converted {
  readonly consumed: Resources;
  readonly converted: Resources;
}

/**
 * Why the resources are none that such an operation can be about, as a sentence that names field
 * and value; undefined where `conversionOf` may be asked.
 */
export function conversionFault({ type, resources }: ResourceOperation): string | undefined {
  const checked = Resources.check(resources);
  if (!checked.ok) return checked.error.message;
  if (checked.value.isEmpty) return "resources: nothing is named";
  for (const [index, resource] of resources.entries()) {
    const fault = FAULTS[type](resource);
    if (fault !== undefined) return `resources[${index}]: ${resource.name} ${fault}`;
    if (isRevocable(resource)) return `resources[${index}]: ${resource.name} is revocable`;
  }
  return type === "CREATE" ? twiceFault(resources) : undefined;
}

type Fault = (resource: Resource) => string | undefined;

const FAULTS: Readonly<Record<ResourceOperation["type"], Fault>> = {
  RESERVE: (resource) => dynamicFault(resource) ?? volumeFault(resource),
  UNRESERVE: (resource) => dynamicFault(resource) ?? volumeFault(resource),
  CREATE: (resource) => reservedFault(resource) ?? noVolumeFault(resource),
  DESTROY: (resource) => reservedFault(resource) ?? noVolumeFault(resource),
};

function dynamicFault({ reservations }: Resource): string | undefined {
  const top = reservations?.at(-1);
  if (top === undefined) return "is not reserved";
  if (top.type === "DYNAMIC") return undefined;
  return `is reserved for ${top.role} by the agent's own flags; that is no operation's to change`;
}

function volumeFault(resource: Resource): string | undefined {
  const id = resource.disk?.persistence?.id;
  return id === undefined ? undefined : `is the persistent volume ${id}; destroy it first`;
}

function reservedFault({ reservations }: Resource): string | undefined {
  if ((reservations ?? []).length > 0) return undefined;
  return "is not reserved; a volume is made of a role's reserved disk";
}

function noVolumeFault(resource: Resource): string | undefined {
  if (!isPersistentVolume(resource)) return "has no disk.persistence.id, so it is no volume";
  const { disk, shared } = resource;
  if (shared !== undefined) return "is shared; this version makes no shared volumes";
  if (disk?.volume === undefined) return "has no disk.volume, so it is no volume";
  if (disk.volume.mode === "RO") return "has a volume of mode RO; nothing could ever be written";
  if (disk.volume.hostPath !== undefined) return "names a hostPath; the agent chooses the place";
  return undefined;
}

function twiceFault(resources: readonly Resource[]): string | undefined {
  const seen = new Set<string>();
  for (const { disk } of resources) {
    const id = disk?.persistence?.id ?? "";
    if (seen.has(id)) return `resources: persistent volume ${id} occurs twice`;
    seen.add(id);
  }
  return undefined;
}

/** Expects that `conversionFault` found nothing. */
export function conversionOf({ type, resources }: ResourceOperation): Converted {
  const named = Resources.fromWire(resources).unallocate();
  switch (type) {
    case "RESERVE":
      return { consumed: named.popReservation(), converted: named };
    case "UNRESERVE":
      return { consumed: named, converted: named.popReservation() };
    case "CREATE":
      return { consumed: diskOf(named), converted: named };
    case "DESTROY":
      return { consumed: named, converted: diskOf(named) };
  }
}

/** The disk that volumes are made of. */
function diskOf(volumes: Resources): Resources {
  return Resources.fromWire([...volumes].map(withoutVolume));
}

function withoutVolume(resource: Resource): Resource {
  const { disk, shared: _, ...rest } = resource;
  const { persistence: _id, volume: _volume, ...source } = disk ?? ({} as Disk);
  return source.source === undefined ? rest : { ...{}, ...rest, disk: source };
}

/** What exists by operations alone. */
export function checkpointedPart(total: Resources): Resources {
  return total.filter((resource) => {
    const { reservations = [] } = resource;
    return isPersistentVolume(resource) || reservations.some(({ type }) => type === "DYNAMIC");
  });
}

/** Why an agent cannot have that much by operations, as every registration names it. */
export function checkpointedFault(total: Resources): string | undefined {
  const part = checkpointedPart(total);
  const most = CHECKPOINTED_RESOURCES_MAX;
  if (part.length > most) {
    return `resources: the agent would have ${part.length} reservations and volumes, above ${most}`;
  }
  const bytes = encodePlain(part.toWire()).length;
  if (bytes <= CHECKPOINTED_BYTES_MAX) return undefined;
  return `resources: what the agent would have by operations takes ${bytes} bytes, above ${CHECKPOINTED_BYTES_MAX}`;
}

/**
 * What an agent has: its flags' resources, changed by what operations have made of them.
 * Undefined where the flags no longer have what the operations were done to.
 */
export function withCheckpointed(
  configured: Resources,
  checkpointed: Resources,
): Resources | undefined {
  if (checkpointed.isEmpty) return configured;
  const origin = Resources.fromWire(
    [...checkpointed].map((resource) => {
      const { reservations = [], ...rest } = withoutVolume(resource);
      const fixed = reservations.filter(({ type }) => type === "STATIC");
      return fixed.length === 0 ? rest : { ...{}, ...rest, reservations: fixed };
    }),
  );
  if (!configured.contains(origin)) return undefined;
  return configured.subtract(origin).add(checkpointed);
}
