/**
 * The bearer tokens of a master's HTTP API, one for each permission: made once, each in a file that
 * its owner alone reads, so that one that may only read can be given away.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { writeFileDurably } from "#adapters";
import { PERMISSIONS, type Permission } from "#api";

const TOKEN_BYTES = 32;

export type MasterTokens = Readonly<Record<Permission, string>>;

export function tokenPathOf(masterDir: string, permission: Permission = "operate"): string {
  return join(masterDir, permission === "operate" ? "token" : `token-${permission}`);
}

/** Reads the tokens of a master's directory, or makes those that are not there. */
export async function openTokens(masterDir: string): Promise<MasterTokens> {
  const opened: [Permission, string][] = [];
  for (const each of PERMISSIONS) opened.push([each, await openToken(masterDir, each)]);
  return Object.fromEntries(opened) as MasterTokens;
}

/** Gives a directory these tokens, in the place of its own. */
export async function writeTokens(masterDir: string, tokens: MasterTokens): Promise<void> {
  for (const each of PERMISSIONS) {
    const path = tokenPathOf(masterDir, each);
    await writeFileDurably(path, `${tokens[each]}\n`, { mode: 0o600 });
  }
}

async function openToken(masterDir: string, permission: Permission): Promise<string> {
  const path = tokenPathOf(masterDir, permission);
  const known = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (known !== undefined && known.trim() !== "") return known.trim();
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  await writeFileDurably(path, `${token}\n`, { mode: 0o600 });
  return token;
}
