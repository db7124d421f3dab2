/**
 * A simulated disk: it survives its node's lives. A change counts once it is synced; a crash
 * keeps a drawn number of the changes that were under way, in order, and may tear the append
 * after them. Faults make it full, failing or slow.
 */
import type { Disk, DiskList, DiskOutcome, DiskRead } from "#runtime";
import { DISK_FILE_BYTES_MAX } from "#runtime";
import { copied, kept } from "../kernel/bytes.ts";
import { PRICE_MS, type SimNode } from "../kernel/node.ts";
import type { Chance } from "../kernel/prng.ts";
import type { World } from "../kernel/world.ts";

/** Changes that may wait for one disk; more are a fault of who writes. */
export const DISK_PENDING_MAX = 65_536;
/** Names within a path: no empty one, none that hides, none that leads out. */
const PATH = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$/;
const SYNC_MS = { floor: 0.3, mean: 1.2 };
const READ_MS = { floor: 0.05, mean: 0.1 };

interface Change {
  readonly kind: "replace" | "append" | "remove";
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly settle: (outcome: DiskOutcome) => void;
}

interface Query {
  readonly kind: "query";
  readonly answer: () => void;
}

type Work = Change | Query;

/** What one machine's disk holds, and what ails it. */
export class SimDisk {
  readonly #world: World;
  readonly #chance: Chance;
  readonly files = new Map<string, Uint8Array>();
  /** Every change is answered `full`. */
  full = false;
  /** How many of the next syncs fail; after a failure the state is drawn. */
  syncFailures = 0;
  /** How many of the next reads fail. */
  readFailures = 0;
  /** Fault: a crash leaves nothing of what was under way. */
  losesTail = false;
  /** Appends of which a crash left only a beginning. */
  tornAppends = 0;
  /** Factor on the time of everything. */
  slowness = 1;
  syncs = 0;
  /** Fault: called once, when the next change is asked for. */
  onceAsked: (() => void) | undefined;
  #queue: Work[] = [];
  #inHand: Work[] = [];
  #busy = false;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#chance = world.seed.stream(`disk:${name}`);
  }

  /** The port for `node` in its present life. */
  open(node: SimNode): Disk {
    node.onDown(() => this.#crash());
    return new DiskPort(this, node);
  }

  put(work: Work): boolean {
    if (this.#queue.length >= DISK_PENDING_MAX) return false;
    this.#queue.push(work);
    if (work.kind !== "query") {
      if (this.#world.keeps) this.#world.effect(changeText(work));
      const asked = this.onceAsked;
      this.onceAsked = undefined;
      asked?.();
    }
    if (!this.#busy) this.#begin();
    return true;
  }

  /** Everything that waits shares one sync. */
  #begin(): void {
    this.#busy = true;
    this.#inHand = this.#queue;
    this.#queue = [];
    const inHand = this.#inHand;
    const writes = inHand.some((work) => work.kind !== "query");
    const { floor, mean } = writes ? SYNC_MS : READ_MS;
    const inMs = (floor + this.#chance.exponential(mean)) * this.slowness;
    this.#world.after(inMs, () => {
      if (this.#inHand === inHand) this.#finish(inHand);
    });
  }

  #finish(works: readonly Work[]): void {
    const writes = works.some((work) => work.kind !== "query");
    const fails = writes && this.syncFailures > 0;
    if (writes) this.syncs += 1;
    if (fails) {
      this.syncFailures -= 1;
      this.#keepSome(works);
    }
    for (const work of works) {
      if (work.kind === "query") work.answer();
      else if (fails) work.settle({ kind: "failed", why: "EIO: the sync failed" });
      else if (this.full && work.kind !== "remove") work.settle({ kind: "full" });
      else {
        this.#apply(work);
        work.settle({ kind: "done" });
      }
    }
    this.#inHand = [];
    this.#busy = false;
    if (this.#queue.length > 0) this.#begin();
  }

  #apply({ kind, path, bytes }: Change): void {
    if (kind === "replace") this.files.set(path, bytes);
    else if (kind === "append") this.files.set(path, joined(this.files.get(path), bytes));
    else for (const each of this.#below(path)) this.files.delete(each);
  }

  /** The node has died: of what it had asked for, a drawn beginning reached the platters. */
  #crash(): void {
    const works = [...this.#inHand, ...this.#queue];
    this.#inHand = [];
    this.#queue = [];
    this.#busy = false;
    if (works.length > 0) this.#keepSome(works);
  }

  #keepSome(works: readonly Work[]): void {
    const changes = works.filter((work): work is Change => work.kind !== "query");
    const kept = this.losesTail ? 0 : this.#chance.below(changes.length + 1);
    for (const change of changes.slice(0, kept)) if (!this.full) this.#apply(change);
    const torn = changes[kept];
    const isTorn = torn?.kind === "append" && torn.bytes.length > 0;
    if (!isTorn || this.full || this.losesTail) return;
    const bytes = torn.bytes.slice(0, this.#chance.below(torn.bytes.length));
    if (bytes.length > 0) this.tornAppends += 1;
    this.#apply({ ...{}, ...torn, bytes });
  }

  /** The file of that path, or every file in the folder of that path. */
  #below(path: string): string[] {
    const folder = path === "" ? "" : `${path}/`;
    return [...this.files.keys()].filter((each) => each === path || each.startsWith(folder));
  }

  list(path: string): string[] {
    const folder = path === "" || path === "." ? "" : `${path}/`;
    const names = new Set<string>();
    for (const each of this.files.keys()) {
      if (!each.startsWith(folder)) continue;
      const rest = each.slice(folder.length);
      const slash = rest.indexOf("/");
      names.add(slash < 0 ? rest : rest.slice(0, slash + 1));
    }
    return [...names].sort();
  }
}

function changeText({ kind, path, bytes }: Change): string {
  return kind === "remove" ? `remove ${path}` : `${kind} ${path}: ${bytes.length} bytes`;
}

/**
 * Buffers of files that grow: behind the file there is room for what is appended next. Shared ones,
 * since of the others the engine looks through all of the heap whenever there are 64 MiB more.
 */
const GROWING = new WeakSet<ArrayBufferLike>();

/** What was read of `one` before stays as it is: only the room behind it is written. */
function joined(one: Uint8Array | undefined, two: Uint8Array): Uint8Array {
  const begin = one?.length ?? 0;
  const length = begin + two.length;
  let buffer = one?.buffer;
  if (buffer === undefined || !GROWING.has(buffer) || buffer.byteLength < length) {
    buffer = new SharedArrayBuffer(2 * length);
    GROWING.add(buffer);
    if (one !== undefined) new Uint8Array(buffer).set(one);
  }
  const whole = new Uint8Array(buffer, 0, length);
  whole.set(two, begin);
  return whole;
}

class DiskPort implements Disk {
  readonly #disk: SimDisk;
  readonly #node: SimNode;
  readonly #life: number;
  #closed = false;
  #open = 0;
  #closing: (() => void) | undefined;

  constructor(disk: SimDisk, node: SimNode) {
    this.#disk = disk;
    this.#node = node;
    this.#life = node.life;
  }

  replace(path: string, bytes: Uint8Array, done: (outcome: DiskOutcome) => void): void {
    if (bytes.length > DISK_FILE_BYTES_MAX) {
      const why = `${path}: ${bytes.length} bytes are more than ${DISK_FILE_BYTES_MAX}`;
      return this.#node.soon(() => done({ kind: "failed", why }));
    }
    this.#change("replace", path, bytes, done);
  }

  append(path: string, bytes: Uint8Array, done: (outcome: DiskOutcome) => void): void {
    this.#change("append", path, bytes, done);
  }

  remove(path: string, done: (outcome: DiskOutcome) => void): void {
    this.#change("remove", path, new Uint8Array(0), done);
  }

  read(path: string, done: (outcome: DiskRead) => void): void {
    const look = (): DiskRead => {
      if (this.#disk.readFailures > 0) {
        this.#disk.readFailures -= 1;
        return { kind: "failed", why: "EIO: the read failed" };
      }
      const bytes = this.#disk.files.get(path);
      return bytes === undefined ? { kind: "absent" } : { kind: "read", bytes: bytes.slice() };
    };
    this.#query(look, { kind: "failed", why: "the disk is closed" }, done);
  }

  list(path: string, done: (outcome: DiskList) => void): void {
    const look = (): DiskList => ({ kind: "list", names: this.#disk.list(path) });
    this.#query(look, { kind: "failed", why: "the disk is closed" }, done);
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#closing = done;
    this.#settled();
  }

  #change(
    kind: Change["kind"],
    path: string,
    bytes: Uint8Array,
    done: (outcome: DiskOutcome) => void,
  ): void {
    if (!PATH.test(path)) throw new Error(`path: ${JSON.stringify(path)} leaves or hides`);
    this.#node.charge(PRICE_MS.call);
    const settle = (outcome: DiskOutcome): void => this.#tell(() => done(outcome));
    // What is appended is joined to its file; what replaces one stays.
    const copy = kind === "append" ? copied(bytes) : kept(bytes);
    const work: Change = { kind, path, bytes: copy, settle };
    this.#open += 1;
    if (this.#closed) return settle({ kind: "failed", why: "the disk is closed" });
    if (!this.#disk.put(work)) settle({ kind: "failed", why: "too many changes wait" });
  }

  #query<Outcome>(look: () => Outcome, closed: Outcome, done: (outcome: Outcome) => void): void {
    this.#node.charge(PRICE_MS.call);
    this.#open += 1;
    if (this.#closed) return this.#tell(() => done(closed));
    const answer = (): void => {
      const outcome = look();
      this.#tell(() => done(outcome));
    };
    if (!this.#disk.put({ kind: "query", answer })) this.#tell(() => done(closed));
  }

  #tell(run: () => void): void {
    if (this.#life !== this.#node.life) return;
    this.#node.arrive(this.#node.localMs, () => {
      this.#open -= 1;
      run();
      this.#settled();
    });
  }

  #settled(): void {
    const closing = this.#closing;
    if (closing === undefined || this.#open > 0) return;
    this.#closing = undefined;
    this.#node.soon(closing);
  }
}
