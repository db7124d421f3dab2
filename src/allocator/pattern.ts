/**
 * Patterns of offer constraints: a small regular language matched in time linear in the text, for a
 * framework's pattern must not be able to stop the master, as backtracking ones are. Knows literals,
 * `.`, `[a-z]`, `\d \w \s` and their opposites, groups, `|`, `* + ? {n,m}`.
 */

/** States of a compiled pattern: as in Mesos' `offer_constraints_re2_max_program_size`. */
export const PATTERN_STATES_MAX = 100;
/** Characters of a pattern. */
export const PATTERN_LENGTH_MAX = 1024;

type Test = (code: number) => boolean;
/** Consumes by `test` and goes to `next`; without a test it goes to both at once. */
type State = { test: Test | undefined; next: number; other: number };
type Part = (next: number) => number;

export type Pattern = (text: string) => boolean;

/** @throws RangeError naming what is wrong with the pattern and where. */
export function compilePattern(source: string): Pattern {
  if (source.length > PATTERN_LENGTH_MAX) {
    throw new RangeError(`pattern has ${source.length} characters; at most ${PATTERN_LENGTH_MAX}`);
  }
  const reader = new Reader(source);
  const part = reader.alternatives();
  if (!reader.done) throw reader.fault("unmatched )");
  const accept = reader.state({ test: undefined, next: -1, other: -1 });
  const start = part(accept);
  return (text) => run(reader.states, { start, accept }, text);
}

function run(
  states: readonly State[],
  of: { start: number; accept: number },
  text: string,
): boolean {
  let current = new Set<number>();
  enter(states, of.start, current);
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const following = new Set<number>();
    for (const index of current) {
      const state = states[index];
      if (state?.test?.(code)) enter(states, state.next, following);
    }
    current = following;
    if (current.size === 0) return false;
  }
  return current.has(of.accept);
}

function enter(states: readonly State[], index: number, into: Set<number>): void {
  const state = states[index];
  if (state === undefined || into.has(index)) return;
  into.add(index);
  if (state.test !== undefined) return;
  enter(states, state.next, into);
  enter(states, state.other, into);
}

const CLASSES: Readonly<Record<string, Test>> = {
  d: (code) => code >= 48 && code <= 57,
  w: (code) => /\w/.test(String.fromCodePoint(code)),
  s: (code) => /\s/.test(String.fromCodePoint(code)),
};

/** Reads left to right; each part, given the state after it, adds its states and gives its first. */
class Reader {
  readonly states: State[] = [];
  readonly #characters: readonly string[];
  #at = 0;

  constructor(source: string) {
    this.#characters = [...source];
  }

  get done(): boolean {
    return this.#at >= this.#characters.length;
  }

  fault(what: string): RangeError {
    return new RangeError(
      `pattern ${JSON.stringify(this.#characters.join(""))}: ${what} at ${this.#at}`,
    );
  }

  state(state: State): number {
    if (this.states.length >= PATTERN_STATES_MAX) {
      throw new RangeError(`pattern needs more than ${PATTERN_STATES_MAX} states`);
    }
    return this.states.push(state) - 1;
  }

  alternatives(): Part {
    let left = this.#sequence();
    while (this.#take("|")) {
      const [one, two] = [left, this.#sequence()];
      left = (next) => this.state({ test: undefined, next: one(next), other: two(next) });
    }
    return left;
  }

  #sequence(): Part {
    const parts: Part[] = [];
    while (!this.done && this.#peek() !== "|" && this.#peek() !== ")") parts.push(this.#repeated());
    return (next) => parts.reduceRight((after, part) => part(after), next);
  }

  #repeated(): Part {
    let part = this.#atom();
    for (;;) {
      if (this.#take("*")) part = this.#loop(part, 0);
      else if (this.#take("+")) part = this.#loop(part, 1);
      else if (this.#take("?")) part = this.#times(part, 0, 1);
      else if (this.#take("{")) {
        const least = this.#number();
        const open = this.#take(",");
        const most = open && this.#peek() === "}" ? undefined : open ? this.#number() : least;
        if (!this.#take("}")) throw this.fault("expected }");
        part = most === undefined ? this.#loop(part, least) : this.#times(part, least, most);
      } else return part;
    }
  }

  #loop(part: Part, least: number): Part {
    return (next) => {
      const again = this.state({ test: undefined, next: -1, other: next });
      const state = this.states[again];
      if (state !== undefined) state.next = part(again);
      return this.#times(part, least, least)(again);
    };
  }

  #times(part: Part, least: number, most: number): Part {
    if (most < least || most > PATTERN_STATES_MAX)
      throw this.fault(`{${least},${most}} is no range`);
    return (next) => {
      let first = next;
      for (let i = 0; i < most - least; i++) {
        first = this.state({ test: undefined, next: part(first), other: next });
      }
      for (let i = 0; i < least; i++) first = part(first);
      return first;
    };
  }

  #atom(): Part {
    if (this.#take("(")) {
      if (this.#take("?") && !this.#take(":")) throw this.fault("only (?: is known");
      const part = this.alternatives();
      if (!this.#take(")")) throw this.fault("expected )");
      return part;
    }
    // The whole text must match anyway.
    if (this.#take("^") || this.#take("$")) return (next) => next;
    const test = this.#take("[") ? this.#set() : this.#single();
    return (next) => this.state({ test, next, other: -1 });
  }

  #single(): Test {
    const character = this.#next();
    if (character === ".") return () => true;
    if (character === "\\") return this.#escaped();
    if ("*+?{".includes(character)) throw this.fault(`nothing before ${character}`);
    const code = character.codePointAt(0);
    return (other) => other === code;
  }

  #escaped(): Test {
    const character = this.#next();
    const known = CLASSES[character.toLowerCase()];
    if (known !== undefined) return character in CLASSES ? known : (code) => !known(code);
    if (/[a-zA-Z0-9]/.test(character)) throw this.fault(`\\${character} is not known`);
    const code = character.codePointAt(0);
    return (other) => other === code;
  }

  #set(): Test {
    const not = this.#take("^");
    const tests: Test[] = [];
    while (tests.length === 0 || this.#peek() !== "]") {
      const character = this.#next();
      if (character === "\\") {
        tests.push(this.#escaped());
        continue;
      }
      const low = character.codePointAt(0) ?? 0;
      const range = this.#peek() === "-" && this.#characters[this.#at + 1] !== "]";
      if (range) this.#next();
      const high = range ? (this.#next().codePointAt(0) ?? 0) : low;
      if (high < low) throw this.fault("range out of order");
      tests.push((code) => code >= low && code <= high);
    }
    this.#next();
    return (code) => tests.some((test) => test(code)) !== not;
  }

  #number(): number {
    let digits = "";
    while (/[0-9]/.test(this.#peek() ?? "")) digits += this.#next();
    if (digits === "" || digits.length > 3) throw this.fault("expected a number");
    return Number(digits);
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string {
    const character = this.#characters[this.#at];
    if (character === undefined) throw this.fault("unexpected end");
    this.#at += 1;
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at += 1;
    return true;
  }
}
