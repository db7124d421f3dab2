/**
 * The numbered points at which a test may end an agent: at every step that leaves its process,
 * before it is asked, when it is asked and unanswered, and when it is answered and unheard. Also
 * the numbers of those within launcher and shim (`fault_point` in isolation/native). Wraps the
 * ports of one life; decides nothing, and does nothing unless a point was chosen.
 */
import { decodeValue } from "#protocol";
import type { Disk, DiskOutcome, Launcher } from "#runtime";
import type { AgentRecord } from "./checkpoint.ts";
import { readRecords } from "./journal.ts";
import { JOURNAL_PATH, META_PATH } from "./state.ts";

type Moment = "before" | "asked" | "answered";
type Call = "prepare" | "recover" | "launch" | "update" | "destroy" | "forget";

/** Where a point is. `asked`: it is under way, and whoever asked is gone before the answer. */
export type FaultPlace =
  | { readonly journal: AgentRecord["k"]; readonly moment: Moment }
  | { readonly file: "meta" | "journal" | "sandbox"; readonly moment: Moment }
  | { readonly launcher: Call; readonly moment: Moment }
  /** An exit has been told, and the isolator has not heard it. */
  | { readonly exit: "told" }
  /** Within the compiled launcher or a shim: agent, launcher and that process end together. */
  | { readonly native: string };

export interface FaultPoint {
  readonly number: number;
  readonly place: FaultPlace;
}

const RECORDS = ["task", "update", "ack", "kill", "resized", "sandbox", "task-gone"] as const;
const FILES = ["meta", "journal", "sandbox"] as const;
const CALLS = ["prepare", "recover", "launch", "update", "destroy", "forget"] as const;
const MOMENTS = ["before", "asked", "answered"] as const;

/** Number and place of each `fault_point` of the C sources. */
const NATIVE: readonly (readonly [number, string])[] = [
  [50, "launch: the runtime directory is made"],
  [51, "launch: `launch` and `config.json` are written"],
  [52, "launch: the cgroups are made and limited"],
  [53, "launch: the sandbox is there"],
  [54, "launch: logs are open, no namespaces yet"],
  [55, "launch: namespaces and mounts are there, no task yet"],
  [56, "launch: the task runs, `pid` is not written"],
  [57, "launch: `pid` is written, nobody was answered"],
  [58, "steps: one value is written, others are not"],
  [60, "destroy: asked, step 1 not done"],
  [61, "destroy: SIGTERM was sent, step 1 done"],
  [62, "destroy: the grace period is over, step 2 done"],
  [63, "destroy: killed, step 3 done"],
  [64, "destroy: nobody is left, step 4 done"],
  [65, "destroy: one cgroup is removed, others are not"],
  [66, "destroy: all cgroups are removed, nobody was answered"],
  [67, "forget: nothing is emptied"],
  [68, "forget: the files are empty, the directory has its name"],
  [69, "forget: done, nobody was answered"],
  [70, "shim: the task has ended, what it left behind lives"],
  [71, "shim: nothing lives, `status` is not written"],
  [72, "shim: `status` is written"],
];

/** All points. Numbers are kept: what a test found is told by them. */
export const FAULT_POINTS: readonly FaultPoint[] = [
  ...[
    ...RECORDS.flatMap((journal) => MOMENTS.map((moment) => ({ journal, moment }))),
    ...FILES.flatMap((file) => MOMENTS.map((moment) => ({ file, moment }))),
    ...CALLS.flatMap((launcher) => MOMENTS.map((moment) => ({ launcher, moment }))),
    { exit: "told" } as const,
  ].map((place, index) => ({ number: index + 1, place })),
  ...NATIVE.map(([number, native]) => ({ number, place: { native } })),
];

/** In words, as people are told of it. */
export function faultPlaceText(place: FaultPlace): string {
  if ("native" in place) return place.native;
  if ("exit" in place) return "agent: an exit is told, the isolator has not heard it";
  const what =
    "journal" in place
      ? `record ${place.journal} to the journal`
      : "file" in place
        ? `${place.file === "sandbox" ? "removal of a sandbox" : `file ${place.file} anew`}`
        : `launcher: ${place.launcher}`;
  return `agent: ${what}, ${place.moment}`;
}

export interface ChosenFault {
  readonly point: FaultPoint;
  /** At which passing, from 1. */
  readonly times: number;
}

/**
 * `17` or `17:3`: the number of a point, and at which of its passings.
 * @throws Error in one sentence for a number that is no point's.
 */
export function parseFaultPoint(text: string): ChosenFault {
  const [, number = "", times = "1"] = /^(\d+)(?::([1-9]\d*))?$/.exec(text) ?? [];
  const point = FAULT_POINTS.find((one) => String(one.number) === number);
  if (point === undefined) {
    throw new Error(`${JSON.stringify(text)} is no fault point: name a number, or number:passing`);
  }
  return { point, times: Number(times) };
}

interface FaultyPorts {
  readonly disk: Disk;
  readonly launcher: Launcher;
}

/**
 * The ports of an agent that ends at a point. `end` takes the process away at once; where it
 * returns, as in a simulation, nothing more is asked or answered by these ports.
 */
export function withFaultPoint<Ports extends FaultyPorts>(
  ports: Ports,
  chosen: ChosenFault,
  end: () => void,
): Ports {
  const fault = new Fault(chosen, end);
  const { disk, launcher } = ports;
  return {
    ...{},
    ...ports,
    disk: faultyDisk(disk, fault),
    launcher: faultyLauncher(launcher, fault),
  };
}

class Fault {
  #left: number;
  /** It has been passed: where `end` returns, nothing more leaves by these ports. */
  #isOver = false;
  readonly #place: FaultPlace;
  readonly #end: () => void;

  constructor({ point, times }: ChosenFault, end: () => void) {
    this.#place = point.place;
    this.#left = times;
    this.#end = end;
  }

  /** True when this was the passing that ends everything. */
  passed(matches: (place: FaultPlace) => boolean): boolean {
    if (!matches(this.#place)) return false;
    this.#left -= 1;
    if (this.#left !== 0) return false;
    this.#isOver = true;
    this.#end();
    return true;
  }

  /** The three moments of one call. */
  around<Answer>(
    at: (place: FaultPlace, moment: Moment) => boolean,
    done: (answer: Answer) => void,
    ask: (done: (answer: Answer) => void) => void,
  ): void {
    if (this.#isOver || this.passed((place) => at(place, "before"))) return;
    ask((answer) => {
      if (this.#isOver || this.passed((place) => at(place, "answered"))) return;
      done(answer);
    });
    this.passed((place) => at(place, "asked"));
  }
}

const SANDBOXES = "sandboxes/";

function faultyDisk(disk: Disk, fault: Fault): Disk {
  const written = (path: string, bytes: Uint8Array, isAppend: boolean) => {
    const kinds = isAppend && path === JOURNAL_PATH ? kindsOf(bytes) : new Set<string>();
    const file = isAppend ? null : path === JOURNAL_PATH ? "journal" : fileOf(path);
    return (place: FaultPlace, moment: Moment): boolean => {
      if ("journal" in place) return kinds.has(place.journal) && place.moment === moment;
      return "file" in place && place.file === file && place.moment === moment;
    };
  };
  return {
    replace: (path, bytes, done) =>
      fault.around<DiskOutcome>(written(path, bytes, false), done, (said) =>
        disk.replace(path, bytes, said),
      ),
    append: (path, bytes, done) =>
      fault.around<DiskOutcome>(written(path, bytes, true), done, (said) =>
        disk.append(path, bytes, said),
      ),
    remove: (path, done) =>
      fault.around<DiskOutcome>(written(path, new Uint8Array(0), false), done, (said) =>
        disk.remove(path, said),
      ),
    read: (path, done) => disk.read(path, done),
    list: (path, done) => disk.list(path, done),
    close: (done) => disk.close(done),
  };
}

function fileOf(path: string): "meta" | "sandbox" | null {
  if (path === META_PATH) return "meta";
  return path.startsWith(SANDBOXES) ? "sandbox" : null;
}

/** The kinds of the records of one append. */
function kindsOf(bytes: Uint8Array): Set<string> {
  return new Set(
    readRecords(bytes).payloads.map((payload) => {
      const decoded = decodeValue(payload);
      return decoded.fault === undefined ? String((decoded.value as AgentRecord).k) : "";
    }),
  );
}

function faultyLauncher(launcher: Launcher, fault: Fault): Launcher {
  const at =
    (call: Call) =>
    (place: FaultPlace, moment: Moment): boolean =>
      "launcher" in place && place.launcher === call && place.moment === moment;
  return {
    prepare: (steps, done) =>
      fault.around(at("prepare"), done, (said) => launcher.prepare(steps, said)),
    recover: (done) => fault.around(at("recover"), done, (said) => launcher.recover(said)),
    launch: (plan, done) => fault.around(at("launch"), done, (said) => launcher.launch(plan, said)),
    update: (id, steps, done) =>
      fault.around(at("update"), done, (said) => launcher.update(id, steps, said)),
    destroy: (id, graceMs, done) =>
      fault.around(at("destroy"), done, (said) => launcher.destroy(id, graceMs, said)),
    forget: (id, done) => fault.around(at("forget"), done, (said) => launcher.forget(id, said)),
    signal: (id, signal, done) => launcher.signal(id, signal, done),
    usage: (ids, done) => launcher.usage(ids, done),
    measure: (...asked) => launcher.measure(...asked),
    onExit: (listener) =>
      launcher.onExit((exit) => {
        if (!fault.passed((place) => "exit" in place)) listener(exit);
      }),
    onLoss: (listener) => launcher.onLoss(listener),
    close: () => launcher.close(),
  };
}
