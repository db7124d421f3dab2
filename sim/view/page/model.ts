/**
 * A trace as the page has it: columns of records, lanes, who caused what, what actors were at
 * any record, and what of it is shown. Knows neither pixels nor the document.
 */

type Fact = string | number | boolean;

/** One lane, and the nodes whose records are drawn on it. */
export interface PageLane {
  readonly name: string;
  readonly role: string;
}

/** What the page is given: columns, so that a hundred thousand records stay small. */
export interface PageData {
  readonly title: string;
  readonly about: readonly (readonly [name: string, value: string])[];
  readonly lanes: readonly PageLane[];
  /** Names of nodes, and the lane of each. */
  readonly nodes: readonly string[];
  readonly laneOfNode: readonly number[];
  readonly kinds: readonly string[];
  /** Number of the first record; the others follow. */
  readonly first: number;
  readonly t: readonly number[];
  readonly node: readonly number[];
  readonly kind: readonly number[];
  /** Index into `nodes`, -1 for none. */
  readonly from: readonly number[];
  /** Number of the record that caused it; 0 for none. */
  readonly cause: readonly number[];
  readonly summary: readonly string[];
  /** By index of the record. */
  readonly messages: Readonly<Record<string, readonly string[]>>;
  readonly effects: Readonly<Record<string, readonly string[]>>;
  readonly msgIds: Readonly<Record<string, string>>;
  readonly states: readonly {
    readonly lane: number;
    readonly t: number;
    readonly after: number;
    readonly cause: number;
    readonly facts: Readonly<Record<string, Fact | null>>;
  }[];
  /** What is shown first. */
  readonly begin: Partial<Filter> & { readonly fromMs?: number; readonly toMs?: number };
}

export interface Filter {
  /** Words that must all be said. */
  readonly text: string;
  /** Lanes; empty: all. */
  readonly lanes: readonly number[];
  /** Kinds that are left out. */
  readonly without: readonly string[];
  /** false: what is said all the time whatever happens is left out. */
  readonly routine: boolean;
}

export interface Span {
  readonly lane: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly label: string;
}

/** A fact of the selected actor, before and after what the record brought about. */
export interface FactRow {
  readonly name: string;
  readonly before: Fact | undefined;
  readonly after: Fact | undefined;
}

const ROUTINE = new Set(["Heartbeat", "Beacon", "Probe", "AgentUsage", "EVENT_BATCH"]);
const CHAIN_MAX = 200;
const EFFECTS_MAX = 400;
/** How long after a record the state that its turn changed may come, in ms. */
const TURN_MS_MAX = 20;

export class Model {
  readonly data: PageData;
  readonly length: number;
  readonly endMs: number;
  readonly spans: readonly Span[];
  readonly downs: readonly Span[];
  readonly bands: readonly Span[];
  readonly violations: readonly number[];
  readonly #effects = new Map<number, number[]>();

  constructor(data: PageData) {
    this.data = data;
    this.length = data.t.length;
    this.endMs = data.t[this.length - 1] ?? 0;
    for (let index = 0; index < this.length; index++) {
      const cause = this.causeOf(index);
      if (cause < 0) continue;
      const list = this.#effects.get(cause);
      if (list === undefined) this.#effects.set(cause, [index]);
      else list.push(index);
    }
    this.spans = this.#lifecycles();
    this.downs = this.#times("down", "up");
    this.bands = this.#faults();
    this.violations = this.#ofKind("violation");
  }

  time(index: number): number {
    return this.data.t[index] ?? 0;
  }

  number(index: number): number {
    return index + this.data.first;
  }

  kind(index: number): string {
    return this.data.kinds[this.data.kind[index] ?? -1] ?? "";
  }

  lane(index: number): number {
    return this.data.laneOfNode[this.data.node[index] ?? -1] ?? 0;
  }

  nodeName(index: number): string {
    return this.data.nodes[this.data.node[index] ?? -1] ?? "";
  }

  fromName(index: number): string {
    return this.data.nodes[this.data.from[index] ?? -1] ?? "";
  }

  /** Index of what brought it about, -1 for nothing. */
  causeOf(index: number): number {
    const number = this.data.cause[index] ?? 0;
    return number === 0 ? -1 : number - this.data.first;
  }

  effectsOf(index: number): readonly number[] {
    return this.#effects.get(index) ?? [];
  }

  /** Whether it came from elsewhere: a frame that arrived, or one that is lost. */
  isMessage(index: number): boolean {
    const kind = this.kind(index);
    if (kind !== "mail" && kind !== "lost") return false;
    return this.causeOf(index) >= 0 || (this.data.from[index] ?? -1) >= 0;
  }

  /** The lane from which a message came; a recording of its receiver knows only that. */
  sourceLane(index: number): number {
    const cause = this.causeOf(index);
    return cause >= 0 ? this.lane(cause) : this.#fromLane(index);
  }

  messages(index: number): readonly string[] {
    const own = this.data.messages[index];
    if (own !== undefined || !this.isMessage(index)) return own ?? [];
    return this.data.messages[this.causeOf(index)] ?? [];
  }

  /** A record in a few words. */
  gist(index: number): string {
    const messages = this.messages(index);
    const summary = this.data.summary[index] ?? "";
    if (messages.length === 0) return shortUuids(summary);
    const words = messages.map((message) => message.split(" ").slice(0, 4).join(" "));
    const more = words.length > 3 ? ` +${words.length - 3}` : "";
    const why = this.kind(index) === "lost" ? `: ${afterFirst(summary)}` : "";
    return shortUuids(`${words.slice(0, 3).join(", ")}${more}${why}`);
  }

  /** Everything that is said in it. */
  text(index: number): string {
    const effects = this.data.effects[index] ?? [];
    const parts = [this.data.summary[index] ?? "", this.nodeName(index), this.kind(index)];
    return [...parts, ...this.messages(index), ...effects].join(" ");
  }

  isRoutine(index: number): boolean {
    const messages = this.messages(index);
    if (messages.length > 0) {
      return messages.every((message) => ROUTINE.has(message.split(" ", 1)[0] ?? ""));
    }
    const kind = this.kind(index);
    return kind === "mail" || kind === "send";
  }

  /** Indexes of the records that the filter leaves, in order. */
  shown({ text, lanes, without, routine }: Filter): number[] {
    const words = text.split(/\s+/).filter((word) => word !== "");
    const wanted = new Set(lanes);
    const unwanted = new Set(without);
    const shown: number[] = [];
    for (let index = 0; index < this.length; index++) {
      const kind = this.kind(index);
      const always = kind === "violation";
      if (always || this.#passes(index, kind, { words, wanted, unwanted, routine })) {
        shown.push(index);
      }
    }
    return shown;
  }

  #passes(
    index: number,
    kind: string,
    filter: {
      readonly words: readonly string[];
      readonly wanted: ReadonlySet<number>;
      readonly unwanted: ReadonlySet<string>;
      readonly routine: boolean;
    },
  ): boolean {
    const { words, wanted, unwanted, routine } = filter;
    if (unwanted.has(kind)) return false;
    if (wanted.size > 0 && !wanted.has(this.lane(index)) && !wanted.has(this.#fromLane(index))) {
      return false;
    }
    if (!routine && this.isRoutine(index)) return false;
    if (words.length === 0) return true;
    const said = this.text(index);
    return words.every((word) => said.includes(word));
  }

  #fromLane(index: number): number {
    return this.data.laneOfNode[this.data.from[index] ?? -1] ?? -1;
  }

  /** What led to it, the nearest first. */
  causes(index: number): number[] {
    const chain: number[] = [];
    for (let each = this.causeOf(index); each >= 0 && chain.length < CHAIN_MAX; ) {
      chain.push(each);
      each = this.causeOf(each);
    }
    return chain;
  }

  /** What came of it, and of that, the nearest first. */
  consequences(index: number): number[] {
    const found = [...this.effectsOf(index)];
    for (let next = 0; next < found.length && found.length < EFFECTS_MAX; next++) {
      found.push(...this.effectsOf(found[next] ?? -1));
    }
    return found.slice(0, EFFECTS_MAX);
  }

  /** The facts of the record's actor, with what its turn changed; what changed comes first. */
  facts(index: number): FactRow[] {
    const lane = this.lane(index);
    const { states } = this.data;
    const cause = this.kind(index) === "send" ? this.causeOf(index) : index;
    const turn = this.number(cause);
    const own = states.filter((state) => state.lane === lane);
    // Timers that were set in the turn carry its cause for ever: what they change is not of it.
    const untilMs = this.time(cause) + TURN_MS_MAX;
    const changing = own.filter(({ t, cause, after }) => {
      return cause === turn && after >= turn && t <= untilMs;
    });
    const first = changing[0];
    const before: Record<string, Fact> = {};
    const after: Record<string, Fact> = {};
    for (const state of own) {
      const isEarlier =
        first === undefined ? state.after <= this.number(index) : !changing.includes(state);
      if (!isEarlier) continue;
      if (first !== undefined && state.after > first.after) break;
      apply(before, state.facts);
    }
    Object.assign(after, before);
    for (const state of changing) apply(after, state.facts);
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    const rows = names.map((name) => ({ name, before: before[name], after: after[name] }));
    const isSame = (row: FactRow): number => Number(row.before === row.after);
    return rows.sort((one, other) => isSame(one) - isSame(other));
  }

  #ofKind(wanted: string): number[] {
    const found: number[] = [];
    for (let index = 0; index < this.length; index++) {
      if (this.kind(index) === wanted) found.push(index);
    }
    return found;
  }

  /** What each actor's lifecycle was, and when. */
  #lifecycles(): Span[] {
    const spans: Span[] = [];
    const open = new Map<number, { readonly fromMs: number; readonly label: string }>();
    const close = (lane: number, toMs: number): void => {
      const begun = open.get(lane);
      if (begun !== undefined) spans.push({ lane, toMs, ...begun });
      open.delete(lane);
    };
    for (const { lane, after, facts } of this.data.states) {
      const label = facts["lifecycle"];
      if (label === undefined) continue;
      const atMs = this.time(after - this.data.first);
      close(lane, atMs);
      if (label !== null) open.set(lane, { fromMs: atMs, label: String(label) });
    }
    for (const lane of [...open.keys()]) close(lane, Number.POSITIVE_INFINITY);
    return spans;
  }

  /** From each record of one kind to the next of another on the same lane. */
  #times(begins: string, ends: string): Span[] {
    const spans: Span[] = [];
    const open = new Map<number, { readonly fromMs: number; readonly label: string }>();
    for (let index = 0; index < this.length; index++) {
      const [kind, lane] = [this.kind(index), this.lane(index)];
      const name = this.data.lanes[lane]?.name;
      if (name !== this.nodeName(index)) continue;
      const label = this.data.summary[index] ?? "";
      if (kind === begins) open.set(lane, { fromMs: this.time(index), label });
      const begun = kind === ends ? open.get(lane) : undefined;
      if (begun === undefined) continue;
      spans.push({ lane, toMs: this.time(index), ...begun });
      open.delete(lane);
    }
    for (const [lane, begun] of open) spans.push({ lane, toMs: this.endMs, ...begun });
    return spans;
  }

  /** Each fault from its record to its heal, on the lanes that its text names and on its own. */
  #faults(): Span[] {
    const lanes = new Map(this.data.lanes.map(({ name }, lane) => [name, lane]));
    const bands: Span[] = [];
    for (const index of this.#ofKind("fault")) {
      const label = this.data.summary[index] ?? "";
      const fromMs = this.time(index);
      const heal = this.effectsOf(index).find((each) => this.kind(each) === "heal");
      const toMs = heal === undefined ? fromMs : this.time(heal);
      bands.push({ lane: this.lane(index), fromMs, toMs, label });
      for (const word of new Set(label.split(/[^\w-]+/))) {
        const lane = lanes.get(word);
        if (lane !== undefined) bands.push({ lane, fromMs, toMs, label });
      }
    }
    return bands;
  }
}

function apply(facts: Record<string, Fact>, changed: Readonly<Record<string, Fact | null>>): void {
  for (const [name, value] of Object.entries(changed)) {
    if (value === null) delete facts[name];
    else facts[name] = value;
  }
}

function afterFirst(text: string): string {
  return text.slice(text.indexOf(" ") + 1);
}

/** UUIDs by their first eight digits. */
export function shortUuids(text: string): string {
  return text.replaceAll(
    /\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g,
    "$1",
  );
}
