/**
 * The page of a trace: lanes, list, panel and controls over one model. Owns what is selected,
 * filtered and in view; the address keeps it, so that a view can be given to somebody.
 */
import { Axis, lowerBound } from "./axis.ts";
import { drawLanes, drawOverview, LANE_MIN, type Scene } from "./draw.ts";
import { RecordList } from "./list.ts";
import { type Filter, Model, type PageData } from "./model.ts";
import { element, showPanel } from "./panel.ts";

const GUTTER = 132;
const OVERVIEW_HEIGHT = 62;
const HIT_PIXELS = 9;
/** How much of what led to a violation is in view at first. */
const STORY_LINKS = 16;
/** A cause that lies further back than so many shown records is told in words only. */
const STORY_RECORDS_MAX = 40;
/** Least time of a story that is shown by time. */
const STORY_MS_MIN = 60;

function found(id: string): HTMLElement {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`the page has no ${id}`);
  return node;
}

function canvasOf(id: string): HTMLCanvasElement {
  const node = found(id);
  if (!(node instanceof HTMLCanvasElement)) throw new Error(`${id} is no canvas`);
  return node;
}

function inputOf(id: string): HTMLInputElement {
  const node = found(id);
  if (!(node instanceof HTMLInputElement)) throw new Error(`${id} is no input`);
  return node;
}

/** Sizes a canvas in points and answers with its pen, scaled to the screen's pixels. */
function penOf(canvas: HTMLCanvasElement, width: number, height: number) {
  const ratio = window.devicePixelRatio;
  const [pixelsWide, pixelsHigh] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelsWide) canvas.width = pixelsWide;
  if (canvas.height !== pixelsHigh) canvas.height = pixelsHigh;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  if (pen === null) throw new Error("this browser draws no canvas");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

class Page {
  readonly #model: Model;
  readonly #axis = new Axis();
  readonly #lanes = canvasOf("lanes");
  readonly #overview = canvasOf("overview");
  readonly #scroller = found("scroller");
  readonly #list: RecordList;
  readonly #colours = new Map<string, string>();
  #filter: Filter;
  #shown: readonly number[] = [];
  #selected = -1;
  #chain: readonly number[] = [];
  #consequences: readonly number[] = [];
  #asked = false;
  /** What the address asked for when the page was opened. */
  readonly #address = new URLSearchParams(location.hash.slice(1));

  constructor(data: PageData) {
    this.#model = new Model(data);
    this.#filter = { text: "", lanes: [], without: [], routine: false, ...data.begin };
    this.#list = new RecordList(found("list"), this.#model, (index) => this.#select(index));
    this.#controls();
    this.#pointer();
    this.#keys();
    this.#resize();
    this.#applyFilter();
    this.#begin();
    new ResizeObserver(() => this.#resize()).observe(this.#scroller);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#retheme());
  }

  // What is in view ----------------------------------------------------------------------------

  /** The address first, then what was asked of the command, then the violation. */
  #begin(): void {
    const asked = this.#address;
    const { begin } = this.#model.data;
    const text = asked.get("text");
    if (text !== null) this.#setText(text);
    // What led to a violation is often apart by seconds and again by microseconds.
    const orderly = this.#model.violations.length > 0 && begin.fromMs === undefined;
    if ((asked.get("axis") ?? (orderly ? "order" : "time")) === "order") this.#setMode("order");
    if (asked.get("routine") === "1") this.#setRoutine(true);
    const number = Number(asked.get("n") ?? 0);
    const first = number > 0 ? number - this.#model.data.first : this.#model.violations[0];
    if (first !== undefined && first >= 0 && first < this.#model.length) this.#select(first);
    else this.#showPanel();
    const from = asked.get("from") ?? begin.fromMs;
    const to = asked.get("to") ?? begin.toMs;
    if (from !== undefined || to !== undefined) {
      this.#axis.showTimes(Number(from ?? 0), Number(to ?? this.#model.endMs));
    } else if (this.#selected >= 0) this.#showStory();
    else this.#axis.fit();
    this.#draw();
  }

  /** The selected record with what led to it. */
  #showStory(): void {
    const last = this.#model.time(this.#selected);
    const place = lowerBound(this.#shown, this.#selected) - STORY_RECORDS_MAX;
    const earliest = this.#shown[Math.max(0, place)] ?? 0;
    const links = this.#chain.slice(0, STORY_LINKS).filter((index) => index >= earliest);
    const first = this.#model.time(links.at(-1) ?? earliest);
    const span = Math.max(last - first, STORY_MS_MIN);
    if (this.#axis.mode === "time") {
      this.#axis.showTimes(first - span * 0.15, last + span * 0.25);
    } else {
      this.#axis.showTimes(first, last);
      this.#axis.zoom(0.8, this.#axis.width / 2);
    }
  }

  #resize(): void {
    const width = this.#scroller.clientWidth;
    this.#axis.resize(width - GUTTER);
    this.#list.resize();
    this.#draw();
  }

  #laneHeight(): number {
    const room = Math.floor(this.#scroller.clientHeight / this.#model.data.lanes.length);
    return Math.max(LANE_MIN, Math.min(64, room));
  }

  #scene(): Scene {
    return {
      model: this.#model,
      axis: this.#axis,
      shown: this.#shown,
      laneHeight: this.#laneHeight(),
      gutter: GUTTER,
      selected: this.#selected,
      chain: this.#chain,
      consequences: this.#consequences,
      focused: this.#filter.lanes,
      palette: (name) => this.#colour(name),
    };
  }

  #draw(): void {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      const scene = this.#scene();
      const width = GUTTER + this.#axis.width;
      const height = this.#laneHeight() * this.#model.data.lanes.length;
      drawLanes(penOf(this.#lanes, width, height), scene, height);
      drawOverview(penOf(this.#overview, width, OVERVIEW_HEIGHT), scene, OVERVIEW_HEIGHT);
    });
  }

  #colour(name: string): string {
    let colour = this.#colours.get(name);
    if (colour === undefined) {
      colour = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
      this.#colours.set(name, colour);
    }
    return colour;
  }

  #retheme(): void {
    this.#colours.clear();
    this.#draw();
  }

  // What is selected ---------------------------------------------------------------------------

  #select(index: number): void {
    this.#selected = index;
    this.#chain = this.#model.causes(index);
    this.#consequences = this.#model.consequences(index);
    const story = new Set(this.#chain);
    this.#list.select(index, lowerBound(this.#shown, index), story);
    this.#showPanel();
    this.#axis.reveal(index);
    const lane = this.#model.lane(index) * this.#laneHeight();
    const { scrollTop, clientHeight } = this.#scroller;
    if (lane < scrollTop || lane > scrollTop + clientHeight - this.#laneHeight()) {
      this.#scroller.scrollTop = lane - clientHeight / 2;
    }
    this.#remember();
    this.#draw();
  }

  #showPanel(): void {
    const actions = { select: (index: number) => this.#select(index) };
    showPanel(found("panel"), this.#model, this.#selected, actions);
  }

  /** The next shown record, or the one before; on the same lane, or of one kind, when asked. */
  #step(by: 1 | -1, wanted: (index: number) => boolean = () => true): void {
    let place = lowerBound(this.#shown, this.#selected);
    if (by > 0 && this.#shown[place] === this.#selected) place += 1;
    if (by < 0) place -= 1;
    for (; place >= 0 && place < this.#shown.length; place += by) {
      const index = this.#shown[place];
      if (index !== undefined && wanted(index)) return this.#select(index);
    }
  }

  #sameLane = (index: number): boolean => {
    return this.#model.lane(index) === this.#model.lane(this.#selected);
  };

  #follow(index: number | undefined): void {
    if (index !== undefined && index >= 0) this.#select(index);
  }

  #remember(): void {
    const asked = new URLSearchParams();
    if (this.#selected >= 0) asked.set("n", String(this.#model.number(this.#selected)));
    if (this.#filter.text !== "") asked.set("text", this.#filter.text);
    if (this.#axis.mode === "order") asked.set("axis", "order");
    if (this.#filter.routine) asked.set("routine", "1");
    history.replaceState(null, "", `#${asked}`);
  }

  // What is shown ------------------------------------------------------------------------------

  #applyFilter(): void {
    this.#shown = this.#model.shown(this.#filter);
    this.#axis.set(this.#model.data.t, this.#shown);
    this.#list.set(this.#shown);
    const all = this.#model.length.toLocaleString("en");
    found("count").textContent = `${this.#shown.length.toLocaleString("en")} of ${all} records`;
    this.#remember();
    this.#draw();
  }

  #setText(text: string): void {
    inputOf("text").value = text;
    this.#filter = { ...{}, ...this.#filter, text };
    this.#applyFilter();
  }

  #setMode(mode: "time" | "order"): void {
    this.#axis.setMode(mode);
    found("axis").textContent = mode === "time" ? "by time" : "by order";
    this.#remember();
    this.#draw();
  }

  #setRoutine(routine: boolean): void {
    inputOf("routine").checked = routine;
    this.#filter = { ...{}, ...this.#filter, routine };
    this.#applyFilter();
  }

  #toggleLane(lane: number): void {
    const { lanes } = this.#filter;
    const without = lanes.filter((each) => each !== lane);
    this.#filter = {
      ...{},
      ...this.#filter,
      lanes: without.length === lanes.length ? [...lanes, lane] : without,
    };
    this.#applyFilter();
  }

  // Controls -----------------------------------------------------------------------------------

  #controls(): void {
    const { title, about, kinds } = this.#model.data;
    found("title").textContent = title;
    found("about").textContent = about.map(([name, value]) => `${name} ${value}`).join("  ·  ");
    inputOf("text").value = this.#filter.text;
    inputOf("text").addEventListener("input", () => this.#setText(inputOf("text").value));
    inputOf("routine").checked = this.#filter.routine;
    inputOf("routine").addEventListener("change", () =>
      this.#setRoutine(inputOf("routine").checked),
    );
    for (const kind of [...kinds].sort()) found("kinds").append(this.#kindChoice(kind));
    for (const [id, action] of this.#buttons()) found(id).addEventListener("click", action);
  }

  #kindChoice(kind: string): HTMLElement {
    const label = element("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !this.#filter.without.includes(kind);
    box.addEventListener("change", () => {
      const others = this.#filter.without.filter((each) => each !== kind);
      this.#filter = { ...{}, ...this.#filter, without: box.checked ? others : [...others, kind] };
      this.#applyFilter();
    });
    label.append(box, element("span", `kind kind-${kind}`, kind));
    return label;
  }

  #buttons(): readonly (readonly [id: string, action: () => void])[] {
    const centre = (): number => this.#axis.width / 2;
    const zoom = (factor: number): void => {
      this.#axis.zoom(factor, this.#selected < 0 ? centre() : this.#axis.x(this.#selected));
      this.#draw();
    };
    const isViolation = (index: number): boolean => this.#model.kind(index) === "violation";
    return [
      ["back", () => this.#step(-1)],
      ["forth", () => this.#step(1)],
      ["lane-back", () => this.#step(-1, this.#sameLane)],
      ["lane-forth", () => this.#step(1, this.#sameLane)],
      ["cause", () => this.#follow(this.#model.causeOf(this.#selected))],
      ["effect", () => this.#follow(this.#model.effectsOf(this.#selected)[0])],
      ["violation", () => this.#step(1, isViolation)],
      ["zoom-in", () => zoom(2)],
      ["zoom-out", () => zoom(0.5)],
      ["story", () => this.#look(() => this.#selected >= 0 && this.#showStory())],
      ["fit", () => this.#look(() => this.#axis.fit())],
      ["axis", () => this.#setMode(this.#axis.mode === "time" ? "order" : "time")],
      ["theme", () => this.#turnTheme()],
    ];
  }

  /** Moves what is in view. */
  #look(move: () => unknown): void {
    move();
    this.#draw();
  }

  #turnTheme(): void {
    const root = document.documentElement;
    const isDark = getComputedStyle(root).colorScheme.startsWith("dark");
    root.dataset["theme"] = isDark ? "light" : "dark";
    this.#retheme();
  }

  #keys(): void {
    const buttons = new Map(this.#buttons());
    const keys: Readonly<Record<string, string>> = {
      ArrowLeft: "back",
      ArrowRight: "forth",
      "shift ArrowLeft": "lane-back",
      "shift ArrowRight": "lane-forth",
      ArrowUp: "cause",
      ArrowDown: "effect",
      v: "violation",
      "+": "zoom-in",
      "=": "zoom-in",
      "-": "zoom-out",
      s: "story",
      f: "fit",
      o: "axis",
    };
    addEventListener("keydown", (event) => {
      if (event.target instanceof HTMLInputElement && event.target.type === "search") {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const prefix = event.shiftKey && event.key.startsWith("Arrow") ? "shift " : "";
      const action = buttons.get(keys[`${prefix}${event.key}`] ?? "");
      if (event.key === "/") inputOf("text").focus();
      else if (action === undefined) return;
      else action();
      event.preventDefault();
    });
  }

  #pointer(): void {
    const lanes = this.#lanes;
    let dragged: { readonly x: number; moved: boolean; last: number } | undefined;
    lanes.addEventListener("pointerdown", (event) => {
      dragged = { x: event.offsetX, moved: false, last: event.offsetX };
      lanes.setPointerCapture(event.pointerId);
    });
    lanes.addEventListener("pointermove", (event) => {
      if (dragged === undefined) return this.#hover(event);
      if (Math.abs(event.offsetX - dragged.x) > 3) dragged.moved = true;
      if (!dragged.moved) return;
      this.#axis.pan(dragged.last - event.offsetX);
      dragged.last = event.offsetX;
      this.#draw();
    });
    lanes.addEventListener("pointerup", (event) => {
      const isClick = dragged?.moved === false;
      dragged = undefined;
      if (!isClick) return;
      const lane = Math.floor(event.offsetY / this.#laneHeight());
      if (event.offsetX < GUTTER) this.#toggleLane(lane);
      else this.#follow(this.#hit(event.offsetX - GUTTER, lane));
    });
    lanes.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    const jump = (event: PointerEvent): void => {
      if (event.buttons === 0) return;
      const ms = ((event.offsetX - GUTTER) / this.#axis.width) * this.#model.endMs * 1.02;
      const half = (this.#axis.timeAt(this.#axis.width) - this.#axis.timeAt(0)) / 2;
      this.#axis.showTimes(ms - half, ms + half);
      this.#draw();
    };
    this.#overview.addEventListener("pointerdown", jump);
    this.#overview.addEventListener("pointermove", jump);
  }

  /** Wheel zooms where the pointer is; with shift or sideways it moves along. */
  #wheel(event: WheelEvent): void {
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.offsetX < GUTTER) return;
    event.preventDefault();
    if (sideways) this.#axis.pan(event.shiftKey ? event.deltaY + event.deltaX : event.deltaX);
    else this.#axis.zoom(1.0016 ** -event.deltaY, event.offsetX - GUTTER);
    this.#draw();
  }

  /** The shown record that is nearest on the lane. */
  #hit(x: number, lane: number): number | undefined {
    const [from, to] = this.#axis.range();
    let best: number | undefined;
    let bestPixels = HIT_PIXELS;
    for (let place = Math.max(0, from - 1); place < Math.min(to + 1, this.#shown.length); place++) {
      const index = this.#shown[place] ?? -1;
      if (this.#model.lane(index) !== lane) continue;
      const pixels = Math.abs(this.#axis.x(index) - x);
      if (pixels >= bestPixels) continue;
      best = index;
      bestPixels = pixels;
    }
    return best;
  }

  #hover(event: PointerEvent): void {
    const lane = Math.floor(event.offsetY / this.#laneHeight());
    const index = this.#hit(event.offsetX - GUTTER, lane);
    const time = `${(this.#axis.timeAt(event.offsetX - GUTTER) / 1000).toFixed(6)} s`;
    const told =
      index === undefined ? this.#under(lane, event.offsetX - GUTTER) : this.#told(index);
    this.#lanes.style.cursor = index === undefined ? "grab" : "pointer";
    found("hover").textContent = `${time}  ${told}`;
  }

  #told(index: number): string {
    return `#${this.#model.number(index)} ${this.#model.kind(index)} ${this.#model.gist(index)}`;
  }

  /** What the lane is there: a state, a fault, or down. */
  #under(lane: number, x: number): string {
    const ms = this.#axis.timeAt(x);
    const covers = (span: { lane: number; fromMs: number; toMs: number }): boolean =>
      span.lane === lane && span.fromMs <= ms && ms <= span.toMs;
    const { bands, downs, spans } = this.#model;
    const labels = [
      ...bands.filter(covers).map(({ label }) => `fault ${label}`),
      ...downs.filter(covers).map(({ label }) => `down ${label}`),
      ...spans.filter(covers).map(({ label }) => label),
    ];
    return `${this.#model.data.lanes[lane]?.name ?? ""} ${labels.join(", ")}`;
  }
}

new Page(JSON.parse(found("data").textContent ?? "{}") as PageData);
document.documentElement.dataset["ready"] = "yes";
