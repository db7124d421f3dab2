/**
 * Finds functions in a list of tokens and counts the lines that are their own: from the opening to the closing brace, without
 * the inner lines of functions inside. It recognises functions, methods and arrows with a body, and nothing finer.
 */
import type { Token } from "./tokens.ts";

/** The most lines a function may call its own; tidy refuses more unless it is one switch of short cases. */
export const FUNCTION_LINES_MAX = 80;
/** The most lines of one case for a switch to count as a switch of calls; a longer case makes the function count whole. */
const CASE_LINES_MAX = 3;
/** The most lines beside its switch for a function to count as a switch of calls. */
const BESIDE_SWITCH_LINES_MAX = 12;

export interface LongFunction {
  readonly line: number;
  readonly ownLines: number;
}

interface Body {
  readonly open: number;
  readonly close: number;
}

const CONTROL = new Set(["if", "for", "while", "switch", "catch", "with", "await"]);
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", "<": ">" };
/** After these a brace in a type opens a type literal, not a body. */
const TYPE_OPERATORS = new Set([
  ":",
  "|",
  "&",
  "=>",
  ",",
  "<",
  "(",
  "[",
  "?",
  "is",
  "extends",
  "keyof",
  "readonly",
  "infer",
]);
/** None of these stands in a return type outside of brackets. */
const TYPE_ENDS = new Set([";", "=", ")", "]", "}", ","]);

/** Functions with more own lines than allowed, except those that are one switch of short cases. */
export function longFunctions(tokens: readonly Token[]): LongFunction[] {
  const pairs = bracketPairs(tokens);
  const bodies: Body[] = [];
  tokens.forEach((_, at) => {
    const open = bodyAt(tokens, pairs, at);
    const close = open === undefined ? undefined : pairs.get(open);
    if (open !== undefined && close !== undefined) bodies.push({ open, close });
  });
  return bodies
    .map((body) => ({
      line: lineAt(tokens, body.open),
      ownLines: ownLines(tokens, bodies, body),
      body,
    }))
    .filter(({ ownLines: own, body }) => own > FUNCTION_LINES_MAX && !isSwitch(tokens, pairs, body))
    .map(({ line, ownLines: own }) => ({ line, ownLines: own }));
}

function lineAt(tokens: readonly Token[], at: number): number {
  return tokens[at]?.line ?? 0;
}

/** Index of each opening round, square or curly bracket → index of its closing one. */
export function bracketPairs(tokens: readonly Token[]): Map<number, number> {
  const pairs = new Map<number, number>();
  const open: number[] = [];
  tokens.forEach(({ kind, text }, at) => {
    if (kind !== "punct") return;
    if (text === "(" || text === "[" || text === "{") open.push(at);
    if (text !== ")" && text !== "]" && text !== "}") return;
    const start = open.pop();
    if (start !== undefined) pairs.set(start, at);
  });
  return pairs;
}

/** The index of the brace that opens the body of the function whose parameters or arrow begin at `at`. */
function bodyAt(
  tokens: readonly Token[],
  pairs: ReadonlyMap<number, number>,
  at: number,
): number | undefined {
  const token = tokens[at];
  if (token?.kind !== "punct") return undefined;
  if (token.text === "=>") return tokens[at + 1]?.text === "{" ? at + 1 : undefined;
  const end = token.text === "(" ? pairs.get(at) : undefined;
  if (end === undefined) return undefined;
  const before = tokens[nameBefore(tokens, at)];
  if (before === undefined || before.kind === "number" || CONTROL.has(before.text))
    return undefined;
  if (before.kind === "punct" && before.text !== "]") return undefined;
  const after = tokens[end + 1];
  if (after?.text === "{") return end + 1;
  return after?.text === ":" ? bodyAfterType(tokens, pairs, end + 2) : undefined;
}

/** Steps back over `<…>` of a generic function, to what names it. */
function nameBefore(tokens: readonly Token[], at: number): number {
  if (tokens[at - 1]?.text !== ">") return at - 1;
  let depth = 0;
  for (let back = at - 1; back >= 0; back -= 1) {
    if (tokens[back]?.text === ">") depth += 1;
    if (tokens[back]?.text === "<") depth -= 1;
    if (depth === 0) return back - 1;
  }
  return -1;
}

function bodyAfterType(
  tokens: readonly Token[],
  pairs: ReadonlyMap<number, number>,
  from: number,
): number | undefined {
  let angles = 0;
  for (let at = from; at < tokens.length; at += 1) {
    const { text, kind } = tokens[at] ?? { text: "", kind: "punct" };
    if (kind !== "punct") continue;
    if (text === "<") angles += 1;
    if (text === ">") angles -= 1;
    if (text === "{" && angles === 0 && !TYPE_OPERATORS.has(tokens[at - 1]?.text ?? "")) return at;
    if (CLOSING[text] !== undefined && text !== "<") at = pairs.get(at) ?? tokens.length;
    else if (angles === 0 && TYPE_ENDS.has(text)) return undefined;
  }
  return undefined;
}

function ownLines(tokens: readonly Token[], bodies: readonly Body[], body: Body): number {
  const inner = bodies.filter(({ open, close }) => open > body.open && close < body.close);
  const outermost = inner.filter(
    (row) => !inner.some(({ open, close }) => open < row.open && close > row.close),
  );
  const lines = (row: Body): number => lineAt(tokens, row.close) - lineAt(tokens, row.open);
  const hidden = outermost.reduce((sum, row) => sum + Math.max(0, lines(row) - 1), 0);
  return lines(body) + 1 - hidden;
}

/** True for a body that is one switch of short cases and a few lines beside it. */
function isSwitch(
  tokens: readonly Token[],
  pairs: ReadonlyMap<number, number>,
  { open, close }: Body,
): boolean {
  let at = open + 1;
  while (at < close && tokens[at]?.text !== "switch") at = (pairs.get(at) ?? at) + 1;
  const start = pairs.get((pairs.get(at + 1) ?? close) + 1);
  if (at >= close || start === undefined) return false;
  const first = (pairs.get(at + 1) ?? close) + 1;
  const beside =
    lineAt(tokens, close) - lineAt(tokens, open) - (lineAt(tokens, start) - lineAt(tokens, at));
  const cases: number[] = [];
  for (let inside = first + 1; inside < start; inside = (pairs.get(inside) ?? inside) + 1) {
    const { text, line } = tokens[inside] ?? { text: "", line: 0 };
    if (text === "case" || text === "default") cases.push(line);
  }
  const ends = [...cases.slice(1), lineAt(tokens, start)];
  return (
    beside <= BESIDE_SWITCH_LINES_MAX &&
    cases.every((line, row) => (ends[row] ?? line) - line <= CASE_LINES_MAX)
  );
}
