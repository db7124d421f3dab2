/**
 * Where on the page a record stands: by its time, or by its order among the shown records. Owns
 * the part of the axis that is in view; knows nothing of what is drawn.
 */

/** Most that one unit of the axis may be stretched to. */
const PIXELS_PER_MS_MAX = 4_000;
const PIXELS_PER_RECORD_MAX = 160;

export type AxisMode = "time" | "order";

/** First place in ascending numbers whose value is at least `value`. */
export function lowerBound(values: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Axis {
  mode: AxisMode = "time";
  /** Left edge and scale of the view, in units of the axis: ms, or places. */
  #left = 0;
  #scale = 1;
  #width = 1;
  #length = 1;
  #shown: readonly number[] = [];
  #times: readonly number[] = [];
  /** Times of the shown records, for finding the place of a time. */
  #shownTimes: Float64Array = new Float64Array(0);

  /** @param times of all records. @param shown their indexes that the filter leaves. */
  set(times: readonly number[], shown: readonly number[]): void {
    this.#times = times;
    this.#shown = shown;
    this.#shownTimes = Float64Array.from(shown, (index) => times[index] ?? 0);
    this.#measure();
  }

  setMode(mode: AxisMode): void {
    const middle = this.timeAt(this.#width / 2);
    const inViewMs = this.timeAt(this.#width) - this.timeAt(0);
    this.mode = mode;
    this.#measure();
    this.showTimes(middle - inViewMs / 2, middle + inViewMs / 2);
  }

  resize(width: number): void {
    const inView = this.#width / this.#scale;
    this.#width = Math.max(1, width);
    this.#scale = this.#width / inView;
    this.#clamp();
  }

  get width(): number {
    return this.#width;
  }

  /** Units of the axis that one pixel stands for. */
  get unitsPerPixel(): number {
    return 1 / this.#scale;
  }

  get left(): number {
    return this.#left;
  }

  get inView(): number {
    return this.#width / this.#scale;
  }

  get length(): number {
    return this.#length;
  }

  x(index: number): number {
    return (this.#position(index) - this.#left) * this.#scale;
  }

  xOfTime(ms: number): number {
    const at = this.mode === "time" ? ms : lowerBound(this.#shownTimes, ms);
    return (at - this.#left) * this.#scale;
  }

  timeAt(x: number): number {
    const at = this.#left + x / this.#scale;
    if (this.mode === "time") return at;
    const place = Math.max(0, Math.min(this.#shownTimes.length - 1, Math.round(at)));
    return this.#shownTimes[place] ?? 0;
  }

  /** Places in the shown list that are in view, the second excluded. */
  range(): readonly [from: number, to: number] {
    const right = this.#left + this.inView;
    if (this.mode === "order") {
      const last = Math.min(this.#shown.length, Math.ceil(right) + 1);
      return [Math.max(0, Math.floor(this.#left)), Math.max(0, last)];
    }
    return [lowerBound(this.#shownTimes, this.#left), lowerBound(this.#shownTimes, right + 1e-9)];
  }

  zoom(factor: number, x: number): void {
    const at = this.#left + x / this.#scale;
    const most = this.mode === "time" ? PIXELS_PER_MS_MAX : PIXELS_PER_RECORD_MAX;
    const least = this.#width / this.#length;
    this.#scale = Math.max(Math.min(least, most), Math.min(most, this.#scale * factor));
    this.#left = at - x / this.#scale;
    this.#clamp();
  }

  pan(pixels: number): void {
    this.#left += pixels / this.#scale;
    this.#clamp();
  }

  /** The whole of it. */
  fit(): void {
    this.#left = 0;
    this.#scale = this.#width / this.#length;
    this.#clamp();
  }

  showTimes(fromMs: number, toMs: number): void {
    const at = (ms: number): number =>
      this.mode === "time" ? ms : lowerBound(this.#shownTimes, ms);
    // All records of the last instant, not the first of them alone.
    const [from, to] = [at(fromMs), at(toMs + 1e-9)];
    this.#left = from;
    this.#scale = this.#width / Math.max(to - from, this.mode === "time" ? 0.01 : 8);
    this.zoom(1, 0);
  }

  /** Moves as far as it must for the record to be in view, away from the edge. */
  reveal(index: number): void {
    const x = this.x(index);
    const margin = Math.min(120, this.#width / 4);
    if (x < margin) this.pan(x - margin);
    else if (x > this.#width - margin) this.pan(x - this.#width + margin);
  }

  #position(index: number): number {
    return this.mode === "time" ? (this.#times[index] ?? 0) : lowerBound(this.#shown, index);
  }

  #measure(): void {
    const endMs = this.#times[this.#times.length - 1] ?? 0;
    this.#length = Math.max(1, this.mode === "time" ? endMs * 1.02 : this.#shown.length);
    this.#clamp();
  }

  #clamp(): void {
    const least = this.#width / this.#length;
    const most = this.mode === "time" ? PIXELS_PER_MS_MAX : PIXELS_PER_RECORD_MAX;
    this.#scale = Math.max(Math.min(least, most), this.#scale);
    this.#left = Math.max(0, Math.min(this.#left, this.#length - this.inView));
  }
}

/** Neat steps of a time axis, at least `pixels` apart. */
export function stepOf(unitsPerPixel: number, pixels: number): number {
  const least = unitsPerPixel * pixels;
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= least) ?? 10 * power;
}
