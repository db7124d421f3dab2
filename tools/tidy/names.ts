/**
 * Names that the core may not use because they reach time, chance, the machine or the locale past the ports, and words that
 * say a thing is unfinished. The compiler refuses what the platform adds; this refuses what the language itself offers.
 */
import { type Floors, floorOf } from "../floors.ts";
import { type Finding, isScript, type Source, type Tree } from "./tree.ts";

const CLOCK = "take the time from the Clock port";
const TIMERS = "return a timer effect";
const CHANCE = "draw from the Random port";
const CALLBACKS = "the core is synchronous: return an effect and read the answer as input";
const COLLECTOR = "what the garbage collector does may not be seen; delete by hand";
const LOCALE = "the locale of a machine may not be seen; compare by code units";
const MACHINE = "the core reaches the machine through ports only";

/** Name → the mend. A name after a dot is a field of something else and is not meant. */
const REFUSED_NAMES: ReadonlyMap<string, string> = new Map([
  ["Date", CLOCK],
  ["performance", CLOCK],
  ["setTimeout", TIMERS],
  ["setInterval", TIMERS],
  ["setImmediate", TIMERS],
  ["clearTimeout", TIMERS],
  ["clearInterval", TIMERS],
  ["queueMicrotask", TIMERS],
  ["crypto", CHANCE],
  ["async", CALLBACKS],
  ["await", CALLBACKS],
  ["Promise", CALLBACKS],
  ["PromiseLike", CALLBACKS],
  ["WeakRef", COLLECTOR],
  ["FinalizationRegistry", COLLECTOR],
  ["Intl", LOCALE],
  ["globalThis", MACHINE],
  ["process", MACHINE],
  ["Buffer", MACHINE],
  ["fetch", MACHINE],
  ["console", MACHINE],
  ["eval", MACHINE],
]);

/** Fields that are refused on whatever they are read from. */
const REFUSED_FIELDS = /^(?:toLocale\w*|localeCompare)$/;

const UNFINISHED =
  /\b(?:TODO|FIXME|XXX|HACK)\b|\b(?:not implemented|placeholders?|stubs?|stubbed)\b/i;
/** The first four are marks only when they are shouted. */
const SHOUTED = /^(?:todo|fixme|xxx|hack)$/i;

/** Refuses the names above in the floors of the core. */
export function namesOfTheCore(tree: Tree, floors: Floors): Finding[] {
  return tree.sources
    .filter((source) => isScript(source) && floorOf(floors, source.path)?.core === true)
    .flatMap(namesIn);
}

function namesIn(source: Source): Finding[] {
  const found: Finding[] = [];
  const refuse = (line: number, name: string, mend: string): void => {
    const text = `the core may not use ${name}: ${mend}`;
    found.push({ rule: "core-names", path: source.path, line, text });
  };
  for (const [at, token] of source.tokens.entries()) {
    const { text, line } = token;
    const before = source.tokens[at - 1]?.text;
    const next = source.tokens[at + 1]?.text;
    const field = before === "." || before === "?.";
    if (token.kind === "string" && before === "[" && REFUSED_FIELDS.test(text)) {
      refuse(line, text, LOCALE);
    }
    if (token.kind !== "name" || (field && !REFUSED_FIELDS.test(text))) continue;
    const mend = field ? LOCALE : REFUSED_NAMES.get(text);
    if (mend !== undefined) refuse(line, text, mend);
    if (text === "import" && next === "(") refuse(line, "import()", CALLBACKS);
    if (field || text !== "Math") continue;
    const member = source.tokens[at + 2]?.text;
    if (next !== "." || member === "random")
      refuse(line, `Math ${next ?? ""}${member ?? ""}`, CHANCE);
  }
  return found;
}

/** Refuses words of unfinished work in src and sim, in code, comments and strings alike. */
export function unfinishedWords(tree: Tree): Finding[] {
  return tree.sources
    .filter(({ path }) => path.startsWith("src/") || path.startsWith("sim/"))
    .flatMap(({ path, lines }) =>
      lines.flatMap((text, at) => {
        const word = UNFINISHED.exec(text)?.[0];
        if (word === undefined || (SHOUTED.test(word) && word !== word.toUpperCase())) return [];
        const mend = `finish the thing or take it out; "${word}" may not stand in a source`;
        return [{ rule: "unfinished", path, line: at + 1, text: mend }];
      }),
    );
}
