/**
 * Draws every XState machine of the compiled sources into docs/actors/: a Mermaid diagram and a table of transitions between
 * two marks. `--check` changes nothing and fails where a page is stale. It never starts a machine.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What is read of a state: the part of XState's StateNode that a diagram needs. */
interface State {
  readonly key: string;
  readonly path: readonly string[];
  readonly type: string;
  readonly tags: readonly string[];
  readonly initial?: { readonly target?: readonly State[] };
  readonly entry: readonly unknown[];
  readonly always?: readonly Transition[];
  readonly transitions: ReadonlyMap<string, readonly Transition[]>;
  readonly states: Readonly<Record<string, State>>;
}

interface Transition {
  readonly target?: readonly State[] | undefined;
  readonly guard?: unknown;
  readonly actions: readonly unknown[];
}

interface Machine {
  readonly id: string;
  readonly root: State;
  readonly source: string;
}

interface Row {
  readonly from: string;
  readonly event: string;
  readonly guard: string;
  readonly to: string;
  readonly actions: string;
}

const MACHINE_FILE = /(?:^|\/)(?:[\w-]+-)?machine\.js$/;

/** Every machine that the compiled tree below `dist` exports, by id. */
export async function findMachines(dist: string): Promise<Machine[]> {
  const found: Machine[] = [];
  for (const file of filesBelow(join(dist, "src")).filter((path) => MACHINE_FILE.test(path))) {
    const source = relative(dist, file).replace(/\.js$/, ".ts");
    const module: unknown = await import(pathToFileURL(file).href);
    for (const value of Object.values(module as object)) {
      if (isMachine(value)) found.push({ id: value.id, root: value.root, source });
    }
  }
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function isMachine(value: unknown): value is { id: string; root: State } {
  if (typeof value !== "object" || value === null) return false;
  return "id" in value && "root" in value && "config" in value && "transition" in value;
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** The generated part of a machine's page. */
export function drawing({ root, source }: Machine): string {
  const states = statesBelow(root);
  const rows = [root, ...states].flatMap(rowsOf);
  const table = rows.map(
    (row) => `| ${row.from} | ${row.event} | ${row.guard} | ${row.to} | ${row.actions} |`,
  );
  return [
    `Drawn from \`${source}\` by \`node dist/tools/diagrams.js\`.`,
    "",
    "```mermaid",
    "stateDiagram-v2",
    ...diagram(root, "  "),
    ...rows.filter(({ to }) => to !== "").flatMap((row) => arrows(root, row)),
    "```",
    "",
    "| state | tags | on entry |",
    "| --- | --- | --- |",
    ...states.map((state) => {
      return `| ${nameOf(state)} | ${state.tags.join(", ")} | ${names(state.entry)} |`;
    }),
    "",
    "| in | on | if | to | does |",
    "| --- | --- | --- | --- | --- |",
    ...table,
  ].join("\n");
}

function statesBelow(state: State): State[] {
  return Object.values(state.states).flatMap((inner) => [inner, ...statesBelow(inner)]);
}

function nameOf(state: State): string {
  return state.path.length === 0 ? "any state" : state.path.join(".");
}

/** Mermaid's own name for a state: letters, digits and underscores only. */
function mermaidName(name: string): string {
  return name.replace(/\W/g, "_");
}

function diagram(state: State, indent: string): string[] {
  const first = state.initial?.target?.[0];
  const lines = first === undefined ? [] : [`${indent}[*] --> ${mermaidName(nameOf(first))}`];
  for (const inner of Object.values(state.states)) {
    const name = mermaidName(nameOf(inner));
    lines.push(`${indent}state "${inner.key}" as ${name}`);
    if (Object.keys(inner.states).length > 0) {
      lines.push(`${indent}state ${name} {`, ...diagram(inner, `${indent}  `), `${indent}}`);
    }
    if (inner.type === "final") lines.push(`${indent}${name} --> [*]`);
  }
  return lines;
}

function rowsOf(state: State): Row[] {
  const events = [...state.transitions].flatMap(([event, transitions]) =>
    transitions.map((transition) => rowOf(state, event, transition)),
  );
  return [...events, ...(state.always ?? []).map((row) => rowOf(state, "at once", row))];
}

function rowOf(state: State, event: string, { target, guard, actions }: Transition): Row {
  return {
    from: nameOf(state),
    event,
    guard: guard === undefined ? "" : names([guard]),
    to: (target ?? []).map(nameOf).join(", "),
    actions: names(actions),
  };
}

/** Actions and guards are strings, objects with a type, or functions with a name. */
function names(values: readonly unknown[]): string {
  return values
    .map((value) => {
      if (typeof value === "string") return value;
      if (typeof value === "function") return value.name === "" ? "in place" : value.name;
      return String((value as { type?: unknown }).type ?? "in place");
    })
    .join(", ");
}

/** A transition of the whole machine is drawn from each of its outermost states. */
function arrows(root: State, { from, event, guard, to }: Row): string[] {
  const label = (guard === "" ? event : `${event} [${guard}]`).replaceAll(":", " ");
  const outermost = Object.values(root.states).filter(({ type }) => type !== "final");
  const starts = from === nameOf(root) ? outermost.map(nameOf) : [from];
  return starts
    .filter((start) => from !== nameOf(root) || start !== to)
    .map((start) => `  ${mermaidName(start)} --> ${mermaidName(to)}: ${label}`);
}

/** The page of a machine with its generated part made anew; words outside of the marks are kept. */
function page(machine: Machine, before: string | undefined): string {
  const [begin, end] = [`<!-- machine:begin ${machine.id} -->`, "<!-- machine:end -->"];
  const part = `${begin}\n\n${drawing(machine)}\n\n${end}`;
  const [from, to] = [before?.indexOf(begin) ?? -1, before?.indexOf(end) ?? -1];
  if (before === undefined) return `# The ${machine.id} machine\n\n${part}\n`;
  if (from < 0 || to < from) return `${before.trimEnd()}\n\n${part}\n`;
  return `${before.slice(0, from)}${part}${before.slice(to + end.length)}`;
}

/** Brings docs/actors below the root up to date, or only tells; answers the paths that differed. */
export async function diagrams(root: string, { check }: { check: boolean }): Promise<string[]> {
  const stale: string[] = [];
  for (const machine of await findMachines(join(root, "dist"))) {
    const path = join("docs/actors", `${machine.id}.md`);
    const file = join(root, path);
    const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
    const now = page(machine, before);
    if (now === before) continue;
    stale.push(path);
    if (check) continue;
    mkdirSync(join(root, "docs/actors"), { recursive: true });
    writeFileSync(file, now);
  }
  return stale;
}

async function main(args: readonly string[]): Promise<number> {
  const check = args.includes("--check");
  const root = resolve(args.find((arg) => !arg.startsWith("-")) ?? ".");
  const stale = await diagrams(root, { check });
  for (const path of stale) {
    const mend = "differs from its machine; run node dist/tools/diagrams.js";
    process.stdout.write(check ? `${path}:1 [stale-pages] ${mend}\n` : `wrote ${path}\n`);
  }
  return check && stale.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
