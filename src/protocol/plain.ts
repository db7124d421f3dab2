/**
 * Decodes CBOR that `scanCbor` has passed: no tags, no indefinite lengths, every length within
 * the bytes. Owns nothing but what it remembers of earlier messages; must not be given unscanned
 * bytes. It gives what cbor-x gives for such bytes (a test compares them) in a third of the time
 * without native code: messages of a kind have the same keys in the same order, and many of the
 * same words, so each place expects what stood there last and compares instead of building.
 */
import { CBOR_DEPTH_MAX } from "./scan.ts";

/** Texts up to this length are expected again at their place. */
const EXPECTED_LENGTH_MAX = 128;
/** How much of a text decides where it is looked for. */
const HASHED_BYTES_MAX = 12;
/** Texts that are expected again anywhere; a power of two. Others take their places. */
const TEXTS_KNOWN_MAX = 4_096;
/** Places that are remembered in all; beyond it everything is forgotten and learned anew. */
const PLACES_MAX = 16_384;
/** Maps with more keys are built key by key. */
const SHAPE_KEYS_MAX = 32;
/** Shapes that are ever compiled: strange messages can use them up and be slow, no more. */
const SHAPES_MAX = 2_048;
/** Maps of as many keys that take turns at one place: another kind, another optional field. */
const TURNS_MAX = 8;

/** A place for a value: the root, under a key, or within a list; what it held lately. */
interface Place {
  /** Where among the known texts. */
  slot: number;
  /** By number of keys: the maps of that many keys that were here lately, the last one first. */
  shapes: (Shape | undefined)[];
}

/** Names and places of a map's keys, in order. */
interface Shape {
  readonly names: readonly string[];
  /** The same as they stand in the bytes, their heads included. */
  readonly keys: readonly Uint8Array[];
  readonly places: readonly Place[];
  /** Makes the map from its values: objects of one shape are then one hidden class. */
  make: Maker | undefined;
  /** Another map of as many keys that stands at this place, too. */
  next: Shape | undefined;
}

/** Makes a map from the values that stand from `first` on. */
type Maker = (values: readonly unknown[], first: number) => Record<string, unknown>;

const scratch = new Uint8Array(8);
const view = new DataView(scratch.buffer);

let bytes: Uint8Array = scratch;
let at = 0;
let places = 0;
/**
 * Values of the maps that are being read, those of an inner one behind those of the outer. What
 * stands further behind is of earlier maps, and is overwritten.
 */
const values = new Array<unknown>(CBOR_DEPTH_MAX * SHAPE_KEYS_MAX).fill(undefined);
let valuesLength = 0;
/**
 * Texts read lately, by their bytes: ids come again in other messages and at other places, and one
 * that is the same object is compared and found in a map at once.
 */
const texts = new Array<string>(TEXTS_KNOWN_MAX).fill("");
/** Their bytes, and how many. */
const textBytes = new Uint8Array(TEXTS_KNOWN_MAX * EXPECTED_LENGTH_MAX);
const lengths = new Uint8Array(TEXTS_KNOWN_MAX);
/**
 * What was read last without being known, by its hash: a text is kept when it comes again. One that
 * comes once, as most do where many tasks run, costs no memory that outlives its message.
 */
const hashes = new Int32Array(TEXTS_KNOWN_MAX);
/** By the names of the keys: what is learned again at another place is compiled once. */
const makers = new Map<string, Maker>();
/** Roots by what is decoded: messages of two kinds never take turns at one place. */
let roots = new Map<string, Place>();

function newPlace(): Place {
  places += 1;
  return { slot: 0, shapes: [] };
}

/**
 * The value that scanned `source` holds. Byte strings are copies.
 * @param of what it is, one of few: where values of the same sort are expected again.
 */
export function decodeScanned(source: Uint8Array, of = ""): unknown {
  if (places > PLACES_MAX) {
    places = 0;
    roots = new Map();
  }
  let root = roots.get(of);
  if (root === undefined) {
    root = newPlace();
    roots.set(of, root);
  }
  bytes = source;
  at = 0;
  valuesLength = 0;
  const value = read(root);
  bytes = scratch;
  return value;
}

function read(place: Place): unknown {
  const head = bytes[at++] as number;
  const info = head & 31;
  const major = head >> 5;
  if (major === 7) return readSimple(info);
  const value = info < 24 ? info : readArgument(info);
  switch (major) {
    case 0:
      return value;
    case 1:
      return -1 - value;
    case 2:
      return readBytes(value);
    case 3:
      return readTextAt(place, value);
    case 4: {
      const list: unknown[] = new Array(value);
      for (let i = 0; i < value; i++) list[i] = read(place);
      return list;
    }
    default:
      return readMap(place, value);
  }
}

function readMap(place: Place, length: number): Record<string, unknown> {
  const first = length <= SHAPE_KEYS_MAX ? place.shapes[length] : undefined;
  if (first === undefined) return readNewMap(place, length, undefined, 0);
  let shape = first;
  for (let i = 0; i < length; i++) {
    if (!isNext(shape.keys[i] as Uint8Array)) {
      const other = turnOf(first, shape, i);
      if (other === undefined) return readNewMap(place, length, shape, i);
      shape = other;
    }
    const value = read(shape.places[i] as Place);
    values[valuesLength++] = value;
  }
  valuesLength -= length;
  shape.make ??= makerOf(shape.names);
  return shape.make(values, valuesLength);
}

/** Whether the next key is `key`; if so it is read. */
function isNext(key: Uint8Array): boolean {
  const { length } = key;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== key[i]) return false;
  at += length;
  return true;
}

/** Of the maps of a place the one that begins as `shape` does and goes on as the bytes do. */
function turnOf(first: Shape, shape: Shape, known: number): Shape | undefined {
  for (let other: Shape | undefined = first; other !== undefined; other = other.next) {
    if (other === shape || !beginsAs(other.names, shape.names, known)) continue;
    if (isNext(other.keys[known] as Uint8Array)) return other;
  }
  return undefined;
}

function beginsAs(names: readonly string[], others: readonly string[], length: number): boolean {
  for (let i = 0; i < length; i++) if (names[i] !== others[i]) return false;
  return true;
}

/** A map that is not the one expected, but begins as `like` does for `known` keys. */
function readNewMap(
  place: Place,
  length: number,
  like: Shape | undefined,
  known: number,
): Record<string, unknown> {
  const names = like?.names.slice(0, known) ?? [];
  const keys = like?.keys.slice(0, known) ?? [];
  const below = names.map(newPlace);
  const record: Record<string, unknown> = {};
  valuesLength -= known;
  for (const [i, name] of names.entries()) record[name] = values[valuesLength + i];
  while (names.length < length) {
    const from = at;
    const info = (bytes[at++] as number) & 31;
    const name = readName(info < 24 ? info : readArgument(info));
    const inner = newPlace();
    names.push(name);
    // A copy whatever is given: the slice of a buffer of Node is a view.
    keys.push(new Uint8Array(bytes.subarray(from, at)));
    below.push(inner);
    record[name] = read(inner);
  }
  if (length <= SHAPE_KEYS_MAX) {
    const next = place.shapes[length];
    place.shapes[length] = { names, keys, places: below, make: undefined, next };
    forgetAfter(place.shapes[length], TURNS_MAX);
  }
  return record;
}

/** Keeps the first `most` of a list. */
function forgetAfter(first: Shape | undefined, most: number): void {
  let shape = first;
  for (let count = 1; count < most && shape !== undefined; count++) shape = shape.next;
  if (shape !== undefined) shape.next = undefined;
}

function readName(size: number): string {
  const text = readText(size);
  return text === "__proto__" ? "__proto_" : text;
}

/** Compiled where the shape has come again: a literal is made far faster than key by key. */
function makerOf(names: readonly string[]): Maker {
  const fields = names.map((name, i) => `${JSON.stringify(name)}: v[i + ${i}]`).join(", ");
  const known = makers.get(fields);
  if (known !== undefined) return known;
  if (makers.size >= SHAPES_MAX) {
    return (all, first) => Object.fromEntries(names.map((name, i) => [name, all[first + i]]));
  }
  // As TypeBox does with its checks: names are quoted, so a message cannot speak code.
  const maker = new Function("v", "i", `return {${fields}};`) as Maker;
  makers.set(fields, maker);
  return maker;
}

function readTextAt(place: Place, size: number): string {
  if (size > EXPECTED_LENGTH_MAX) return readLong(size);
  if (stands(place.slot, size)) return texts[place.slot] as string;
  const hash = hashNext(size);
  const slot = hash & (TEXTS_KNOWN_MAX - 1);
  if (stands(slot, size)) {
    place.slot = slot;
    return texts[slot] as string;
  }
  const first = at;
  const text = readText(size);
  if (hashes[slot] !== hash) hashes[slot] = hash;
  else {
    place.slot = slot;
    lengths[slot] = size;
    texts[slot] = text;
    const into = slot * EXPECTED_LENGTH_MAX;
    for (let i = 0; i < size; i++) textBytes[into + i] = bytes[first + i] as number;
  }
  return text;
}

/** Of the next `size` bytes. Ids differ in their ends if anywhere. */
function hashNext(size: number): number {
  const end = at + size;
  let hash = size;
  for (let i = Math.max(at, end - HASHED_BYTES_MAX); i < end; i++) {
    hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
  }
  return hash;
}

/** Whether the next `size` bytes are those of the text in `slot`; if so they are read. */
function stands(slot: number, size: number): boolean {
  if (lengths[slot] !== size) return false;
  const first = slot * EXPECTED_LENGTH_MAX;
  for (let i = 0; i < size; i++) if (bytes[at + i] !== textBytes[first + i]) return false;
  at += size;
  return true;
}

function readArgument(info: number): number {
  let value = 0;
  for (const end = at + (1 << (info - 24)); at < end; at++) {
    value = value * 256 + (bytes[at] as number);
  }
  return value;
}

function readSimple(info: number): unknown {
  if (info === 20) return false;
  if (info === 21) return true;
  if (info === 22) return null;
  const width = 1 << (info - 24);
  for (let i = 0; i < width; i++) scratch[i] = bytes[at++] as number;
  if (width === 8) return view.getFloat64(0);
  return width === 4 ? view.getFloat32(0) : halfFloat(view.getUint16(0));
}

/** RFC 8949, appendix D. */
function halfFloat(half: number): number {
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent !== 31) return sign * (mantissa + 1024) * 2 ** (exponent - 25);
  return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
}

function readBytes(length: number): Uint8Array {
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(at, at + length));
  at += length;
  return copy;
}

function readText(length: number): string {
  if (length > EXPECTED_LENGTH_MAX) return readLong(length);
  const codes = codesByLength[length] as number[];
  let high = 0;
  for (let i = 0; i < length; i++) {
    const byte = bytes[at + i] as number;
    codes[i] = byte;
    high |= byte;
  }
  if (high > 127) return readLong(length);
  at += length;
  return String.fromCharCode.apply(null, codes);
}

/** One list for each length: a list that grows costs more than the text. */
const codesByLength: number[][] = [];
for (let i = 0; i <= EXPECTED_LENGTH_MAX; i++) codesByLength.push(new Array(i).fill(0));

const UNITS_AT_ONCE = 4_096;

/** Any UTF-8; what is malformed becomes U+FFFD. */
function readLong(length: number): string {
  const end = at + length;
  let text = "";
  let units: number[] = [];
  while (at < end) {
    const byte = bytes[at++] as number;
    if (byte < 0x80) units.push(byte);
    else pushPoint(byte, end, units);
    if (units.length >= UNITS_AT_ONCE) {
      text += String.fromCharCode.apply(null, units);
      units = [];
    }
  }
  return text + String.fromCharCode.apply(null, units);
}

/** One code point of several bytes, by the ranges of the Unicode Standard, table 3-7. */
function pushPoint(lead: number, end: number, units: number[]): void {
  const follow = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  if (lead < 0xc2 || lead > 0xf4) {
    units.push(0xfffd);
    return;
  }
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  let point = lead & (0x3f >> follow);
  for (let i = 0; i < follow; i++) {
    const byte = at < end ? (bytes[at] as number) : 0;
    if (byte < (i === 0 ? low : 0x80) || byte > (i === 0 ? high : 0xbf)) {
      units.push(0xfffd);
      return;
    }
    point = (point << 6) | (byte & 0x3f);
    at++;
  }
  if (point < 0x1_0000) units.push(point);
  else units.push(0xd800 | ((point - 0x1_0000) >> 10), 0xdc00 | ((point - 0x1_0000) & 0x3ff));
}
