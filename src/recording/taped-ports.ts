/**
 * An actor's ports over a tape: the same for recording and for replay, so that the two cannot
 * drift apart. Owns what of each call is written down; knows nothing of files or of actors.
 * Times are whole microseconds here, arrivals included, so that they are kept exactly.
 */
import { type ContainerId, decodeChunk, encodeChunk, type Uuid } from "#protocol";
import type {
  ActorPorts,
  AppendOutcome,
  Bus,
  BusMessage,
  BusStatus,
  Clock,
  ContainerExit,
  Disk,
  DiskList,
  DiskOutcome,
  DiskRead,
  HintOutcome,
  Launcher,
  LauncherAnswer,
  LauncherLoss,
  Log,
  LogEntry,
  Random,
  ReadOutcome,
  RequestOutcome,
  StreamRead,
  Streams,
  StepDownOutcome,
  TruncateOutcome,
} from "#runtime";
import type { Redactor } from "./redact.ts";
import { type Codec, COUNT, FLAG, MONOTONIC, NOTHING, type Tape, TAG, TEXT, WALL } from "./tape.ts";

/** Which ways out the actor has besides bus, clock, random and logger. */
export interface PortsPresent {
  readonly log: boolean;
  readonly disk: boolean;
  readonly launcher: boolean;
  readonly streams: boolean;
}

export function presentOf({ log, disk, launcher, streams }: ActorPorts): PortsPresent {
  return {
    log: log !== undefined,
    disk: disk !== undefined,
    launcher: launcher !== undefined,
    streams: streams !== undefined,
  };
}

const US_PER_MS = 1_000;
/** What a whole number of microseconds may lose on its way to milliseconds and back. */
const LOST_US = 0.01;

/** Whole microseconds of a time in milliseconds. */
export function usOf(ms: number): number {
  return Math.floor(ms * US_PER_MS + LOST_US);
}

/** The time that an actor gets for it: `usOf` of that is `us` again. */
export function msOf(us: number): number {
  return us / US_PER_MS;
}

export interface TapedOptions {
  readonly present: PortsPresent;
  readonly logger: ActorPorts["logger"];
  /** What arrives is written down as this leaves it. */
  readonly redactor: Redactor;
}

export function tapedPorts(tape: Tape, options: TapedOptions): ActorPorts {
  const { present, logger, redactor } = options;
  return {
    bus: tapedBus(tape, redactor),
    clock: tapedClock(tape),
    random: tapedRandom(tape),
    logger,
    ...(present.log ? { log: tapedLog(tape) } : {}),
    ...(present.disk ? { disk: tapedDisk(tape, redactor) } : {}),
    ...(present.launcher ? { launcher: tapedLauncher(tape, redactor) } : {}),
    ...(present.streams ? { streams: tapedStreams(tape) } : {}),
  };
}

function tapedClock(tape: Tape): Clock {
  return {
    monotonicMs: () =>
      msOf(tape.reading(TAG.monotonic, MONOTONIC, ({ clock }) => usOf(clock.monotonicMs()))),
    wallMs: () => msOf(tape.reading(TAG.wall, WALL, ({ clock }) => usOf(clock.wallMs()))),
    timer(inMs, fire) {
      let timer: { cancel(): void } | undefined;
      const { number, call } = tape.callback("clock.timer", NOTHING, fire);
      tape.ask("clock.timer", [inMs], ({ clock }) => {
        // Whole microseconds are never later than the time itself: not to wake too early.
        timer = clock.timer(inMs + 1 / US_PER_MS, call);
      });
      return {
        cancel() {
          tape.ask("clock.cancel", [number], () => timer?.cancel());
          tape.forget(number);
        },
      };
    },
    soon(run) {
      const { call } = tape.callback("clock.soon", NOTHING, run);
      tape.ask("clock.soon", [], ({ clock }) => clock.soon(call));
    },
  };
}

function tapedRandom(tape: Tape): Random {
  return {
    below: (bound) => tape.reading(TAG.below, COUNT, ({ random }) => random.below(bound)),
    uuid: () => tape.reading<string>(TAG.uuid, TEXT, ({ random }) => random.uuid()) as Uuid,
    token: (length) => tape.reading(TAG.token, TEXT, ({ random }) => random.token(length)),
  };
}

/** Plain values, as the redactor leaves them. */
function plain<T>(redactor: Redactor): Codec<T> {
  return {
    write: (to, value) => to.value(redactor.value(value)),
    read: (from) => from.value() as T,
  };
}

function messages(redactor: Redactor): Codec<BusMessage> {
  return {
    write(to, { subject, data, reply, arrivedAtMs }) {
      to.name(subject);
      to.bytes(redactor.message(data));
      to.byte(reply === undefined ? 0 : 1);
      if (reply !== undefined) to.text(reply);
      to.monotonicUs(usOf(arrivedAtMs));
    },
    read(from) {
      const subject = from.name();
      const data = from.bytes();
      const reply = from.byte() === 1 ? { reply: from.text() } : {};
      return { subject, data, ...reply, arrivedAtMs: msOf(from.monotonicUs()) };
    },
  };
}

const exact = (message: BusMessage): BusMessage => ({
  ...{},
  ...message,
  arrivedAtMs: msOf(usOf(message.arrivedAtMs)),
});

function tapedBus(tape: Tape, redactor: Redactor): Bus {
  const message = messages(redactor);
  const answers = plain<RequestOutcome>(redactor);
  const statuses = plain<BusStatus>(redactor);
  const until = (name: string, number: number, stop: () => void) => ({
    stop() {
      tape.ask(name, [number], stop);
      tape.forget(number);
    },
  });
  return {
    publish(subject, data, reply) {
      const said = withoutOutput(subject, data);
      const args = reply === undefined ? [subject, said] : [subject, said, reply];
      const act = ({ bus }: ActorPorts): boolean => bus.publish(subject, data, reply) === "sent";
      return tape.publish(args, act) ? "sent" : "dropped";
    },
    subscribe(subject, onMessage) {
      let subscription: { stop(): void } | undefined;
      const { number, call } = tape.callback("bus.message", message, (one) =>
        onMessage(exact(one)),
      );
      tape.ask("bus.subscribe", [subject], ({ bus }) => {
        subscription = bus.subscribe(subject, call);
      });
      return until("bus.unsubscribe", number, () => subscription?.stop());
    },
    request(subject, data, timeoutMs, done) {
      const { call } = tape.callback("bus.request", answers, done);
      tape.ask("bus.request", [subject, data, timeoutMs], ({ bus }) =>
        bus.request(subject, data, timeoutMs, call),
      );
    },
    flush(done) {
      const { call } = tape.callback("bus.flush", FLAG, done);
      tape.ask("bus.flush", [], ({ bus }) => bus.flush(call));
    },
    onStatus(listener) {
      let subscription: { stop(): void } | undefined;
      const { number, call } = tape.callback("bus.status", statuses, listener);
      tape.ask("bus.onStatus", [], ({ bus }) => {
        subscription = bus.onStatus(call);
      });
      return until("bus.offStatus", number, () => subscription?.stop());
    },
    get connected() {
      return tape.reading(TAG.connected, FLAG, ({ bus }) => bus.connected);
    },
    dropped: new Map(),
    close(done) {
      const { call } = tape.callback("bus.close", NOTHING, done);
      tape.ask("bus.close", [], ({ bus }) => bus.close(call));
    },
  };
}

const STREAM_TOKEN = 2;

/** Output of tasks is nobody's business: of a chunk only its place and length are compared. */
function withoutOutput(subject: string, data: Uint8Array): Uint8Array {
  if (subject.split(".", 3)[STREAM_TOKEN] !== "stream") return data;
  const chunk = decodeChunk(data);
  if (chunk === undefined) return data;
  return encodeChunk({ ...{}, ...chunk, bytes: new Uint8Array(chunk.bytes.length) });
}

const ENTRIES: Codec<readonly LogEntry[]> = {
  write(to, entries) {
    to.count(entries.length);
    for (const { position, record } of entries) {
      to.count(position);
      to.bytes(record);
    }
  },
  read: (from) =>
    Array.from({ length: from.count() }, () => ({
      position: from.count(),
      record: from.bytes(),
    })),
};

/** Records of the log are chained by their bytes and hold no tasks: they stay as they are. */
function whole<T>(): Codec<T> {
  return { write: (to, value) => to.value(value), read: (from) => from.value() as T };
}

function tapedLog(tape: Tape): Log {
  const appended = whole<AppendOutcome>();
  const read = whole<ReadOutcome>();
  const hinted = whole<HintOutcome>();
  const truncated = whole<TruncateOutcome>();
  const steppedDown = whole<StepDownOutcome>();
  return {
    append(expected, record, done) {
      const { call } = tape.callback("log.append", appended, done);
      tape.ask("log.append", [expected, record], ({ log }) => log?.append(expected, record, call));
    },
    read(from, max, done) {
      const { call } = tape.callback("log.read", read, done);
      tape.ask("log.read", [from, max], ({ log }) => log?.read(from, max, call));
    },
    follow(from, onEntries) {
      let follow: { stop(): void } | undefined;
      const { number, call } = tape.callback("log.entries", ENTRIES, onEntries);
      tape.ask("log.follow", [from], ({ log }) => {
        follow = log?.follow(from, call);
      });
      return {
        stop() {
          tape.ask("log.unfollow", [number], () => follow?.stop());
          tape.forget(number);
        },
      };
    },
    hint(done) {
      const { call } = tape.callback("log.hint", hinted, done);
      tape.ask("log.hint", [], ({ log }) => log?.hint(call));
    },
    truncate(before, done) {
      const { call } = tape.callback("log.truncate", truncated, done);
      tape.ask("log.truncate", [before], ({ log }) => log?.truncate(before, call));
    },
    stepDown(end, done) {
      const { call } = tape.callback("log.step-down", steppedDown, done);
      tape.ask("log.step-down", [end], ({ log }) => log?.stepDown(end, call));
    },
    get exclusive() {
      return tape.reading(TAG.exclusive, FLAG, ({ log }) => log?.exclusive === true);
    },
    close(done) {
      const { call } = tape.callback("log.close", NOTHING, done);
      tape.ask("log.close", [], ({ log }) => log?.close(call));
    },
  };
}

function tapedDisk(tape: Tape, redactor: Redactor): Disk {
  const outcome = plain<DiskOutcome>(redactor);
  const list = plain<DiskList>(redactor);
  const read: Codec<DiskRead> = {
    write(to, value) {
      const { kind } = value;
      to.value(kind === "read" ? { kind, bytes: redactor.file(value.bytes) } : value);
    },
    read: (from) => from.value() as DiskRead,
  };
  return {
    replace(path, bytes, done) {
      const { call } = tape.callback("disk.replace", outcome, done);
      tape.ask("disk.replace", [path, { file: bytes }], ({ disk }) =>
        disk?.replace(path, bytes, call),
      );
    },
    append(path, bytes, done) {
      const { call } = tape.callback("disk.append", outcome, done);
      tape.ask("disk.append", [path, { file: bytes }], ({ disk }) =>
        disk?.append(path, bytes, call),
      );
    },
    read(path, done) {
      const { call } = tape.callback("disk.read", read, done);
      tape.ask("disk.read", [path], ({ disk }) => disk?.read(path, call));
    },
    list(path, done) {
      const { call } = tape.callback("disk.list", list, done);
      tape.ask("disk.list", [path], ({ disk }) => disk?.list(path, call));
    },
    remove(path, done) {
      const { call } = tape.callback("disk.remove", outcome, done);
      tape.ask("disk.remove", [path], ({ disk }) => disk?.remove(path, call));
    },
    close(done) {
      const { call } = tape.callback("disk.close", NOTHING, done);
      tape.ask("disk.close", [], ({ disk }) => disk?.close(call));
    },
  };
}

function tapedLauncher(tape: Tape, redactor: Redactor): Launcher {
  const exits = plain<ContainerExit>(redactor);
  const losses = plain<LauncherLoss>(redactor);
  function answered<T extends object>(
    what: string,
    args: Parameters<Tape["ask"]>[1],
    done: (answer: LauncherAnswer<T>) => void,
    act: (launcher: Launcher, call: (answer: LauncherAnswer<T>) => void) => void,
  ): void {
    const { call } = tape.callback<LauncherAnswer<T>>(what, plain(redactor), done);
    tape.ask(what, args, ({ launcher }) => launcher && act(launcher, call));
  }
  return {
    prepare: (steps, done) =>
      answered("launcher.prepare", [steps], done, (port, call) => port.prepare(steps, call)),
    launch: (plan, done) =>
      answered("launcher.launch", [plan.containerId, plan], done, (port, call) =>
        port.launch(plan, call),
      ),
    update: (id, steps, done) =>
      answered("launcher.update", [id, steps], done, (port, call) => port.update(id, steps, call)),
    signal: (id, signal, done) =>
      answered("launcher.signal", [id, signal], done, (port, call) =>
        port.signal(id, signal, call),
      ),
    destroy: (id, graceMs, done) =>
      answered("launcher.destroy", [id, graceMs], done, (port, call) =>
        port.destroy(id, graceMs, call),
      ),
    forget: (id, done) =>
      answered("launcher.forget", [id], done, (port, call) => port.forget(id, call)),
    recover: (done) => answered("launcher.recover", [], done, (port, call) => port.recover(call)),
    usage: (ids, done) =>
      answered("launcher.usage", [ids], done, (port, call) => port.usage(ids, call)),
    measure: (wish, done) =>
      answered("launcher.measure", [wish], done, (port, call) => port.measure(wish, call)),
    onExit(listener) {
      const { call } = tape.callback("launcher.exit", exits, listener);
      tape.ask("launcher.onExit", [], ({ launcher }) => launcher?.onExit(call));
    },
    onLoss(listener) {
      const { call } = tape.callback("launcher.loss", losses, listener);
      tape.ask("launcher.onLoss", [], ({ launcher }) => launcher?.onLoss(call));
    },
    close: () => tape.ask("launcher.close", [], ({ launcher }) => launcher?.close()),
  };
}

/** Of the output of tasks only the length is kept. */
const CHUNKS: Codec<StreamRead> = {
  write(to, read) {
    to.value(read.kind === "chunk" ? { ...{}, ...read, bytes: read.bytes.length } : read);
  },
  read(from) {
    const value = from.value() as StreamRead | { kind: "chunk"; bytes: number };
    if (value.kind !== "chunk") return value;
    const length = typeof value.bytes === "number" ? value.bytes : 0;
    return { ...{}, ...value, bytes: new Uint8Array(length) } as StreamRead;
  },
};

function tapedStreams(tape: Tape): Streams {
  return {
    read(containerId: ContainerId, file, offset, max, done) {
      const { call } = tape.callback("streams.read", CHUNKS, done);
      tape.ask("streams.read", [containerId, file, offset, max], ({ streams }) =>
        streams?.read(containerId, file, offset, max, call),
      );
    },
  };
}
