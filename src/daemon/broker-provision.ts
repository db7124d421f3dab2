/**
 * Puts a nats-server into the cache, once, with progress: from the machine's own Debian mirror,
 * checked by apt with the machine's own keys, or else from the project's release, checked
 * against a checksum written down here. It needs no root and touches nothing outside the cache.
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type AptSource,
  debianMirrors,
  parseListFormat,
  parseSourcesFormat,
  sourceFileFor,
} from "./broker-sources.ts";
import { CommandFailed, run } from "./command.ts";

/** The oldest Debian suite whose package is new enough; it needs only the C library. */
const SUITE = "trixie";
const PACKAGE = "nats-server";
const APT_TIMEOUT_MS = 120_000;
const DOWNLOAD_TIMEOUT_MS = 180_000;
const DOWNLOAD_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The release that is taken where there is no Debian mirror. The checksums are those that
 * nats-io's own container recipe (nats-io/nats-docker, 2.10.x/alpine3.22) verifies against.
 */
const RELEASE_VERSION = "2.10.29";
const RELEASE_SHA256: Readonly<Record<string, { arch: string; sha256: string }>> = {
  x64: {
    arch: "amd64",
    sha256: "e314da74a83a1d3876db8814c27eb990fe729640fd6452025b441bcede8390da",
  },
  arm64: {
    arch: "arm64",
    sha256: "da4b27942ecfb4c5f0c54553d2e7f470ddda9d7581cfe8131b351a0e223ed401",
  },
};

/** No usable broker; the message is one sentence for the person who started `meseta up`. */
export class BrokerUnavailable extends Error {
  override readonly name = "BrokerUnavailable";
}

export interface Provision {
  /** The path that the program shall have; its folder is made, 0700. */
  readonly target: string;
  /** Version of a program; undefined where it does not run. */
  check(path: string): Promise<string | undefined>;
  progress(line: string): void;
}

/** @throws BrokerUnavailable naming what was tried and MESETA_NATS_SERVER. */
export async function provisionBroker(options: Provision): Promise<void> {
  await mkdir(dirname(options.target), { recursive: true, mode: 0o700 });
  // Work beside the target, so that the last step is one rename: two at once do no harm.
  const work = await mkdtemp(join(dirname(options.target), "provision-"));
  const tried: string[] = [];
  try {
    for (const way of [fromDebian, fromRelease]) {
      const made = await way(work, options, tried);
      if (made === undefined) continue;
      const version = await options.check(made);
      if (version === undefined) {
        tried.push(`${made} does not run on this machine`);
        continue;
      }
      await chmod(made, 0o755);
      await rename(made, options.target);
      options.progress(`nats-server ${version} is ready`);
      return;
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  throw new BrokerUnavailable(
    `no nats-server could be fetched (${tried.join("; ")}); name one with MESETA_NATS_SERVER, ` +
      "or start with --bus memory",
  );
}

type Way = (work: string, options: Provision, tried: string[]) => Promise<string | undefined>;

const fromDebian: Way = async (work, options, tried) => {
  const mirrors = debianMirrors(await machineSources());
  if (mirrors.length === 0) tried.push("this machine has no Debian package source");
  for (const [index, mirror] of mirrors.entries()) {
    try {
      options.progress(`fetching nats-server from ${hostOf(mirror.uri)} (Debian ${SUITE})`);
      return await fromMirror(join(work, `mirror-${index}`), mirror, options);
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      tried.push(error.message);
    }
  }
  return undefined;
};

async function fromMirror(dir: string, mirror: AptSource, options: Provision): Promise<string> {
  for (const part of ["parts", "lists/partial", "cache/archives/partial", "unpacked"]) {
    await mkdir(join(dir, part), { recursive: true });
  }
  await writeFile(join(dir, "parts", "debian.sources"), sourceFileFor(mirror, SUITE));
  const settings = [
    "Dir::Etc::sourcelist=/dev/null",
    `Dir::Etc::sourceparts=${join(dir, "parts")}`,
    `Dir::State::Lists=${join(dir, "lists")}`,
    `Dir::Cache=${join(dir, "cache")}`,
    "Debug::NoLocking=1",
    // Only read by root; the files of this work folder are nobody else's business.
    "APT::Sandbox::User=root",
    "Acquire::Languages=none",
  ].flatMap((setting) => ["-o", setting]);
  const limits = { timeoutMs: APT_TIMEOUT_MS, cwd: dir, env: { ...process.env, LC_ALL: "C" } };
  await run("apt-get", [...settings, "-q", "update"], limits);
  options.progress("downloading the package");
  await run("apt-get", [...settings, "-q", "download", PACKAGE], limits);
  const file = (await readdir(dir)).find((name) => name.endsWith(".deb"));
  if (file === undefined) throw new CommandFailed(`apt-get download ${PACKAGE} left no file`);
  await run("dpkg", ["-x", join(dir, file), join(dir, "unpacked")], limits);
  return programIn(join(dir, "unpacked"));
}

async function programIn(root: string): Promise<string> {
  const names = await readdir(root, { recursive: true, withFileTypes: true });
  const found = names.find((entry) => entry.isFile() && entry.name === "nats-server");
  if (found === undefined) throw new CommandFailed("the package holds no nats-server");
  return join(found.parentPath, found.name);
}

/** Every entry of the machine's own source files; files that cannot be read count as absent. */
async function machineSources(): Promise<AptSource[]> {
  const etc = "/etc/apt";
  const sources: AptSource[] = parseListFormat(await textOf(join(etc, "sources.list")));
  const parts = await readdir(join(etc, "sources.list.d")).catch(() => []);
  for (const name of parts.sort()) {
    const text = await textOf(join(etc, "sources.list.d", name));
    if (name.endsWith(".list")) sources.push(...parseListFormat(text));
    if (name.endsWith(".sources")) sources.push(...parseSourcesFormat(text));
  }
  return sources;
}

function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

const fromRelease: Way = async (work, options, tried) => {
  const release = RELEASE_SHA256[process.arch];
  if (release === undefined || process.platform !== "linux") {
    tried.push(`no release is known for ${process.platform} on ${process.arch}`);
    return undefined;
  }
  const name = `nats-server-v${RELEASE_VERSION}-linux-${release.arch}`;
  const url = `https://github.com/nats-io/nats-server/releases/download/v${RELEASE_VERSION}/${name}.tar.gz`;
  try {
    options.progress(`fetching nats-server ${RELEASE_VERSION} from its project's releases`);
    const archive = await download(url);
    const sha256 = createHash("sha256").update(archive).digest("hex");
    if (sha256 !== release.sha256) {
      tried.push(`${url} has checksum ${sha256}, expected ${release.sha256}`);
      return undefined;
    }
    const file = join(work, "release.tar.gz");
    await writeFile(file, archive);
    await run("tar", ["-xzf", file, "-C", work], { timeoutMs: APT_TIMEOUT_MS });
    return await programIn(join(work, name));
  } catch (error) {
    tried.push(`${url}: ${reasonOf(error)}`);
    return undefined;
  }
};

async function download(url: string): Promise<Buffer> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
  if (!answer.ok || answer.body === null) throw new CommandFailed(`HTTP ${answer.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer.body) {
    length += chunk.length;
    if (length > DOWNLOAD_BYTES_MAX) {
      throw new CommandFailed(`the answer is longer than ${DOWNLOAD_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function hostOf(uri: string): string {
  return URL.canParse(uri) ? new URL(uri).host || uri : uri;
}
