/**
 * Who wants what at one broker: subscriptions by subject, found token by token as in NATS, so
 * that a message costs the same among ten clients and among a hundred thousand. Knows subjects,
 * never connections.
 */

/** One subscription; `client` is whoever made it. */
export interface Interest<Client> {
  readonly client: Client;
  readonly sid: number;
  readonly subject: string;
  readonly tokens: readonly string[];
  /** Rises with each subscription: matches come in the order in which they were made. */
  readonly sequence: number;
}

/** Subjects whose matches are remembered: a few for each of the clients of a large cluster. */
const KNOWN_MAX = 262_144;

interface Level<Client> {
  readonly next: Map<string, Level<Client>>;
  /** Subscriptions that end here. */
  readonly here: Interest<Client>[];
  /** Subscriptions that end with `>` after this token. */
  readonly rest: Interest<Client>[];
}

const NOBODY: readonly never[] = [];

function level<Client>(): Level<Client> {
  return { next: new Map(), here: [], rest: [] };
}

export class SubjectIndex<Client> {
  #root = level<Client>();
  readonly #byClient = new Map<Client, Map<number, Interest<Client>>>();
  #sequence = 0;
  /** Matches by subject, as long as nobody comes or goes who wants it. */
  readonly #known = new Map<string, readonly Interest<Client>[]>();

  add(client: Client, sid: number, subject: string): void {
    this.#sequence += 1;
    const interest = { client, sid, subject, tokens: subject.split("."), sequence: this.#sequence };
    this.#changed(interest);
    this.#listOf(interest.tokens).push(interest);
    const own = this.#byClient.get(client);
    if (own === undefined) this.#byClient.set(client, new Map([[sid, interest]]));
    else own.set(sid, interest);
  }

  remove(client: Client, sid: number): void {
    const own = this.#byClient.get(client);
    const interest = own?.get(sid);
    if (own === undefined || interest === undefined) return;
    own.delete(sid);
    if (own.size === 0) this.#byClient.delete(client);
    this.#drop(interest);
  }

  removeAll(client: Client): void {
    for (const interest of this.#byClient.get(client)?.values() ?? NOBODY) this.#drop(interest);
    this.#byClient.delete(client);
  }

  clear(): void {
    this.#known.clear();
    this.#root = level();
    this.#byClient.clear();
  }

  /** Every subscription that `subject` matches, oldest first. */
  matches(subject: string): readonly Interest<Client>[] {
    let found = this.#known.get(subject);
    if (found === undefined) {
      found = this.#find(subject);
      if (this.#known.size >= KNOWN_MAX) this.#known.clear();
      this.#known.set(subject, found);
    }
    return found;
  }

  #find(subject: string): readonly Interest<Client>[] {
    const lists: (readonly Interest<Client>[])[] = [];
    collect(this.#root, subject.split("."), 0, lists);
    const [first = NOBODY] = lists;
    if (lists.length <= 1) return first.slice();
    return lists.flat().sort((one, two) => one.sequence - two.sequence);
  }

  /** What is remembered of subjects that it matches is over: of its own alone, if it names one. */
  #changed({ subject, tokens }: Interest<Client>): void {
    if (tokens.includes("*") || tokens.includes(">")) this.#known.clear();
    else this.#known.delete(subject);
  }

  #drop(interest: Interest<Client>): void {
    this.#changed(interest);
    const list = this.#listOf(interest.tokens);
    const index = list.indexOf(interest);
    if (index >= 0) list.splice(index, 1);
  }

  #listOf(tokens: readonly string[]): Interest<Client>[] {
    let at = this.#root;
    for (const token of tokens) {
      if (token === ">") return at.rest;
      let next = at.next.get(token);
      if (next === undefined) {
        next = level();
        at.next.set(token, next);
      }
      at = next;
    }
    return at.here;
  }
}

/** Puts the lists that match from `tokens[index]` on into `found`. */
function collect<Client>(
  at: Level<Client>,
  tokens: readonly string[],
  index: number,
  found: (readonly Interest<Client>[])[],
): void {
  if (index === tokens.length) {
    if (at.here.length > 0) found.push(at.here);
    return;
  }
  if (at.rest.length > 0) found.push(at.rest);
  const exact = at.next.get(tokens[index] ?? "");
  if (exact !== undefined) collect(exact, tokens, index + 1, found);
  const any = at.next.get("*");
  if (any !== undefined) collect(any, tokens, index + 1, found);
}
