/**
 * A row says what one rule refuses and what it lets pass just beside; each becomes one test.
 */
import t from "tap";
import { complaints, type Files, HEADER } from "./house.ts";

export interface Row {
  readonly rule: string;
  readonly what: string;
  readonly path: string;
  /** Stands below a header of one line. */
  readonly bites: string;
  readonly lets: string;
  /** Where the complaint is expected, when not on the first line below the header. */
  readonly at?: string;
  /** What must stand beside both. */
  readonly beside?: Files;
}

export const CORE = "src/protocol/ids.ts";
export const SHELL = "src/adapters/clock.ts";
export const CASES = "test/protocol/ids.cases.ts";
export const ENTRY: Files = {
  "test/protocol/index.test.ts": `${HEADER}import "./ids.cases.ts";\n`,
};

/** Where the same text may stand, for the rules that judge the place. */
const RIGHT_PLACES: ReadonlyMap<string, Files> = new Map([
  ["src/extras/a.ts", { "src/protocol/extras/a.ts": HEADER }],
  ["src/protocol/utils.ts", { "src/protocol/refusals.ts": HEADER }],
  [
    "test/protocol/more.cases.ts",
    {
      "test/protocol/index.test.ts": `${HEADER}import "./ids.cases.ts";\nimport "./more.cases.ts";\n`,
      "test/protocol/more.cases.ts": HEADER,
    },
  ],
  ["test/protocol/more.test.ts", { "test/protocol/programs/more.ts": HEADER }],
  ["test/runtime/host.ts", { "test/runtime/index.test.ts": HEADER }],
]);

/** Makes one test of each row. */
export function judge(rows: readonly Row[]): void {
  for (const row of rows) {
    t.test(`${row.rule} refuses ${row.what}, and not its neighbour`, async (t) => {
      const file = (text: string): Files => ({ ...row.beside, [row.path]: `${HEADER}${text}\n` });
      t.same(complaints(file(row.bites)), [`${row.at ?? `${row.path}:2`} ${row.rule}`]);
      const right = RIGHT_PLACES.get(row.path);
      t.same(complaints(right === undefined ? file(row.lets) : { ...row.beside, ...right }), []);
    });
  }
}
