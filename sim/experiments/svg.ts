/**
 * Draws charts as SVG text: lines, stacked areas and grouped bars with axes, grid and legend. Owns
 * geometry and colours; knows nothing of what is drawn.
 */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Axis {
  readonly label: string;
  readonly max: number;
  readonly step: number;
  /** Text of a tick; the number itself where nothing is said. */
  readonly format?: (value: number) => string;
}

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly kind: "lines" | "areas";
  readonly series: readonly Series[];
}

export interface Bars {
  readonly title: string;
  readonly groups: readonly string[];
  readonly y: Axis;
  /** One value for each group; undefined leaves a gap. */
  readonly series: readonly {
    readonly name: string;
    readonly values: readonly (number | undefined)[];
  }[];
}

const COLOURS = ["#2563a8", "#d97a1d", "#3c9a5f", "#a23b72", "#6b6b6b", "#c9a227"];
const INK = "#1f2328";
const GRID = "#d8dce1";
const WIDTH = 760;
const HEIGHT = 270;
const PLOT = { left: 64, right: 24, top: 58, bottom: 46 };
const FONT = 'font-family="Helvetica, Arial, sans-serif"';

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? INK;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function at(value: number): string {
  return value.toFixed(1);
}

function text(x: number, y: number, content: string, more = ""): string {
  return `<text x="${at(x)}" y="${at(y)}" font-size="12" fill="${INK}" ${FONT} ${more}>${escaped(content)}</text>`;
}

/** Where values lie in a panel whose upper edge is at `top`. */
class Scale {
  readonly left = PLOT.left;
  readonly right = WIDTH - PLOT.right;
  readonly top: number;
  readonly bottom: number;
  readonly #xMax: number;
  readonly #yMax: number;

  constructor(top: number, xMax: number, yMax: number) {
    this.top = top + PLOT.top;
    this.bottom = top + HEIGHT - PLOT.bottom;
    this.#xMax = xMax;
    this.#yMax = yMax;
  }

  x(value: number): number {
    return this.left + (Math.min(value, this.#xMax) / this.#xMax) * (this.right - this.left);
  }

  y(value: number): number {
    return this.bottom - (Math.min(value, this.#yMax) / this.#yMax) * (this.bottom - this.top);
  }
}

function yAxis(scale: Scale, { label, max, step, format = String }: Axis): string[] {
  const parts: string[] = [];
  for (let tick = 0; tick <= max + step / 1_000; tick += step) {
    const y = at(scale.y(tick));
    parts.push(
      `<line x1="${scale.left}" x2="${scale.right}" y1="${y}" y2="${y}" stroke="${GRID}"/>`,
      text(scale.left - 8, scale.y(tick) + 4, format(tick), 'text-anchor="end"'),
    );
  }
  const middle = (scale.top + scale.bottom) / 2;
  const turn = `text-anchor="middle" transform="rotate(-90 16 ${at(middle)})"`;
  return [...parts, text(16, middle, label, turn)];
}

function xAxis(scale: Scale, { label, max, step, format = String }: Axis): string[] {
  const parts: string[] = [];
  for (let tick = 0; tick <= max + step / 1_000; tick += step) {
    parts.push(text(scale.x(tick), scale.bottom + 17, format(tick), 'text-anchor="middle"'));
  }
  const middle = (scale.left + scale.right) / 2;
  return [...parts, text(middle, scale.bottom + 36, label, 'text-anchor="middle"')];
}

function legend(scale: Scale, names: readonly string[], dashed: readonly boolean[]): string[] {
  let x = scale.left;
  return names.flatMap((name, index) => {
    const mark =
      dashed[index] === true
        ? `<line x1="${at(x)}" x2="${at(x + 14)}" y1="${scale.top - 14}" y2="${scale.top - 14}" stroke="${colour(index)}" stroke-width="2" stroke-dasharray="5 3"/>`
        : `<rect x="${at(x)}" y="${scale.top - 20}" width="12" height="12" fill="${colour(index)}"/>`;
    const parts = [mark, text(x + 18, scale.top - 10, name)];
    x += 34 + name.length * 6.6;
    return parts;
  });
}

function title(scale: Scale, content: string): string {
  return text(scale.left, scale.top - 34, content, 'font-weight="bold"');
}

function line(scale: Scale, { points, dashed }: Series, index: number): string {
  const path = points.map(([x, y]) => `${at(scale.x(x))},${at(scale.y(y))}`).join(" ");
  const dash = dashed === true ? ' stroke-dasharray="5 3"' : "";
  const dots =
    points.length > 12
      ? ""
      : points
          .map(([x, y]) => {
            const place = `cx="${at(scale.x(x))}" cy="${at(scale.y(y))}"`;
            return `<circle ${place} r="3" fill="${colour(index)}"/>`;
          })
          .join("");
  return `<polyline points="${path}" fill="none" stroke="${colour(index)}" stroke-width="1.8"${dash}/>${dots}`;
}

/** Each series on top of those before it; all have the same x values. */
function areas(scale: Scale, series: readonly Series[]): string[] {
  const floor = new Map<number, number>();
  return series.map(({ points }, index) => {
    const below = points.map(([x]): [number, number] => [x, floor.get(x) ?? 0]);
    const above = points.map(([x, y]): [number, number] => [x, (floor.get(x) ?? 0) + y]);
    for (const [x, y] of above) floor.set(x, y);
    const outline = [...above, ...below.reverse()]
      .map(([x, y]) => `${at(scale.x(x))},${at(scale.y(y))}`)
      .join(" ");
    return `<polygon points="${outline}" fill="${colour(index)}" fill-opacity="0.85"/>`;
  });
}

function whole(height: number, name: string, parts: readonly string[]): string {
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  const paper = `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`;
  const content = [`<title>${escaped(name)}</title>`, paper, ...parts].join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${content}\n</svg>\n`;
}

/** Panels below each other. */
export function panelsSvg(panels: readonly Panel[]): string {
  const parts = panels.flatMap((panel, index) => {
    const scale = new Scale(index * HEIGHT, panel.x.max, panel.y.max);
    const names = panel.series.map(({ name }) => name);
    const dashed = panel.series.map((one) => one.dashed === true);
    const drawn =
      panel.kind === "areas"
        ? areas(scale, panel.series)
        : panel.series.map((one, number) => line(scale, one, number));
    const axes = [...yAxis(scale, panel.y), ...xAxis(scale, panel.x)];
    return [title(scale, panel.title), ...legend(scale, names, dashed), ...axes, ...drawn];
  });
  return whole(HEIGHT * panels.length, panels[0]?.title ?? "", parts);
}

/** Groups of bars beside each other, the value on top of each. */
export function barsSvg(charts: readonly Bars[]): string {
  const parts = charts.flatMap(({ title: heading, groups, y, series }, index) => {
    const scale = new Scale(index * HEIGHT, groups.length, y.max);
    const names = series.map(({ name }) => name);
    const format = y.format ?? String;
    const bars = groups.flatMap((group, place) => {
      const left = scale.x(place);
      const wide = scale.x(place + 1) - left;
      const each = Math.min(44, (wide * 0.8) / series.length);
      const first = left + (wide - each * series.length) / 2;
      const drawn = series.flatMap(({ values }, number) => {
        const value = values[place];
        if (value === undefined) return [];
        const x = first + number * each;
        const top = scale.y(value);
        const box = `x="${at(x)}" y="${at(top)}" width="${at(each - 3)}"`;
        return [
          `<rect ${box} height="${at(scale.bottom - top)}" fill="${colour(number)}"/>`,
          text(x + (each - 3) / 2, top - 4, format(value), 'text-anchor="middle"'),
        ];
      });
      const under = text(left + wide / 2, scale.bottom + 17, group, 'text-anchor="middle"');
      return [...drawn, under];
    });
    const plain = names.map(() => false);
    return [title(scale, heading), ...legend(scale, names, plain), ...yAxis(scale, y), ...bars];
  });
  return whole(HEIGHT * charts.length, charts[0]?.title ?? "", parts);
}
