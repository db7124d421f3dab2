/**
 * Splits TypeScript text into tokens, comments apart, so that no rule of tidy ever matches inside a comment, a string or a
 * regular expression. It knows nothing of grammar and never fails: text it cannot read becomes single-character tokens.
 */
export type TokenKind = "name" | "number" | "string" | "template" | "regex" | "punct";

/** One token. `text` of a string or template is what stands between its quotes. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly line: number;
}

/** One comment with the lines it covers; `text` keeps its delimiters. */
export interface Comment {
  readonly text: string;
  readonly line: number;
  readonly lastLine: number;
}

export interface Tokens {
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
}

/** After these words a slash begins a regular expression, although they look like values. */
const WORDS_BEFORE_REGEX = new Set(
  "return typeof case in of delete void throw new else do await yield instanceof".split(" "),
);

const NAME = /[#@]?[\p{L}_$][\p{L}\p{N}_$]*/uy;
const NUMBER = /\d[\w.]*/y;
const SPACE = /\s+/y;

/** Reads the whole text. Time is linear in its length. */
export function tokenize(text: string): Tokens {
  return new Scanner(text).run();
}

class Scanner {
  readonly #text: string;
  readonly #tokens: Token[] = [];
  readonly #comments: Comment[] = [];
  /** For each template that is open, the number of braces open inside its `${`. */
  readonly #templates: number[] = [];
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  run(): Tokens {
    if (this.#text.startsWith("#!")) this.#advance(this.#lineEnd());
    while (this.#at < this.#text.length) this.#next();
    return { tokens: this.#tokens, comments: this.#comments };
  }

  #next(): void {
    const space = this.#match(SPACE);
    if (space !== undefined) return this.#advance(this.#at + space.length);
    const char = this.#text.charAt(this.#at);
    const pair = this.#text.slice(this.#at, this.#at + 2);
    if (pair === "//") return this.#comment(this.#lineEnd());
    if (pair === "/*") return this.#comment(this.#endOf("*/", this.#at + 2));
    if (char === '"' || char === "'") return this.#string(char);
    if (char === "`") return this.#template(this.#at + 1);
    if (char === "}" && this.#templates.at(-1) === 0) return this.#resumeTemplate();
    if (char === "/" && this.#regexMayBegin()) return this.#regex();
    const name = this.#match(NAME);
    if (name !== undefined) return this.#push("name", name, this.#at + name.length);
    const number = this.#match(NUMBER);
    if (number !== undefined) return this.#push("number", number, this.#at + number.length);
    this.#punct(char, pair);
  }

  #punct(char: string, pair: string): void {
    if (this.#text.startsWith("...", this.#at)) return this.#push("punct", "...", this.#at + 3);
    if (pair === "=>" || pair === "?.") return this.#push("punct", pair, this.#at + 2);
    const open = this.#templates.length - 1;
    const depth = this.#templates[open];
    if (depth !== undefined && char === "{") this.#templates[open] = depth + 1;
    if (depth !== undefined && char === "}") this.#templates[open] = depth - 1;
    this.#push("punct", char, this.#at + 1);
  }

  #string(quote: string): void {
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== quote && this.#text[end] !== "\n") {
      end += this.#text[end] === "\\" ? 2 : 1;
    }
    this.#push("string", this.#text.slice(this.#at + 1, end), end + 1);
  }

  /** Reads template text from `from` to its closing quote or to the next `${`. */
  #template(from: number): void {
    let end = from;
    while (end < this.#text.length && this.#text[end] !== "`") {
      if (this.#text.startsWith("${", end)) {
        this.#push("template", this.#text.slice(from, end), end + 2);
        this.#templates.push(0);
        return;
      }
      end += this.#text[end] === "\\" ? 2 : 1;
    }
    this.#push("template", this.#text.slice(from, end), end + 1);
  }

  #resumeTemplate(): void {
    this.#templates.pop();
    this.#template(this.#at + 1);
  }

  #regexMayBegin(): boolean {
    const before = this.#tokens.at(-1);
    if (before === undefined) return true;
    if (before.kind === "name") return WORDS_BEFORE_REGEX.has(before.text);
    return before.kind === "punct" && ![")", "]", "}"].includes(before.text);
  }

  #regex(): void {
    let end = this.#at + 1;
    let inClass = false;
    while (end < this.#text.length && this.#text[end] !== "\n") {
      const char = this.#text[end];
      if (char === "/" && !inClass) break;
      if (char === "[") inClass = true;
      if (char === "]") inClass = false;
      end += char === "\\" ? 2 : 1;
    }
    this.#push("regex", this.#text.slice(this.#at + 1, end), end + 1);
  }

  #comment(end: number): void {
    const text = this.#text.slice(this.#at, end);
    const line = this.#line;
    this.#advance(end);
    this.#comments.push({ text, line, lastLine: this.#line });
  }

  #push(kind: TokenKind, text: string, end: number): void {
    this.#tokens.push({ kind, text, line: this.#line });
    this.#advance(end);
  }

  #advance(end: number): void {
    for (let at = this.#at; at < end; at += 1) if (this.#text[at] === "\n") this.#line += 1;
    this.#at = end;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }

  #lineEnd(): number {
    const end = this.#text.indexOf("\n", this.#at);
    return end < 0 ? this.#text.length : end;
  }

  #endOf(mark: string, from: number): number {
    const end = this.#text.indexOf(mark, from);
    return end < 0 ? this.#text.length : end + mark.length;
  }
}
