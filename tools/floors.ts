/**
 * The floors of the house as floors.json states them, and the one answer to "may this floor import that one". It also compares
 * the table with the drawing in docs/architecture.md, so that neither can be changed alone. It never looks at sources.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One floor. A floor imports floors of lower rows; floors of one row do not import each other. */
export interface Floor {
  readonly row: number;
  readonly name: string;
  readonly path: string;
  /** True for floors that reach time, chance, disk and network through ports alone. */
  readonly core: boolean;
  /** Where given, no other floor may be imported. */
  readonly only?: readonly string[];
  /** Floors that may not be imported although their row is lower. */
  readonly never?: readonly string[];
  /** Where given, floors above this row may not be imported. */
  readonly rowMax?: number;
}

export interface FloorException {
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

export interface Floors {
  readonly floors: readonly Floor[];
  readonly exceptions: readonly FloorException[];
}

/** Reads floors.json of the root; throws where the file is missing or is no JSON. */
export function readFloors(root: string): Floors {
  return JSON.parse(readFileSync(join(root, "floors.json"), "utf8")) as Floors;
}

/** The floor that holds the path, or undefined for tools, tests, benches and examples. */
export function floorOf({ floors }: Floors, path: string): Floor | undefined {
  return floors.find((floor) => path.startsWith(`${floor.path}/`));
}

/** The floor that a `#name` opens. */
export function floorOfDoor({ floors }: Floors, specifier: string): Floor | undefined {
  return floors.find((floor) => specifier === `#${floor.name}`);
}

/** Why `from` may not import `to`, as the end of a sentence, or undefined where it may. */
export function refusal(floors: Floors, from: Floor, to: Floor): string | undefined {
  if (from.name === to.name) return "a floor imports its own files by ./, not by its door";
  if (floors.exceptions.some((row) => row.from === from.name && row.to === to.name)) {
    return undefined;
  }
  if (from.only !== undefined && !from.only.includes(to.name)) {
    return `${from.name} imports only ${from.only.join(", ")}`;
  }
  if (from.never?.includes(to.name) === true) return `${from.name} never imports ${to.name}`;
  if (to.row === from.row) return `${to.name} is a neighbour (sideways); move it below both`;
  if (to.row > from.row) return `${to.name} is above (upwards); move what both need below`;
  if (from.rowMax !== undefined && to.row > from.rowMax) {
    return `${from.name} imports nothing above row ${from.rowMax}`;
  }
  return undefined;
}

/** One line of the drawing: its zone and the floors on it. */
interface DrawnLine {
  readonly zone: string;
  readonly names: readonly string[];
}

const DRAWING = /<!-- floors:begin -->\s*```\w*\n([\s\S]*?)```\s*<!-- floors:end -->/;

/** Sentences about every way in which the drawing of docs/architecture.md differs from the table. */
export function drawingDifferences({ floors }: Floors, page: string): string[] {
  const block = DRAWING.exec(page)?.[1];
  if (block === undefined) return ["there is no drawing between floors:begin and floors:end"];
  const drawn = block.split("\n").filter(Boolean).map(drawnLine);
  const rows = [...new Set(floors.map((floor) => floor.row))].sort((a, b) => b - a);
  const differences: string[] = [];
  rows.forEach((row, at) => {
    const wanted = floors.filter((floor) => floor.row === row);
    const line = drawn[at];
    const zone = wanted.some((floor) => floor.core) ? "core" : "another zone than core";
    const names = wanted.map((floor) => floor.name);
    if (line === undefined || [...line.names].sort().join() !== [...names].sort().join()) {
      differences.push(
        `line ${at + 1} of the drawing must name row ${row}, which is ${names.join(" · ")}`,
      );
    } else if ((line.zone === "core") !== (zone === "core")) {
      differences.push(`line ${at + 1} of the drawing must be in ${zone}`);
    }
  });
  if (drawn.length > rows.length) differences.push("the drawing has more lines than rows exist");
  return differences;
}

/** `core   runtime · resources   some words`: columns are two or more spaces apart. */
function drawnLine(line: string): DrawnLine {
  const [zone = "", names = ""] = line.trim().split(/ {2,}/);
  return { zone, names: names.split("·").flatMap((name) => expand(name.trim())) };
}

/** `actors/{master,agent}` stands for two floors. */
function expand(name: string): string[] {
  const braces = /^(.*)\{(.*)\}$/.exec(name);
  if (braces === null) return [name];
  return (braces[2] ?? "").split(",").map((part) => `${braces[1] ?? ""}${part.trim()}`);
}
