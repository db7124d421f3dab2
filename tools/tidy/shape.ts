/**
 * The shape of one file: its length, its header sentence, the length of its functions, and the silences it keeps — empty
 * catches and suppressed checks. Each file is judged alone.
 */
import { FUNCTION_LINES_MAX, longFunctions } from "./functions.ts";
import type { Token } from "./tokens.ts";
import { type Finding, isScript, type Source, type Tree } from "./tree.ts";

/** The most lines of a file; a longer one is refused and must be split by concept. */
export const FILE_LINES_MAX = 500;
/** The least characters of a header sentence; a shorter one says nothing. */
const HEADER_CHARACTERS_MIN = 20;
/** The least characters of a reason beside a suppressed check. */
const REASON_CHARACTERS_MIN = 12;

const DIRECTIVE = /(@ts-(?:ignore|expect-error|nocheck)|biome-ignore(?:-all|-start)?)\b([\s\S]*)/;
/** Before `any` these say that a type follows; behind a comma or an equals sign only the end of a type's list does. */
const TYPE_FOLLOWS = new Set([":", "<", "|", "&", "=>", "as", "extends", "satisfies"]);

/** Every rule that needs one file only. */
export function shapeRules(tree: Tree): Finding[] {
  return tree.sources.flatMap((source) => [
    ...fileLines(source),
    ...header(source),
    ...(isScript(source)
      ? [...functions(source), ...catches(source), ...suppressions(source)]
      : []),
  ]);
}

function fileLines({ path, lines }: Source): Finding[] {
  if (lines.length <= FILE_LINES_MAX) return [];
  const text = `${lines.length} lines; split by concept, a file has at most ${FILE_LINES_MAX}`;
  return [{ rule: "file-lines", path, line: FILE_LINES_MAX + 1, text }];
}

function header({ path, header: sentence }: Source): Finding[] {
  if (sentence.length >= HEADER_CHARACTERS_MIN) return [];
  const text = "no header; open the file with a comment: what it owns, what it never does";
  return [{ rule: "header", path, line: 1, text }];
}

function functions({ path, tokens }: Source): Finding[] {
  return longFunctions(tokens).map(({ line, ownLines }) => ({
    rule: "function-lines",
    path,
    line,
    text: `a function of ${ownLines} lines; split it, ${FUNCTION_LINES_MAX} are allowed`,
  }));
}

function catches({ path, tokens }: Source): Finding[] {
  return tokens.flatMap((token, at) => {
    if (token.text !== "catch" || token.kind !== "name" || !catchesNothing(tokens, at)) return [];
    const text = "an empty catch hides a failure; count it, log it or let it pass";
    return [{ rule: "empty-catch", path, line: token.line, text }];
  });
}

/** `catch {}`, `catch (e) {}` and `.catch(() => {})`: what they catch is gone. A value in its place is an answer. */
function catchesNothing(tokens: readonly Token[], at: number): boolean {
  const words = tokens
    .slice(at + 1, at + 10)
    .map((token) => token.text)
    .join(" ");
  return /^(?:\( \w+ \) )?\{ \}|^\( (?:\( \w* ?\)|\w+) => \{ \}/.test(words);
}

function suppressions(source: Source): Finding[] {
  const { path, comments, tokens } = source;
  const refuse = (line: number, what: string): Finding => ({
    rule: "suppressions",
    path,
    line,
    text: `${what} without a reason; take it out, or say why in a comment beside it`,
  });
  const directives = comments.flatMap((comment) => {
    const [, what, rest] = DIRECTIVE.exec(comment.text) ?? [];
    if (what === undefined || rest === undefined) return [];
    const reason = what.startsWith("@ts") ? rest : rest.slice(rest.indexOf(":") + 1);
    return isReason(reason) ? [] : [refuse(comment.line, what)];
  });
  const casts = tokens.flatMap((token, at) => {
    const what = suppressionAt(tokens, at);
    return what === undefined || hasReason(source, token.line) ? [] : [refuse(token.line, what)];
  });
  return [...directives, ...casts];
}

function suppressionAt(tokens: readonly Token[], at: number): string | undefined {
  const text = (step: number): string => tokens[at + step]?.text ?? "";
  if (tokens[at]?.kind !== "name") return undefined;
  if (text(0) === "as" && text(1) === "unknown" && text(2) === "as") return "as unknown as";
  if (text(0) !== "any" || [".", "(", ":", "?."].includes(text(1))) return undefined;
  const listed = [",", "="].includes(text(-1)) && (text(1) === ">" || text(-3) === "type");
  return listed || TYPE_FOLLOWS.has(text(-1)) ? "any" : undefined;
}

/** A comment on the same line, or a `//` comment on the line above; what documents a declaration is no reason. */
function hasReason({ comments }: Source, line: number): boolean {
  return comments.some((comment) => {
    const above = comment.lastLine === line - 1 && comment.text.startsWith("//");
    const beside = comment.line === line || above;
    return beside && isReason(comment.text.replace(DIRECTIVE, ""));
  });
}

function isReason(text: string): boolean {
  const words = text.replace(/[^\p{L}\p{N} ]/gu, "").trim();
  return words.length >= REASON_CHARACTERS_MIN && words !== "explanation";
}
