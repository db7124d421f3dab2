/**
 * Reads resources from JSON as people write it: our own shape, or that of the Mesos v1 API (snake
 * case, `scalar.value`, `source.mount.root`). Shapes only; what they say is judged by `resource.ts`.
 */
import type { Disk, Label, Reservation, Resource } from "#protocol";
import { flawed, type Parsed, parsed } from "./grammar.ts";
import { readScalarNumber } from "./scalar.ts";

type Fields = { readonly [field: string]: unknown };

class ShapeFault extends Error {}

/** A JSON array of resource objects; the position in an error is the index in the array. */
export function readForeign(json: string): Parsed<Resource[]> {
  let objects: unknown;
  try {
    objects = JSON.parse(json);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return flawed(`no valid JSON: ${message}`, 0);
  }
  if (!Array.isArray(objects)) return flawed("not a JSON array of resource objects", 0);
  const resources: Resource[] = [];
  for (const [index, object] of objects.entries()) {
    try {
      resources.push(resourceOf(fieldsOf(object, "resource")));
    } catch (error) {
      if (!(error instanceof ShapeFault)) throw error;
      return flawed(`resources[${index}]: ${error.message}`, index);
    }
  }
  return parsed(resources);
}

const RESOURCE_FIELDS = [
  "name type scalar ranges set reservations allocationInfo disk revocable shared providerId",
  "allocation_info provider_id role",
].flatMap((names) => names.split(" "));

function resourceOf(fields: Fields): Resource {
  for (const field of Object.keys(fields)) {
    if (!RESOURCE_FIELDS.includes(field)) throw new ShapeFault(`unknown field ${field}`);
  }
  const name = textOf(fields, "name");
  const resource = { name, ...readValue(fields) } as Resource;
  const provider = get(fields, "providerId") ?? get(fields, "provider_id");
  if (provider !== undefined) {
    resource.providerId = typeof provider === "string" ? provider : valueText(provider);
  }
  const allocation = get(fields, "allocationInfo") ?? get(fields, "allocation_info");
  if (allocation !== undefined) {
    resource.allocationInfo = { role: textOf(fieldsOf(allocation, "allocationInfo"), "role") };
  }
  // The old single `role` of Mesos stands for one static reservation.
  const role = optionalText(fields, "role");
  if (role !== undefined && role !== "*") resource.reservations = [{ type: "STATIC", role }];
  if (get(fields, "reservations") !== undefined) {
    resource.reservations = listOf(get(fields, "reservations"), "reservations").map(reservationOf);
  }
  if (get(fields, "disk") !== undefined)
    resource.disk = diskOf(fieldsOf(get(fields, "disk"), "disk"));
  if (get(fields, "revocable") !== undefined) resource.revocable = {};
  if (get(fields, "shared") !== undefined) resource.shared = {};
  return resource;
}

function valueText(provider: unknown): string {
  return textOf(fieldsOf(provider, "providerId"), "value");
}

function readValue(fields: Fields): Omit<Resource, "name"> {
  const type = textOf(fields, "type");
  switch (type) {
    case "SCALAR": {
      const scalar = fieldsOf(get(fields, "scalar"), "scalar");
      return { type, scalar: { milli: milliOf(scalar) } };
    }
    case "RANGES": {
      const list = listOf(get(fieldsOf(get(fields, "ranges"), "ranges"), "range"), "ranges.range");
      const range = list.map((each) => {
        const { begin, end } = fieldsOf(each, "range");
        return { begin: numberOf(begin, "begin"), end: numberOf(end, "end") };
      });
      return { type, ranges: { range } };
    }
    case "SET": {
      const list = listOf(get(fieldsOf(get(fields, "set"), "set"), "item"), "set.item");
      return { type, set: { item: list.map((each) => asText(each, "set.item")) } };
    }
    default:
      throw new ShapeFault(`type ${type} is none of SCALAR, RANGES, SET`);
  }
}

function milliOf(scalar: Fields): number {
  if (get(scalar, "milli") !== undefined) return numberOf(get(scalar, "milli"), "scalar.milli");
  const reading = readScalarNumber(numberOf(get(scalar, "value"), "scalar.value"));
  if (reading.kind === "milli") return reading.milli;
  throw new ShapeFault(reading.kind === "invalid" ? reading.message : "scalar.value is no number");
}

function reservationOf(value: unknown): Reservation {
  const fields = fieldsOf(value, "reservation");
  const type = textOf(fields, "type");
  if (type !== "STATIC" && type !== "DYNAMIC") {
    throw new ShapeFault(`reservation type ${type} is neither STATIC nor DYNAMIC`);
  }
  const reservation: Reservation = { type, role: textOf(fields, "role") };
  const principal = optionalText(fields, "principal");
  if (principal !== undefined) reservation.principal = principal;
  if (get(fields, "labels") !== undefined) reservation.labels = labelsOf(get(fields, "labels"));
  return reservation;
}

/** Ours is a list of labels, that of Mesos an object with the field `labels`. */
function labelsOf(value: unknown): Label[] {
  const list = Array.isArray(value) ? value : get(fieldsOf(value, "labels"), "labels");
  return listOf(list, "labels").map((each) => {
    const fields = fieldsOf(each, "label");
    const text = optionalText(fields, "value");
    const key = textOf(fields, "key");
    return text === undefined ? { key } : { key, value: text };
  });
}

function diskOf(fields: Fields): Disk {
  const disk: Disk = {};
  if (get(fields, "persistence") !== undefined) {
    const from = fieldsOf(get(fields, "persistence"), "disk.persistence");
    const principal = optionalText(from, "principal");
    disk.persistence = { id: textOf(from, "id") };
    if (principal !== undefined) disk.persistence.principal = principal;
  }
  if (get(fields, "volume") !== undefined) {
    const from = fieldsOf(get(fields, "volume"), "disk.volume");
    const hostPath = optionalText(from, "hostPath") ?? optionalText(from, "host_path");
    const mode = textOf(from, "mode");
    if (mode !== "RW" && mode !== "RO") throw new ShapeFault(`volume mode ${mode} is not RW or RO`);
    const containerPath = optionalText(from, "containerPath") ?? textOf(from, "container_path");
    disk.volume = { containerPath, mode };
    if (hostPath !== undefined) disk.volume.hostPath = hostPath;
  }
  if (get(fields, "source") !== undefined)
    disk.source = sourceOf(fieldsOf(get(fields, "source"), "source"));
  return disk;
}

function sourceOf(from: Fields): NonNullable<Disk["source"]> {
  const type = textOf(from, "type");
  if (type !== "PATH" && type !== "MOUNT" && type !== "BLOCK" && type !== "RAW") {
    throw new ShapeFault(`disk source type ${type} is none of PATH, MOUNT, BLOCK, RAW`);
  }
  const source: NonNullable<Disk["source"]> = { type };
  const nested = get(from, "path") ?? get(from, "mount");
  const root =
    optionalText(from, "root") ??
    (nested === undefined ? undefined : optionalText(fieldsOf(nested, type), "root"));
  if (root !== undefined) source.root = root;
  for (const field of ["vendor", "id", "profile"] as const) {
    const text = optionalText(from, field);
    if (text !== undefined) source[field] = text;
  }
  if (get(from, "metadata") !== undefined) source.metadata = labelsOf(get(from, "metadata"));
  return source;
}

function get(fields: Fields, field: string): unknown {
  return fields[field];
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ShapeFault(`${what} must be an object`);
  }
  return value as Fields;
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ShapeFault(`${what} must be a list`);
  return value;
}

function numberOf(value: unknown, what: string): number {
  if (typeof value !== "number") throw new ShapeFault(`${what} must be a number`);
  return value;
}

function asText(value: unknown, what: string): string {
  if (typeof value !== "string") throw new ShapeFault(`${what} must be text`);
  return value;
}

function textOf(fields: Fields, field: string): string {
  return asText(fields[field], field);
}

function optionalText(fields: Fields, field: string): string | undefined {
  return fields[field] === undefined ? undefined : asText(fields[field], field);
}
