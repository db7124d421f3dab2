/**
 * What simulated commands do, by their words: `echo`, `sleep N`, `exit N`, `oom`, `hang`,
 * `ignore-term`, `on-term N`, `fork N`, `flood N`, `fill MIB`, `listen PORT`, joined by `;`, `&&` or lines. Parses only;
 * `machine.ts` runs it.
 */

export type Act =
  | { readonly kind: "print"; readonly file: "stdout" | "stderr"; readonly text: string }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "oom" }
  | { readonly kind: "hang" }
  | { readonly kind: "ignore-term" }
  /** SIGTERM makes it end by itself with that code. */
  | { readonly kind: "on-term"; readonly code: number }
  /** Processes that stay behind when the first one ends. */
  | { readonly kind: "fork"; readonly count: number }
  /** Custom executors: one and the same update, said so often. */
  | { readonly kind: "flood"; readonly count: number }
  /** Files of that size in its sandbox. */
  | { readonly kind: "fill"; readonly mib: number }
  | { readonly kind: "listen"; readonly port: number }
  | { readonly kind: "raise"; readonly signal: number };

export interface Script {
  readonly acts: readonly Act[];
}

const SIGNALS: Readonly<Record<string, number>> = { HUP: 1, INT: 2, KILL: 9, USR1: 10, TERM: 15 };

function sleepMs(word: string | undefined): number | undefined {
  if (word === undefined) return undefined;
  if (word === "infinity") return Number.POSITIVE_INFINITY;
  const seconds = Number(word);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

/** `trap '' TERM`: what shells call ignoring it. */
function trap(words: readonly string[]): Act[] {
  return words.includes("TERM") || words.includes("15") ? [{ kind: "ignore-term" }] : [];
}

function raise(words: readonly string[]): Act[] {
  const name = (words[0] ?? "-TERM").replace(/^-(SIG)?/, "");
  const signal = SIGNALS[name] ?? Number(name);
  return [Number.isInteger(signal) ? { kind: "raise", signal } : { kind: "exit", code: 1 }];
}

function echo(words: readonly string[]): Act[] {
  const toStderr = words.at(-1) === ">&2";
  const said = (toStderr ? words.slice(0, -1) : words).join(" ");
  return [{ kind: "print", file: toStderr ? "stderr" : "stdout", text: `${said}\n` }];
}

/** What one command does; undefined when there is no such program. */
function command(words: readonly string[]): Act[] | undefined {
  const [name, ...rest] = words;
  switch (name?.split("/").at(-1)) {
    case "exec":
      return command(rest);
    case "true":
    case ":":
    case "wait":
      return [];
    case "false":
      return [{ kind: "exit", code: 1 }];
    case "echo":
      return echo(rest);
    case "sleep": {
      const ms = sleepMs(rest[0]);
      return [ms === undefined ? { kind: "exit", code: 1 } : { kind: "sleep", ms }];
    }
    case "exit":
      return [{ kind: "exit", code: Number(rest[0] ?? 0) & 255 }];
    case "oom":
      return [{ kind: "oom" }];
    case "hang":
      return [{ kind: "hang" }];
    case "ignore-term":
      return [{ kind: "ignore-term" }];
    case "on-term":
      return [{ kind: "on-term", code: Number(rest[0] ?? 0) & 255 }];
    case "trap":
      return trap(rest);
    case "kill":
      return raise(rest);
    case "flood":
      return [{ kind: "flood", count: Number(rest[0] ?? 1) }];
    case "fill":
      return [{ kind: "fill", mib: Number(rest[0] ?? 1) }];
    case "listen":
      return [{ kind: "listen", port: Number(rest[0] ?? 0) }];
    case "fork":
      return [{ kind: "fork", count: Number(rest[0] ?? 1) }];
    default:
      return undefined;
  }
}

function bare(word: string): string {
  return /^(".*"|'.*')$/.test(word) ? word.slice(1, -1) : word;
}

/** The script of an argv; undefined when its program does not exist (refusal `exec`). */
export function scriptOf(argv: readonly string[]): Script | undefined {
  const shell = /(^|\/)(ba|da)?sh$/.test(argv[0] ?? "") && argv[1] === "-c";
  if (!shell) {
    const acts = command(argv);
    return acts === undefined ? undefined : { acts };
  }
  const acts: Act[] = [];
  for (const line of (argv[2] ?? "").split(/;|&&|\n/)) {
    const words = (line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []).map(bare);
    if (words.length === 0) continue;
    acts.push(...(command(words) ?? [{ kind: "exit", code: 127 }]));
  }
  return { acts };
}
