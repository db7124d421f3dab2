/**
 * A copy of the compiled product that guards are taken out of, one mutant at a time. Shared by all
 * who measure checkers or tests by what they miss. Touches nothing but the copy.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Where a guard stands in the compiled code; its text must occur exactly once. */
export interface Edit {
  /** Below `dist/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Edited {
  readonly name: string;
  readonly edits: readonly Edit[];
}

export class BrokenCopy {
  readonly folder: string;

  /** @param parts folders of `dist/`. */
  constructor(parts: readonly string[]) {
    this.folder = mkdtempSync(join(tmpdir(), "meseta-mutants-"));
    cpSync(join(ROOT, "package.json"), join(this.folder, "package.json"));
    for (const part of parts) {
      cpSync(join(ROOT, "dist", part), join(this.folder, "dist", part), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(this.folder, "node_modules"));
  }

  /**
   * Takes the guard out; answers with what puts it back.
   * @throws Error where the code does not hold it once.
   */
  mutate({ name, edits }: Edited): () => void {
    const before = new Map<string, string>();
    for (const { file, find, replace } of edits) {
      const path = join(this.folder, "dist", file);
      const text = readFileSync(path, "utf8");
      if (!before.has(path)) before.set(path, text);
      const times = text.split(find).length - 1;
      if (times !== 1) {
        for (const [each, whole] of before) writeFileSync(each, whole);
        throw new Error(`${name}: ${file} holds the guard ${times} times, not once: ${find}`);
      }
      writeFileSync(
        path,
        text.replace(find, () => replace),
      );
    }
    return () => {
      for (const [path, text] of before) writeFileSync(path, text);
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * Those that `--only` names, or all.
 * @throws RangeError naming what there is where it names one that there is not.
 */
export function chosen<Mutant extends Edited>(
  all: readonly Mutant[],
  only: string | undefined,
): readonly Mutant[] {
  const wanted = only?.split(",");
  const unknown = wanted?.find((name) => !all.some((mutant) => mutant.name === name));
  if (unknown !== undefined) {
    const names = all.map(({ name }) => name).join(", ");
    throw new RangeError(`--only: there is no mutant ${unknown}; there are ${names}`);
  }
  return all.filter(({ name }) => wanted?.includes(name) ?? true);
}
