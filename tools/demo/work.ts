/**
 * The batch of the demo: which files, in which chunks, and what the right results are. The
 * results are computed here by other means than in the tasks: whole files, one after another.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const BLANK = 0x20;
/** Files beyond this size are left out, so that no chunk outweighs the others. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const FILES_MAX = 12_000;

export interface Work {
  readonly manifest: string;
  readonly files: readonly string[];
  /** First and last line of each chunk, the last not included. */
  readonly chunks: readonly (readonly [number, number])[];
  readonly bytes: number;
}

/** Chunks of about equal bytes. */
export function planWork(root: string, dir: string, chunkCount: number): Work {
  const sized = listFiles(root)
    .map((path) => ({ path, size: statSync(path).size }))
    .filter(({ size }) => size <= FILE_BYTES_MAX)
    .slice(0, FILES_MAX);
  const bytes = sized.reduce((sum, { size }) => sum + size, 0);
  const chunks: [number, number][] = [];
  let first = 0;
  let held = 0;
  sized.forEach(({ size }, index) => {
    held += size;
    const isLast = index === sized.length - 1;
    if (!isLast && (held < bytes / chunkCount || chunks.length === chunkCount - 1)) return;
    chunks.push([first, index + 1]);
    first = index + 1;
    held = 0;
  });
  const files = sized.map(({ path }) => path);
  const manifest = join(dir, "manifest");
  writeFileSync(manifest, `${files.join("\n")}\n`);
  return { manifest, files, chunks, bytes };
}

function listFiles(root: string): string[] {
  const found: string[] = [];
  const entries = readdirSync(root, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    // Caches, and the class that the test runner builds for itself, may change meanwhile.
    if (entry.name.startsWith(".") || entry.name === "test-built") continue;
    const path = join(root, entry.name);
    if (entry.isDirectory()) found.push(...listFiles(path));
    else if (entry.isFile() && !path.includes("\n")) found.push(path);
  }
  return found;
}

export interface WordsResult {
  readonly files: number;
  readonly words: number;
  readonly bytes: number;
}

/** What a right task prints for a chunk, without the time that it took. */
export function directWords({ files, chunks }: Work): WordsResult[] {
  return chunks.map(([first, last]) => {
    let [words, bytes] = [0, 0];
    for (const path of files.slice(first, last)) {
      const content = readFileSync(path);
      bytes += content.length;
      for (let at = 0; at < content.length; at += 1) {
        const begins = (content[at] ?? 0) > BLANK && (at === 0 || (content[at - 1] ?? 0) <= BLANK);
        if (begins) words += 1;
      }
    }
    return { files: last - first, words, bytes };
  });
}

export interface DigestResult {
  readonly files: number;
  readonly digest: string;
}

export function directDigests({ files, chunks }: Work): DigestResult[] {
  return chunks.map(([first, last]) => {
    const lines = files.slice(first, last).map((path) => {
      const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
      return `${digest} ${path}\n`;
    });
    const digest = createHash("sha256").update(lines.join("")).digest("hex");
    return { files: last - first, digest };
  });
}
