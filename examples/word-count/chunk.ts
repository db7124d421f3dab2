/**
 * One task of the batch: reads the files of one chunk in pieces, counts their words or digests
 * them, and prints the result as one line of JSON. It knows nothing of the cluster.
 *
 * Arguments: the kind (words or digests), the manifest (a list of files, one a line), first and
 * last line of the chunk, and a folder in which it marks that it ran.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PIECE_BYTES = 256 * 1024;
const BLANK = 0x20;

const [, , kind = "", manifest = "", first = "0", last = "0", marks = ""] = process.argv;
const files = readFileSync(manifest, "utf8").split("\n").slice(Number(first), Number(last));

// Who runs twice leaves two marks.
writeFileSync(join(marks, `${kind}-${first}-${process.pid}-${Date.now()}`), "", { flag: "wx" });

const piece = Buffer.alloc(PIECE_BYTES);

function eachPiece(path: string, use: (bytes: Buffer) => void): void {
  const file = openSync(path, "r");
  for (let length = readSync(file, piece); length > 0; length = readSync(file, piece)) {
    use(piece.subarray(0, length));
  }
  closeSync(file);
}

function countWords(path: string): { words: number; bytes: number } {
  let words = 0;
  let bytes = 0;
  let inWord = false;
  eachPiece(path, (part) => {
    bytes += part.length;
    for (const byte of part) {
      if (byte > BLANK && !inWord) words += 1;
      inWord = byte > BLANK;
    }
  });
  return { words, bytes };
}

function digestOf(path: string): string {
  const hash = createHash("sha256");
  eachPiece(path, (part) => void hash.update(part));
  return hash.digest("hex");
}

const started = Date.now();
const result: Record<string, number | string> = { files: files.length };
if (kind === "words") {
  let [words, bytes] = [0, 0];
  for (const path of files) {
    const counted = countWords(path);
    words += counted.words;
    bytes += counted.bytes;
  }
  Object.assign(result, { words, bytes });
} else {
  const all = createHash("sha256");
  for (const path of files) all.update(`${digestOf(path)} ${path}\n`);
  result["digest"] = all.digest("hex");
}
process.stdout.write(`${JSON.stringify({ ...result, tookMs: Date.now() - started })}\n`);
