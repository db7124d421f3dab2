/**
 * One resource object: a value with what is said of it (reservations, disk, revocable, shared …).
 * Owns when two objects are of one kind (may be summed), when one is indivisible, and when one
 * from outside is valid. Objects are never changed in place; the algebra is in `resources.ts`.
 */
import type { Disk, Resource } from "#protocol";
import { coalesceRanges, countRanges, formatRanges, invalidRanges } from "./ranges.ts";
import {
  formatReservation,
  invalidReservations,
  labelsKey,
  reservationsKey,
} from "./reservations.ts";
import { invalidRole } from "./roles.ts";
import { formatScalar, isMilli, SCALAR_MILLI_MAX } from "./scalar.ts";
import { canonicalItems, formatItems, invalidItems } from "./sets.ts";

export function isRevocable(resource: Resource): boolean {
  return resource.revocable !== undefined;
}

export function isShared(resource: Resource): boolean {
  return resource.shared !== undefined;
}

export function isPersistentVolume(resource: Resource): boolean {
  return resource.disk?.persistence !== undefined;
}

/**
 * Taken whole or not at all: MOUNT and BLOCK disks, RAW disks with an id, persistent volumes.
 * Such objects are never merged, even with an equal one.
 */
export function isIndivisible(resource: Resource): boolean {
  const disk = resource.disk;
  if (disk === undefined) return false;
  if (disk.persistence !== undefined) return true;
  const source = disk.source;
  if (source === undefined) return false;
  return (
    source.type === "MOUNT" ||
    source.type === "BLOCK" ||
    (source.type === "RAW" && source.id !== undefined)
  );
}

/**
 * Two objects may be summed exactly when their keys are equal (and neither is indivisible): name,
 * type, allocation role, whole reservation stack, disk source and persistence id, revocable,
 * provider. `volume` and the persistence principal do not count; having a disk field does. Shared
 * objects are only of one kind when identical, so their value is part of the key.
 */
export function kindKey(resource: Resource): string {
  const { name, type, allocationInfo, reservations, disk, providerId } = resource;
  const plain = type === "SCALAR" ? name : `${name} ${type}`;
  const reserved = reservations !== undefined && reservations.length > 0;
  const revocable = isRevocable(resource);
  const shared = isShared(resource);
  if (!reserved && disk === undefined && !revocable && !shared && providerId === undefined) {
    return allocationInfo === undefined ? plain : `${plain} @${allocationInfo.role}`;
  }
  const said = [
    allocationInfo?.role ?? null,
    reserved ? reservationsKey(reservations) : null,
    disk === undefined ? null : diskKey(disk),
    revocable,
    shared ? formatValue(resource) : null,
    providerId ?? null,
  ];
  return `${plain} ${JSON.stringify(said)}`;
}

function diskKey({ source, persistence }: Disk): unknown[] {
  if (source === undefined) return [null, persistence?.id ?? null];
  const { type, root, vendor, id, metadata, profile } = source;
  const from = [type, root ?? null, vendor ?? null, id ?? null, profile ?? null];
  return [[...from, metadata ? labelsKey(metadata) : null], persistence?.id ?? null];
}

/** The same object with its value in canonical form; the object itself where it already is. */
export function canonical(given: Resource): Resource {
  const resource = given.reservations?.length === 0 ? without(given, "reservations") : given;
  if (resource.type === "RANGES") {
    return { ...{}, ...resource, ranges: { range: coalesceRanges(resource.ranges?.range ?? []) } };
  }
  if (resource.type === "SET") {
    return { ...{}, ...resource, set: { item: canonicalItems(resource.set?.item ?? []) } };
  }
  return resource;
}

/** How much it is: thousandths for scalars, 1000 for each integer of ranges and item of a set. */
export function quantityMilli(resource: Resource): number {
  switch (resource.type) {
    case "SCALAR":
      return resource.scalar?.milli ?? 0;
    case "RANGES":
      return countRanges(resource.ranges?.range ?? []) * 1000;
    case "SET":
      return (resource.set?.item.length ?? 0) * 1000;
  }
}

export function isEmptyValue(resource: Resource): boolean {
  return quantityMilli(resource) === 0;
}

/** The same object without some of what is said of it. */
export function without(
  resource: Resource,
  field: "allocationInfo" | "reservations" | "shared",
): Resource {
  if (resource[field] === undefined) return resource;
  const { [field]: _, ...rest } = resource;
  return rest;
}

/** The value alone, as it is written after the colon. */
export function formatValue(resource: Resource): string {
  switch (resource.type) {
    case "SCALAR":
      return formatScalar(resource.scalar?.milli ?? 0);
    case "RANGES":
      return formatRanges(resource.ranges?.range ?? []);
    case "SET":
      return formatItems(resource.set?.item ?? []);
  }
}

/**
 * The extended form: name, allocation role, reservations, disk, `{REV}`, `<SHARED>`, value, copies
 * (of shared objects): `disk(reservations: [(STATIC,role1)])[id1:path1]<SHARED>:64<2>`.
 */
export function formatResource(resource: Resource, copies: number): string {
  const { name, allocationInfo, reservations, disk } = resource;
  let text = name;
  if (allocationInfo !== undefined) text += `(allocated: ${allocationInfo.role})`;
  if (reservations !== undefined && reservations.length > 0) {
    text += `(reservations: [${reservations.map(formatReservation).join(",")}])`;
  }
  if (disk !== undefined) text += `[${formatDisk(disk)}]`;
  if (isRevocable(resource)) text += "{REV}";
  if (isShared(resource)) text += "<SHARED>";
  text += `:${formatValue(resource)}`;
  return isShared(resource) ? `${text}<${copies}>` : text;
}

function formatDisk({ source, persistence, volume }: Disk): string {
  const parts: string[] = [];
  if (source !== undefined) {
    const { type, root, vendor, id, profile } = source;
    const named = id !== undefined || profile !== undefined;
    if (named) parts.push(`${type}(${vendor ?? ""},${id ?? ""},${profile ?? ""})`);
    else parts.push(root === undefined ? type : `${type}:${root}`);
  }
  if (persistence !== undefined) parts.push(persistence.id);
  const text = parts.join(",");
  if (volume === undefined) return text;
  const { hostPath, containerPath, mode } = volume;
  const path = hostPath === undefined ? containerPath : `${hostPath}:${containerPath}`;
  return `${text}:${hostPath === undefined ? path : `${path}:${mode.toLowerCase()}`}`;
}

const NAME = /^[^\s:;()[\]{}@"]+$/;

/** Why an object from outside is not valid, as a sentence that names field and value. */
export function invalidResource(resource: Resource): string | undefined {
  const { name, type, reservations, disk, allocationInfo } = resource;
  if (!NAME.test(name)) {
    return `name ${JSON.stringify(name)}: empty, or holds a blank or one of : ; ( ) [ ] { } @ "`;
  }
  const value = invalidValue(resource);
  if (value !== undefined) return `${name}: ${value}`;
  if (allocationInfo !== undefined) {
    const wrong = invalidRole(allocationInfo.role);
    if (wrong !== undefined) return `${name}: allocationInfo: ${wrong}`;
  }
  if (reservations !== undefined) {
    const wrong = invalidReservations(reservations);
    if (wrong !== undefined) return `${name}: ${wrong}`;
  }
  if (disk !== undefined && (name !== "disk" || type !== "SCALAR")) {
    return `${name}: the field disk is only for the scalar named "disk"`;
  }
  const root = disk?.source?.root;
  if (root !== undefined && (disk?.source?.type === "BLOCK" || disk?.source?.type === "RAW")) {
    return `${name}: a ${disk.source.type} disk has no root (${root})`;
  }
  if (isShared(resource) && !isPersistentVolume(resource)) {
    return `${name}: only persistent volumes may be shared`;
  }
  return undefined;
}

function invalidValue({ name, type, scalar, ranges, set }: Resource): string | undefined {
  const values = [scalar, ranges, set].filter((value) => value !== undefined).length;
  if (values !== 1) return `a ${type} resource needs exactly one value, it has ${values}`;
  switch (type) {
    case "SCALAR": {
      if (scalar === undefined) return "a SCALAR resource needs the field scalar";
      if (!isMilli(scalar.milli)) {
        return `scalar.milli ${scalar.milli} must be an integer from 0 to ${SCALAR_MILLI_MAX}`;
      }
      if (name === "gpus" && scalar.milli % 1000 !== 0) {
        return `${formatScalar(scalar.milli)} is not a whole number`;
      }
      return undefined;
    }
    case "RANGES":
      return ranges === undefined ? "needs the field ranges" : invalidRanges(ranges.range);
    case "SET":
      return set === undefined ? "needs the field set" : invalidItems(set.item);
  }
}
