/**
 * Who imports whom: floors by their doors and downwards, packages where they belong, no circles, no folder without a floor.
 * It judges import statements, import types and import calls with a literal name alike.
 */
import { isBuiltin } from "node:module";
import { type Floor, type Floors, floorOf, floorOfDoor, refusal } from "../floors.ts";
import {
  type Finding,
  type Import,
  isScript,
  resolveRelative,
  type Source,
  type Tree,
} from "./tree.ts";

/** Where each package may be imported below src and sim; a package that is not named here belongs to no floor. */
const PACKAGE_PLACES: ReadonlyMap<string, { readonly where: RegExp; readonly place: string }> =
  new Map([
    [
      "xstate",
      {
        where: /(?:^|\/)(?:machine|[\w-]+-machine)\.ts$|^src\/runtime\/(?:host|actor)\.ts$/,
        place: "machine.ts, *-machine.ts and the host in runtime (host.ts, actor.ts)",
      },
    ],
    [
      "immer",
      {
        where: /^src\/(?:replication\/registry\.ts|views\/)/,
        place: "replication/registry.ts and views",
      },
    ],
    ["cbor-x", { where: /^src\/protocol\/codec\.ts$/, place: "protocol/codec.ts" }],
    ["nats", { where: /^src\/adapters\//, place: "adapters" }],
    ["pino", { where: /^src\/adapters\//, place: "adapters" }],
    ["hono", { where: /^src\/(?:http|gateway)\//, place: "http and gateway" }],
    ["@hono/node-server", { where: /^src\/http\//, place: "http" }],
    ["prom-client", { where: /^src\/gateway\//, place: "gateway" }],
    ["commander", { where: /^src\/cli\//, place: "cli" }],
    ["picocolors", { where: /^src\/cli\//, place: "cli" }],
    ["yaml", { where: /^(?:src\/(?:cli|daemon)|sim)\//, place: "cli, daemon and sim" }],
    ["@sinclair/typebox", { where: /^(src|sim)\//, place: "src and sim" }],
  ]);

/** Folder and file names that say nothing about what is inside. */
const EMPTY_NOUNS = /^(?:utils?|common|shared|helpers?|types|lib|misc)$/;

/** Every rule about imports and folders. */
export function importRules(tree: Tree, floors: Floors): Finding[] {
  const scripts = tree.sources.filter(isScript);
  return [
    ...tree.sources.flatMap((source) => placeOf(source, floors)),
    ...missingFloors(tree, floors),
    ...scripts.flatMap((source) =>
      source.imports.flatMap((row) => judge(tree, floors, source, row)),
    ),
    ...doors(tree, floors),
    ...circles(tree, scripts),
  ];
}

function finding(rule: string, path: string, line: number, text: string): Finding {
  return { rule, path, line, text };
}

function placeOf({ path }: Source, floors: Floors): Finding[] {
  const noun = path.split("/").find((part) => EMPTY_NOUNS.test(part.replace(/\..*$/, "")));
  if (noun !== undefined) {
    return [finding("folders", path, 1, `"${noun}" says nothing; name the noun that it is about`)];
  }
  const inHouse = path.startsWith("src/") || path.startsWith("sim/");
  if (!inHouse || floorOf(floors, path) !== undefined) return [];
  return [finding("folders", path, 1, "this folder is no floor; give it a row in floors.json")];
}

function missingFloors(tree: Tree, { floors }: Floors): Finding[] {
  return floors
    .filter((floor) => !tree.byPath.has(`${floor.path}/index.ts`))
    .map(({ name, path }) =>
      finding("folders", "floors.json", 1, `${name} has no door; write ${path}/index.ts`),
    );
}

function judge(tree: Tree, floors: Floors, source: Source, { specifier, line }: Import): Finding[] {
  const refuse = (rule: string, text: string): Finding[] => [
    finding(rule, source.path, line, text),
  ];
  const from = floorOf(floors, source.path);
  if (specifier.startsWith(".")) return relative(tree, floors, source, from, { specifier, line });
  if (specifier.startsWith("#")) {
    const to = floorOfDoor(floors, specifier);
    if (to === undefined)
      return refuse("doors", `${specifier} is no door; use a name of floors.json`);
    const why = from === undefined ? undefined : refusal(floors, from, to);
    return why === undefined ? [] : refuse("floors", `${specifier} may not come here: ${why}`);
  }
  return from === undefined ? [] : packageRule(source, from, { specifier, line });
}

function relative(
  tree: Tree,
  floors: Floors,
  source: Source,
  from: Floor | undefined,
  { specifier, line }: Import,
): Finding[] {
  const refuse = (rule: string, text: string): Finding[] => [
    finding(rule, source.path, line, text),
  ];
  const target = resolveRelative(source.path, specifier);
  const to = floorOf(floors, target);
  if (target.startsWith("test/") && !source.path.startsWith("test/") && from !== undefined) {
    return refuse("test-support", `${specifier} belongs to tests; a floor may not lean on it`);
  }
  if (from !== undefined && to?.name !== from.name) {
    const door = to === undefined ? "move the file into the floor" : `import #${to.name}`;
    return refuse("leaves-floor", `${specifier} leaves the floor ${from.name}; ${door}`);
  }
  if (from === undefined && to !== undefined && !measuresOrTests(source.path, to)) {
    return refuse("doors", `${specifier} passes the door of ${to.name}; import #${to.name}`);
  }
  if (tree.byPath.has(target) || target.startsWith("dist/")) return [];
  return refuse("doors", `${specifier} is no file; name it with its .ts ending`);
}

/**
 * A floor's own tests and benchmarks may import its files: test/agent and test/actors/agent are
 * tests of actors/agent, bench/allocator-sorter-load.ts is a benchmark of allocator.
 */
function measuresOrTests(path: string, floor: Floor): boolean {
  const parts = path.split("/");
  if (parts[0] === "bench") return parts[1]?.startsWith(`${floor.name}-`) === true;
  if (parts[0] !== "test") return false;
  const folder = parts.slice(1, -1).join("/");
  const last = floor.name.split("/").at(-1) ?? floor.name;
  return [floor.name, last].some((name) => `${folder}/`.startsWith(`${name}/`));
}

function packageRule(source: Source, from: Floor, { specifier, line }: Import): Finding[] {
  if (isBuiltin(specifier)) {
    if (!from.core) return [];
    const text = `the core may not import ${specifier}; ask a port for what it gives`;
    return [finding("core-imports", source.path, line, text)];
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const place = PACKAGE_PLACES.get(name);
  if (place?.where.test(source.path) === true) return [];
  const mend =
    place === undefined ? "do without it" : `only ${place.place} may; move the use there`;
  return [finding("packages", source.path, line, `${name} may not be imported here: ${mend}`)];
}

/** A door holds re-exports only, so that importing it never does anything. */
function doors(tree: Tree, { floors }: Floors): Finding[] {
  return floors.flatMap((floor) => {
    const door = tree.byPath.get(`${floor.path}/index.ts`);
    const other = door === undefined ? undefined : firstOtherStatement(door);
    if (door === undefined || other === undefined) return [];
    const text = "a door holds only `export … from`; move this into a file named after its noun";
    return [finding("doors", door.path, other, text)];
  });
}

/** The line of the first statement that is no re-export. */
function firstOtherStatement({ tokens }: Source): number | undefined {
  let at = 0;
  while (at < tokens.length) {
    const first = tokens[at];
    const shape = tokens[at + 1]?.text === "type" ? tokens[at + 2]?.text : tokens[at + 1]?.text;
    if (first?.text !== "export" || (shape !== "{" && shape !== "*")) return first?.line;
    while (at < tokens.length && tokens[at]?.text !== "from" && tokens[at]?.text !== ";") at += 1;
    if (tokens[at]?.text !== "from" || tokens[at + 1]?.kind !== "string") return first.line;
    at += tokens[at + 2]?.text === ";" ? 3 : 2;
  }
  return undefined;
}

/** Files that import each other in a circle, types included: each circle is told once, from its first file. */
function circles(tree: Tree, scripts: readonly Source[]): Finding[] {
  const state = new Map<string, "open" | "closed">();
  const found: Finding[] = [];
  const trail: string[] = [];
  const visit = (source: Source): void => {
    state.set(source.path, "open");
    trail.push(source.path);
    for (const { specifier, line } of source.imports) {
      const target = specifier.startsWith(".") ? resolveRelative(source.path, specifier) : "";
      const next = tree.byPath.get(target);
      if (next === undefined || state.get(target) === "closed") continue;
      if (state.get(target) === "open") {
        const circle = [...trail.slice(trail.indexOf(target)), target].join(" → ");
        const text = `a circle: ${circle}; move what both need into a third file`;
        found.push(finding("circles", source.path, line, text));
      } else visit(next);
    }
    trail.pop();
    state.set(source.path, "closed");
  };
  for (const source of scripts) if (!state.has(source.path)) visit(source);
  return found;
}
