/**
 * A small house in a temporary directory that tidy finds tidy, to which a test adds the one file it is about.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { tidy } from "../../tools/tidy.ts";
import { writePages } from "../../tools/tidy/pages.ts";
import { readTree } from "../../tools/tidy/tree.ts";

/** Path → text. */
export type Files = Readonly<Record<string, string>>;

const FLOORS = [
  { row: 0, name: "protocol", path: "src/protocol", core: true },
  { row: 1, name: "runtime", path: "src/runtime", core: true },
  { row: 1, name: "resources", path: "src/resources", core: true },
  { row: 2, name: "allocator", path: "src/allocator", core: true, only: ["resources"] },
  { row: 2, name: "replication", path: "src/replication", core: true },
  { row: 3, name: "actors/agent", path: "src/actors/agent", core: true },
  { row: 5, name: "adapters", path: "src/adapters", core: false },
  { row: 6, name: "gateway", path: "src/gateway", core: false, never: ["actors/agent"] },
  { row: 8, name: "cli", path: "src/cli", core: false },
  { row: 9, name: "sim", path: "sim", core: false, rowMax: 4 },
];

/** The drawing of the floors above, as docs/architecture.md holds it. */
export const DRAWING = [
  "beside  sim",
  "people  cli",
  "doors   gateway  HTTP in",
  "shell   adapters",
  "core    actors/{agent}",
  "core    allocator · replication",
  "core    runtime · resources",
  "core    protocol",
];

export function architecture(drawing: readonly string[]): string {
  return `<!-- floors:begin -->\n\`\`\`\n${drawing.join("\n")}\n\`\`\`\n<!-- floors:end -->\n`;
}

/** A header that satisfies the rule about headers; it is one line long. */
export const HEADER = "/** Owns one small thing of the house and never does another. */\n";

const imports = Object.fromEntries(
  FLOORS.map(({ name, path }) => [`#${name}`, `./dist/${path}/index.js`]),
);

const HOUSE: Files = {
  "floors.json": JSON.stringify({
    floors: FLOORS,
    exceptions: [{ from: "cli", to: "sim", reason: "loaded on demand" }],
  }),
  "package.json": JSON.stringify({ type: "module", imports }),
  "tsconfig.core.json": JSON.stringify({
    include: ["protocol", "runtime", "resources", "allocator", "replication", "actors"].map(
      (floor) => `src/${floor}`,
    ),
  }),
  "docs/architecture.md": architecture(DRAWING),
  ...Object.fromEntries(
    FLOORS.map(({ path }) => [`${path}/index.ts`, `${HEADER}export * from "./noun.ts";\n`]),
  ),
  ...Object.fromEntries(
    FLOORS.map(({ path }) => [`${path}/noun.ts`, `${HEADER}export const noun = 1;\n`]),
  ),
};

/** Makes a directory that is gone after `use`. */
export function inDirectory<T>(files: Files, use: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), "meseta-house-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** What tidy says of the house with these files in it, as `path:line rule`, its generated pages being fresh. */
export function complaints(files: Files): string[] {
  return inDirectory({ ...HOUSE, ...files }, (root) => {
    writePages(readTree(root));
    return lines(root);
  });
}

/** The same, but the files replace parts of the house after its pages were generated. */
export function complaintsLater(files: Files): string[] {
  return inDirectory(HOUSE, (root) => {
    writePages(readTree(root));
    for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text);
    return lines(root);
  });
}

function lines(root: string): string[] {
  return tidy(root).map(({ path, line, rule }) => `${path}:${line} ${rule}`);
}
