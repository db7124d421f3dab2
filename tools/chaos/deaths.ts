/**
 * Actors that died of a fault of their own code during a run, from what their processes wrote: their
 * supervisors start others, so nobody else would notice (X1).
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./verdict.ts";

const FAILS = /^[\w-]+ fails: /;
/** What a full disk or a cut connection made of it is no fault of the code. */
const ENVIRONMENT = /\bENOSPC\b/;
const TOLD_CHARACTERS_MAX = 300;

interface Line {
  readonly msg?: string;
  readonly time?: number;
}

/** @param dir of the logs, one file for each process. */
export function deathsIn(dir: string): Finding[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(".log") && !name.endsWith(".nats.log"))
    .flatMap((name) => {
      const process = name.slice(0, -".log".length);
      return linesOf(readFileSync(join(dir, name), "utf8")).flatMap(({ msg = "", time = 0 }) => {
        if (!FAILS.test(msg) || ENVIRONMENT.test(msg)) return [];
        const message = `${process}: ${msg.slice(0, TOLD_CHARACTERS_MAX)}`;
        return [{ id: "X1", message, atMs: time }];
      });
    });
}

/** Lines of the logger; a process prints others too, and is killed in the middle of one. */
function linesOf(text: string): Line[] {
  return text.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    try {
      return [JSON.parse(line) as Line];
    } catch (error) {
      if (error instanceof SyntaxError) return [];
      throw error;
    }
  });
}
