/** The shown records as lines that scroll; only those in view exist in the document. */
import { type Model, shortUuids } from "./model.ts";
import { element } from "./panel.ts";

const ROW_HEIGHT = 20;
/** Rows beyond both edges, so that scrolling shows no holes. */
const ROWS_BEYOND = 8;

export class RecordList {
  readonly #box: HTMLElement;
  readonly #space: HTMLElement;
  readonly #model: Model;
  readonly #select: (index: number) => void;
  #shown: readonly number[] = [];
  #selected = -1;
  #story: ReadonlySet<number> = new Set();

  constructor(box: HTMLElement, model: Model, select: (index: number) => void) {
    this.#box = box;
    this.#model = model;
    this.#select = select;
    this.#space = element("div", "space");
    box.replaceChildren(this.#space);
    box.addEventListener("scroll", () => this.#paint());
  }

  set(shown: readonly number[]): void {
    this.#shown = shown;
    this.#space.style.height = `${shown.length * ROW_HEIGHT}px`;
    this.#paint();
  }

  /** @param place of the record among the shown ones. */
  select(index: number, place: number, story: ReadonlySet<number>): void {
    this.#selected = index;
    this.#story = story;
    const top = place * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.#box;
    if (top < scrollTop || top > scrollTop + clientHeight - ROW_HEIGHT) {
      this.#box.scrollTop = top - clientHeight / 2;
    }
    this.#paint();
  }

  resize(): void {
    this.#paint();
  }

  #paint(): void {
    const first = Math.max(0, Math.floor(this.#box.scrollTop / ROW_HEIGHT) - ROWS_BEYOND);
    const count = Math.ceil(this.#box.clientHeight / ROW_HEIGHT) + 2 * ROWS_BEYOND;
    const rows = this.#shown.slice(first, first + count).map((index, offset) => {
      const row = this.#row(index);
      row.style.top = `${(first + offset) * ROW_HEIGHT}px`;
      return row;
    });
    this.#space.replaceChildren(...rows);
  }

  #row(index: number): HTMLElement {
    const model = this.#model;
    const kind = model.kind(index);
    const row = element("div", "row");
    if (index === this.#selected) row.classList.add("selected");
    else if (this.#story.has(index)) row.classList.add("story");
    if (kind === "violation") row.classList.add("wrong");
    const from = model.fromName(index);
    const who = from === "" || from === model.nodeName(index) ? "" : ` ← ${shortUuids(from)}`;
    row.append(
      element("span", "n", String(model.number(index))),
      element("span", "t", (model.time(index) / 1000).toFixed(4)),
      element("span", "who", shortUuids(model.nodeName(index))),
      element("span", `kind kind-${kind}`, kind),
      element("span", "what", `${model.gist(index)}${who}`),
    );
    row.addEventListener("click", () => this.#select(index));
    return row;
  }
}
