/**
 * Paints the lanes: who was what and when, faults as bands, messages as arrows, lost ones dashed
 * with a cross, violations in red, and the causes of the selected record. Decides nothing.
 */
import { type Axis, stepOf } from "./axis.ts";
import type { Model } from "./model.ts";

export const LANE_MIN = 22;
/** Arrows of one picture; with more in view only their density is drawn. */
const ARROWS_MAX = 5_000;
/** Records in view up to which they are named. */
const NAMED_MAX = 400;
const OVERVIEW_BINS = 600;
/** How far a message is drawn to have travelled when nobody recorded its sending. */
const UNKNOWN_PIXELS = 10;

/** Colours by their names in the style sheet. */
export type Palette = (name: string) => string;

export interface Scene {
  readonly model: Model;
  readonly axis: Axis;
  readonly shown: readonly number[];
  readonly laneHeight: number;
  readonly gutter: number;
  readonly selected: number;
  readonly chain: readonly number[];
  readonly consequences: readonly number[];
  readonly focused: readonly number[];
  readonly palette: Palette;
}

type Pen = CanvasRenderingContext2D;

/** What a lifecycle state means for the eye. */
function toneOf(label: string): string {
  if (label === "leading") return "lead";
  if (label === "running" || label === "subscribed") return "well";
  return "idle";
}

function middle(scene: Scene, lane: number): number {
  return lane * scene.laneHeight + scene.laneHeight / 2;
}

export function drawLanes(pen: Pen, scene: Scene, height: number): void {
  const { axis, palette, gutter } = scene;
  const width = gutter + axis.width;
  pen.clearRect(0, 0, width, height);
  drawGround(pen, scene, width);
  pen.save();
  pen.beginPath();
  pen.rect(gutter, 0, axis.width, height);
  pen.clip();
  pen.translate(gutter, 0);
  drawSpans(pen, scene);
  drawBands(pen, scene);
  const [from, to] = axis.range();
  if (to - from <= ARROWS_MAX) drawArrows(pen, scene, from, to);
  else drawDensity(pen, scene, from, to);
  drawRecords(pen, scene, from, to);
  drawViolations(pen, scene, height);
  drawStory(pen, scene);
  if (to - from <= NAMED_MAX) drawNames(pen, scene, from, to);
  pen.restore();
  drawGutter(pen, scene, height);
  pen.fillStyle = palette("line");
  pen.fillRect(gutter - 1, 0, 1, height);
}

function drawGround(pen: Pen, { model, palette, laneHeight, focused }: Scene, width: number): void {
  let role = "";
  let shade = false;
  model.data.lanes.forEach((lane, index) => {
    if (lane.role !== role) shade = !shade;
    role = lane.role;
    pen.fillStyle = palette(focused.includes(index) ? "focus" : shade ? "ground" : "paper");
    pen.fillRect(0, index * laneHeight, width, laneHeight);
    pen.fillStyle = palette("grid");
    pen.fillRect(0, (index + 1) * laneHeight - 1, width, 1);
  });
}

/** Lifecycles as bars, and dashes where the process is down. */
function drawSpans(pen: Pen, scene: Scene): void {
  const { model, axis, palette } = scene;
  pen.font = "10px system-ui, sans-serif";
  pen.textBaseline = "middle";
  for (const { lane, fromMs, toMs, label } of model.spans) {
    const [left, right] = [Math.max(0, axis.xOfTime(fromMs)), axis.xOfTime(toMs)];
    if (right < 0 || left > axis.width) continue;
    const y = middle(scene, lane);
    pen.fillStyle = palette(toneOf(label));
    pen.fillRect(left, y - 3, Math.max(1, Math.min(right, axis.width) - left), 6);
  }
  pen.strokeStyle = palette("down");
  pen.lineWidth = 1.5;
  pen.setLineDash([2, 4]);
  for (const { lane, fromMs, toMs } of model.downs) {
    const y = middle(scene, lane);
    line(pen, axis.xOfTime(fromMs), y, axis.xOfTime(toMs), y);
  }
  pen.setLineDash([]);
}

function drawBands(pen: Pen, scene: Scene): void {
  const { model, axis, palette, laneHeight } = scene;
  for (const { lane, fromMs, toMs } of model.bands) {
    const [left, right] = [axis.xOfTime(fromMs), axis.xOfTime(toMs)];
    if (right < 0 || left > axis.width) continue;
    pen.fillStyle = palette("band");
    pen.fillRect(left, lane * laneHeight, Math.max(2, right - left), laneHeight - 1);
    pen.fillStyle = palette("fault");
    pen.fillRect(left, lane * laneHeight, 1.5, laneHeight - 1);
  }
  nameFaults(pen, scene);
}

/** Names of faults on their own lane, as far as the next one leaves room. */
function nameFaults(pen: Pen, scene: Scene): void {
  const { model, axis, palette } = scene;
  const own = model.bands.filter(({ lane }) => model.data.lanes[lane]?.role === "faults");
  pen.font = "10.5px system-ui, sans-serif";
  pen.textBaseline = "middle";
  pen.fillStyle = palette("ink");
  own.forEach(({ lane, fromMs, label }, place) => {
    const left = Math.max(0, axis.xOfTime(fromMs));
    const next = own[place + 1];
    const right = next === undefined ? axis.width : axis.xOfTime(next.fromMs);
    const letters = Math.floor((right - left - 14) / 5.6);
    if (right < 0 || letters < 6) return;
    const told = label.length > letters ? `${label.slice(0, letters - 1)}…` : label;
    pen.fillText(told, left + 8, middle(scene, lane));
  });
}

function line(pen: Pen, x1: number, y1: number, x2: number, y2: number): void {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

/** A record of a message, from where it was sent to where it arrived or was lost. */
function arrow(pen: Pen, scene: Scene, index: number): void {
  const { model, axis } = scene;
  const cause = model.causeOf(index);
  const [x2, y2] = [axis.x(index), middle(scene, model.lane(index))];
  const x1 = cause >= 0 ? axis.x(cause) : x2 - UNKNOWN_PIXELS;
  const y1 = middle(scene, model.sourceLane(index));
  if (x2 < 0 || x1 > axis.width || y1 === y2) return;
  line(pen, x1, y1, x2, y2);
  if (model.kind(index) === "lost") return;
  const angle = Math.atan2(y2 - y1, Math.max(0.01, x2 - x1));
  pen.beginPath();
  pen.moveTo(x2, y2);
  pen.lineTo(x2 - 7 * Math.cos(angle - 0.35), y2 - 7 * Math.sin(angle - 0.35));
  pen.lineTo(x2 - 7 * Math.cos(angle + 0.35), y2 - 7 * Math.sin(angle + 0.35));
  pen.fill();
}

function drawArrows(pen: Pen, scene: Scene, from: number, to: number): void {
  const { model, palette, shown, selected } = scene;
  pen.lineWidth = 1;
  const many = Math.min(1, 400 / Math.max(1, to - from));
  pen.globalAlpha = (selected >= 0 ? 0.45 : 0.7) * (0.35 + 0.65 * many);
  pen.strokeStyle = palette("message");
  pen.fillStyle = palette("message");
  for (let place = from; place < to; place++) {
    const index = shown[place] ?? -1;
    if (model.isMessage(index) && model.kind(index) === "mail") arrow(pen, scene, index);
  }
  pen.globalAlpha = 0.9;
  pen.strokeStyle = palette("lost");
  pen.setLineDash([5, 4]);
  for (let place = from; place < to; place++) {
    const index = shown[place] ?? -1;
    if (model.isMessage(index) && model.kind(index) === "lost") arrow(pen, scene, index);
  }
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

/** How much happened on each lane, by pixel: what a hundred thousand records look like. */
function drawDensity(pen: Pen, scene: Scene, from: number, to: number): void {
  const { model, axis, palette, shown, laneHeight } = scene;
  const columns = Math.ceil(axis.width / 2);
  const counts = new Uint16Array(columns * model.data.lanes.length);
  let most = 1;
  for (let place = from; place < to; place++) {
    const index = shown[place] ?? -1;
    const column = Math.floor(axis.x(index) / 2);
    if (column < 0 || column >= columns) continue;
    const cell = model.lane(index) * columns + column;
    const count = (counts[cell] ?? 0) + 1;
    counts[cell] = count;
    most = Math.max(most, count);
  }
  pen.fillStyle = palette("message");
  counts.forEach((count, cell) => {
    if (count === 0) return;
    const tall = (laneHeight - 4) * Math.sqrt(count / most);
    const lane = Math.floor(cell / columns);
    pen.globalAlpha = 0.55;
    pen.fillRect((cell % columns) * 2, (lane + 1) * laneHeight - 2 - tall, 2, tall);
  });
  pen.globalAlpha = 1;
}

const SHAPES: Readonly<Record<string, readonly [shape: string, colour: string]>> = {
  up: ["rise", "well"],
  down: ["fall", "down"],
  lost: ["cross", "lost"],
  fault: ["diamond", "fault"],
  heal: ["diamond", "well"],
  start: ["square", "work"],
  exit: ["square", "idle"],
  append: ["square", "log"],
  "log-leader": ["diamond", "log"],
  log: ["dot", "idle"],
  violation: ["diamond", "wrong"],
  "actor-died": ["cross", "wrong"],
  uncaught: ["cross", "wrong"],
};

function polygon(pen: Pen, points: readonly (readonly [number, number])[]): void {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.closePath();
  pen.fill();
}

function mark(pen: Pen, shape: string, x: number, y: number, size: number): void {
  if (shape === "cross") {
    pen.lineWidth = 1.8;
    line(pen, x - size, y - size, x + size, y + size);
    line(pen, x - size, y + size, x + size, y - size);
  } else if (shape === "rise" || shape === "fall") {
    const tip = shape === "rise" ? -size - 1 : size + 1;
    polygon(pen, [
      [x, y + tip],
      [x + size + 1, y - tip],
      [x - size - 1, y - tip],
    ]);
  } else if (shape === "diamond") {
    const far = size + 1.5;
    polygon(pen, [
      [x, y - far],
      [x + far, y],
      [x, y + far],
      [x - far, y],
    ]);
  } else if (shape === "square") pen.fillRect(x - size, y - size, 2 * size, 2 * size);
  else {
    pen.beginPath();
    pen.arc(x, y, size * 0.75, 0, 7);
    pen.fill();
  }
}

function drawRecords(pen: Pen, scene: Scene, from: number, to: number): void {
  const { model, axis, palette, shown } = scene;
  const crowded = to - from > ARROWS_MAX;
  const size = to - from > 1_500 ? 2.2 : 3.2;
  for (let place = from; place < to; place++) {
    const index = shown[place] ?? -1;
    const kind = model.kind(index);
    const isMessage = kind === "send" || kind === "mail";
    if (crowded && (isMessage || kind === "log" || kind === "append")) continue;
    const [shape, colour] = SHAPES[kind] ?? ["dot", "message"];
    pen.fillStyle = palette(colour);
    pen.strokeStyle = palette(colour);
    mark(pen, shape, axis.x(index), middle(scene, model.lane(index)), size);
  }
}

function drawViolations(pen: Pen, { model, axis, palette }: Scene, height: number): void {
  pen.strokeStyle = palette("wrong");
  pen.lineWidth = 1.5;
  for (const index of model.violations) {
    const x = axis.x(index);
    if (x >= -1 && x <= axis.width + 1) line(pen, x, 0, x, height);
  }
}

/** The selected record, what led to it (strong) and what came of it (thin). */
function drawStory(pen: Pen, scene: Scene): void {
  const { model, axis, palette, selected, chain, consequences } = scene;
  if (selected < 0) return;
  const at = (index: number): readonly [number, number] => [
    axis.x(index),
    middle(scene, model.lane(index)),
  ];
  const join = (index: number): void => {
    const cause = model.causeOf(index);
    if (cause >= 0) line(pen, ...at(cause), ...at(index));
  };
  pen.strokeStyle = palette("effect");
  pen.lineWidth = 1.2;
  for (const index of consequences) join(index);
  pen.strokeStyle = palette("cause");
  pen.fillStyle = palette("cause");
  pen.lineWidth = 2.4;
  for (const index of [selected, ...chain]) {
    join(index);
    mark(pen, "dot", ...at(index), 4.5);
  }
  pen.strokeStyle = palette("ink");
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(...at(selected), 7, 0, 7);
  pen.stroke();
}

/** Names records where there is room for it. */
function drawNames(pen: Pen, scene: Scene, from: number, to: number): void {
  const { model, axis, palette, shown } = scene;
  const free = new Map<number, number>();
  const story = new Set([scene.selected, ...scene.chain]);
  pen.font = "10.5px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  pen.strokeStyle = palette("paper");
  pen.lineWidth = 3;
  pen.lineJoin = "round";
  const name = (index: number): void => {
    const kind = model.kind(index);
    const lane = model.lane(index);
    const x = axis.x(index);
    if (kind === "fault" || kind === "heal") return;
    if (x < 0 || x > axis.width || x < (free.get(lane) ?? Number.NEGATIVE_INFINITY)) return;
    const isFrame = kind === "send" || kind === "mail" || kind === "violation";
    const text = isFrame ? model.gist(index) : `${kind} ${model.gist(index)}`;
    const told = text.length > 46 ? `${text.slice(0, 45)}…` : text;
    const y = lane * scene.laneHeight + scene.laneHeight / 2 - 4;
    const wide = pen.measureText(told).width;
    const isLast = kind === "violation" && x + wide > axis.width;
    const left = isLast ? x - wide - 12 : x + 5;
    pen.strokeText(told, left, y);
    pen.fillStyle = palette(kind === "violation" ? "wrong" : story.has(index) ? "ink" : "quiet");
    pen.fillText(told, left, y);
    free.set(lane, x + wide + 14);
  };
  const places = shown.slice(from, to);
  for (const index of places) if (story.has(index)) name(index);
  free.clear();
  for (const index of places) if (story.has(index)) reserve(index);
  for (const index of places) if (!story.has(index)) name(index);

  /** Keeps the room of a name that is already there. */
  function reserve(index: number): void {
    const lane = model.lane(index);
    free.set(lane, Math.max(free.get(lane) ?? 0, axis.x(index) + 60));
  }
}

function drawGutter(pen: Pen, scene: Scene, height: number): void {
  const { model, palette, laneHeight, gutter, focused } = scene;
  pen.fillStyle = palette("side");
  pen.fillRect(0, 0, gutter - 1, height);
  pen.textBaseline = "middle";
  model.data.lanes.forEach(({ name, role }, lane) => {
    const isFocused = focused.length === 0 || focused.includes(lane);
    pen.fillStyle = palette(`role-${role}`);
    pen.fillRect(0, lane * laneHeight, 3, laneHeight - 1);
    pen.font = `${isFocused ? "500 " : ""}12px system-ui, sans-serif`;
    pen.fillStyle = palette(isFocused ? "ink" : "quiet");
    pen.fillText(name, 10, middle(scene, lane), gutter - 16);
  });
}

/** The whole run in a strip: how much happened, faults, violations, and what is in view. */
export function drawOverview(pen: Pen, scene: Scene, height: number): void {
  const { model, axis, palette, gutter } = scene;
  pen.clearRect(0, 0, gutter + axis.width, height);
  pen.save();
  pen.translate(gutter, 0);
  const scale = axis.width / Math.max(1, model.endMs * 1.02);
  const strip = height - 22;
  const bins = new Uint32Array(OVERVIEW_BINS + 1);
  const perMs = OVERVIEW_BINS / Math.max(1, model.endMs);
  for (const index of scene.shown) {
    const bin = Math.floor(model.time(index) * perMs);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const most = bins.reduce((one, other) => Math.max(one, other), 1);
  pen.fillStyle = palette("band");
  for (const { lane, fromMs, toMs } of model.bands) {
    if (model.data.lanes[lane]?.role !== "faults") continue;
    pen.fillRect(fromMs * scale, 0, Math.max(1.5, (toMs - fromMs) * scale), strip);
  }
  pen.fillStyle = palette("message");
  bins.forEach((count, bin) => {
    const tall = (strip - 2) * Math.sqrt(count / most);
    pen.fillRect((bin / perMs) * scale, strip - tall, Math.max(1, scale / perMs), tall);
  });
  pen.fillStyle = palette("wrong");
  for (const index of model.violations) pen.fillRect(model.time(index) * scale - 1, 0, 2, strip);
  const [left, right] = [axis.timeAt(0) * scale, axis.timeAt(axis.width) * scale];
  pen.fillStyle = palette("window");
  pen.fillRect(left, 0, Math.max(2, right - left), strip);
  pen.strokeStyle = palette("cause");
  pen.lineWidth = 1;
  pen.strokeRect(left + 0.5, 0.5, Math.max(2, right - left), strip - 1);
  drawScale(pen, scene, strip, height);
  pen.restore();
}

function drawScale(pen: Pen, { axis, palette }: Scene, strip: number, height: number): void {
  const step = stepOf(axis.unitsPerPixel, 100);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const digits = Math.max(0, 3 - Math.floor(Math.log10(step)));
  for (let at = Math.ceil(axis.left / step) * step; at < axis.left + axis.inView; at += step) {
    const x = (at - axis.left) / axis.unitsPerPixel;
    const ms = axis.mode === "time" ? at : axis.timeAt(x);
    const text = `${(ms / 1000).toFixed(axis.mode === "time" ? Math.min(6, digits) : 3)} s`;
    pen.fillStyle = palette("quiet");
    pen.fillText(text, x + 4, strip + (height - strip) / 2 + 1);
    pen.fillStyle = palette("line");
    pen.fillRect(x, strip + 4, 1, height - strip - 4);
  }
}
