/**
 * What is said of the selected record beside the lanes: its messages, why it happened, what came
 * of it, and what its actor was before and after. All content goes in as text, never as markup.
 */
import { type Model, shortUuids } from "./model.ts";

const FACTS_MAX = 300;
const LINKS_MAX = 14;

/** An element with a class and text. */
export function element(tag: string, className = "", text = ""): HTMLElement {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  if (text !== "") made.textContent = text;
  return made;
}

export interface PanelActions {
  select(index: number): void;
}

function section(title: string, ...content: readonly Node[]): HTMLElement {
  const made = element("section");
  made.append(element("h2", "", title), ...content);
  return made;
}

function texts(list: readonly string[]): HTMLElement {
  const made = element("ul", "texts");
  for (const text of list) {
    const [head = "", ...rest] = shortUuids(text).split(" ");
    const item = element("li");
    item.append(element("b", "", head), ` ${rest.join(" ")}`);
    made.append(item);
  }
  return made;
}

/** Records as links: number, time, who, what. */
function links(model: Model, indexes: readonly number[], actions: PanelActions): HTMLElement {
  const made = element("ol", "links");
  for (const index of indexes.slice(0, LINKS_MAX)) {
    const item = element("li");
    const button = element("button", "link");
    button.append(
      element("span", "n", String(model.number(index))),
      element("span", `kind kind-${model.kind(index)}`, model.kind(index)),
      element("span", "who", shortUuids(model.nodeName(index))),
      element("span", "what", model.gist(index)),
    );
    button.title = `${(model.time(index) / 1000).toFixed(6)} s  ${model.gist(index)}`;
    button.addEventListener("click", () => actions.select(index));
    item.append(button);
    made.append(item);
  }
  if (indexes.length > LINKS_MAX) {
    made.append(element("li", "more", `and ${indexes.length - LINKS_MAX} more`));
  }
  return made;
}

function value(fact: string | number | boolean | undefined): string {
  return fact === undefined ? "–" : shortUuids(String(fact));
}

/** The state of the actor; what the record changed is marked, with what it was before. */
function facts(model: Model, index: number): HTMLElement {
  const rows = model.facts(index);
  if (rows.length === 0) return element("p", "none", "nothing is known of it here");
  const table = element("table", "facts");
  for (const { name, before, after } of rows.slice(0, FACTS_MAX)) {
    const row = element("tr", before === after ? "" : "changed");
    const cell = element("td");
    if (before !== after) {
      cell.append(element("del", "", value(before)), " → ", element("ins", "", value(after)));
    } else cell.textContent = value(after);
    row.append(element("th", "", shortUuids(name)), cell);
    table.append(row);
  }
  if (rows.length > FACTS_MAX) {
    const more = element("tr");
    more.append(element("td", "more", `and ${rows.length - FACTS_MAX} more`));
    table.append(more);
  }
  return table;
}

function table(rows: readonly (readonly [string, string])[]): HTMLElement {
  const made = element("table", "facts");
  for (const [name, text] of rows) {
    const row = element("tr");
    row.append(element("th", "", name), element("td", "", text));
    made.append(row);
  }
  return made;
}

function about({ data, length, endMs, violations }: Model): HTMLElement {
  return table([
    ...data.about,
    ["records", length.toLocaleString("en")],
    ["length", `${(endMs / 1000).toFixed(1)} s`],
    ["violations", String(violations.length)],
  ]);
}

function keys(): HTMLElement {
  return table([
    ["← →", "the record before, the next one; with shift on the same lane"],
    ["↑ ↓", "to its cause, to what came of it"],
    ["v", "to the next violation"],
    ["s", "what led to the selected record"],
    ["f", "the whole run"],
    ["o", "by time, or each record one step"],
    ["+ −", "zoom; so does the wheel, where the pointer is"],
    ["/", "filter by a task or any word"],
    ["click", "on a lane's name: only what concerns it"],
  ]);
}

function heading(model: Model, index: number): HTMLElement {
  const head = element("header");
  const first = element("div", "head");
  first.append(
    element("span", `kind kind-${model.kind(index)}`, model.kind(index)),
    element("b", "", shortUuids(model.nodeName(index))),
    element("span", "quiet", `#${model.number(index)}`),
    element("span", "quiet", `${(model.time(index) / 1000).toFixed(6)} s`),
  );
  head.append(first);
  const from = model.fromName(index);
  if (from !== "") head.append(element("div", "quiet", `from ${shortUuids(from)}`));
  head.append(element("p", "summary", model.data.summary[index] ?? ""));
  const id = model.data.msgIds[index];
  if (id !== undefined) head.append(element("div", "quiet id", `frame ${id}`));
  return head;
}

export function showPanel(
  panel: HTMLElement,
  model: Model,
  index: number,
  actions: PanelActions,
): void {
  panel.replaceChildren();
  if (index < 0) {
    panel.append(section("This run", about(model)), section("Keys", keys()));
    return;
  }
  panel.append(heading(model, index));
  const messages = model.messages(index);
  if (messages.length > 0) panel.append(section("Carries", texts(messages)));
  const effects = model.data.effects[index] ?? [];
  if (effects.length > 0) panel.append(section("Did", texts(effects)));
  const chain = model.causes(index);
  if (chain.length > 0) panel.append(section("Because of", links(model, chain, actions)));
  const came = model.effectsOf(index);
  if (came.length > 0) panel.append(section("Brought about", links(model, came, actions)));
  // A checker has no state: what matters is the actor whose turn it judged.
  const actor = [index, ...chain].find((each) => model.facts(each).length > 0) ?? index;
  const lane = model.data.lanes[model.lane(actor)]?.name ?? "";
  panel.append(section(`State of ${lane}`, facts(model, actor)));
}
