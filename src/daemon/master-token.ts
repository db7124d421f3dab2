/** The bearer token of a master's HTTP API: made once, in a file that its owner alone reads. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { writeFileDurably } from "#adapters";

const FILE = "token";
const TOKEN_BYTES = 32;

export function tokenPathOf(masterDir: string): string {
  return join(masterDir, FILE);
}

/** Reads the token of a master's directory, or makes it. */
export async function openToken(masterDir: string): Promise<string> {
  const path = tokenPathOf(masterDir);
  const known = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (known !== undefined && known.trim() !== "") return known.trim();
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  await writeFileDurably(path, `${token}\n`, { mode: 0o600 });
  return token;
}
