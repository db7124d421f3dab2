/**
 * Object literals that cost far more than they look: one that begins with a spread and goes on with other fields. V8 11.3, that
 * of Node 20, gives each object made by it a hidden class of its own, in 2 to 4 µs, and all who read or encode it afterwards look
 * its fields up anew. Begun with `...{}` it is one class for all of them, in a tenth of the time.
 */
import { bracketPairs } from "./functions.ts";
import type { Token } from "./tokens.ts";
import { type Finding, isScript, type Source, type Tree } from "./tree.ts";

/** What handles messages, or simulates what does; a command and the start of a daemon make a literal once. */
const RUNS = /^(?:src\/(?!cli\/|config\/|daemon\/)|sim\/)/;

export function literalRules(tree: Tree): Finding[] {
  const sources = tree.sources.filter((source) => isScript(source) && RUNS.test(source.path));
  return sources.flatMap(spreadsFirst);
}

function spreadsFirst({ path, tokens }: Source): Finding[] {
  const pairs = bracketPairs(tokens);
  return [...pairs].flatMap(([open, close]) => {
    const text = (step: number): string => tokens[open + step]?.text ?? "";
    if (text(0) !== "{" || text(1) !== "...") return [];
    const isBegun = text(2) === "{" && text(3) === "}";
    if (isBegun || !goesOn(tokens, pairs, open, close)) return [];
    const line = tokens[open]?.line ?? 0;
    const why = "begin it with ...{}, or put its own fields first where their order is free";
    const found = `a literal that begins with a spread and goes on; ${why}`;
    return [{ rule: "spread-first", path, line, text: found }];
  });
}

/** Whether anything follows the first field. */
function goesOn(
  tokens: readonly Token[],
  pairs: ReadonlyMap<number, number>,
  open: number,
  close: number,
): boolean {
  for (let at = open + 1; at < close; at += 1) {
    if (tokens[at]?.text === "," && tokens[at]?.kind === "punct") return at + 1 < close;
    at = pairs.get(at) ?? at;
  }
  return false;
}
