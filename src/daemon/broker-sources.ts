/**
 * Reads apt's own source entries and writes one for another suite of the same mirror. Pure: it
 * sees text only, so that each odd shape of a source file is a line in a test.
 */

/** One entry of a source file: what was said of a mirror. */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Path of a keyring, or an embedded key block with its line breaks, as it stood there. */
  readonly signedBy: string | undefined;
}

/** Code names and aliases that only Debian itself gives to its suites. */
const DEBIAN_SUITES = new Set([
  "bullseye",
  "bookworm",
  "trixie",
  "forky",
  "duke",
  "sid",
  "oldoldstable",
  "oldstable",
  "stable",
  "testing",
  "unstable",
]);

const SUITE_SUFFIX = /-(updates|backports|proposed-updates)$/;

/** Entries of the one-line format (`sources.list`, `*.list`). Lines that are no entry are none. */
export function parseListFormat(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.replace(/#.*$/, "").trim();
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$/.exec(line);
    if (match === null) continue;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    sources.push({ uri, suites: [suite], components: words(components), signedBy });
  }
  return sources;
}

/** Entries of the paragraph format (`*.sources`). */
export function parseSourcesFormat(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const paragraph of text.split(/\n[ \t]*\n/)) {
    const fields = fieldsOf(paragraph);
    if (/^(no|false|0|off)$/i.test(fields.get("enabled") ?? "yes")) continue;
    if (!words(fields.get("types") ?? "").includes("deb")) continue;
    for (const uri of words(fields.get("uris") ?? "")) {
      sources.push({
        uri,
        suites: words(fields.get("suites") ?? ""),
        components: words(fields.get("components") ?? ""),
        signedBy: fields.get("signed-by"),
      });
    }
  }
  return sources;
}

function fieldsOf(paragraph: string): Map<string, string> {
  const fields = new Map<string, string>();
  let name = "";
  for (const line of paragraph.split("\n")) {
    if (line.startsWith("#")) continue;
    if (/^[ \t]/.test(line)) {
      fields.set(name, `${fields.get(name) ?? ""}\n${line}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    name = line.slice(0, colon).trim().toLowerCase();
    fields.set(name, line.slice(colon + 1).trim());
  }
  return fields;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/**
 * The entries that are Debian's own archive: a suite with one of Debian's names and the component
 * `main`. Other publishers' entries and the security archive (it has no other suites' packages)
 * are left out; each mirror is named once.
 */
export function debianMirrors(sources: readonly AptSource[]): AptSource[] {
  const found = new Map<string, AptSource>();
  for (const source of sources) {
    if (!source.components.includes("main") || !/^[a-z+]+:\S+$/.test(source.uri)) continue;
    const own = source.suites.some((suite) => DEBIAN_SUITES.has(suite.replace(SUITE_SUFFIX, "")));
    if (own && !found.has(source.uri)) found.set(source.uri, source);
  }
  return [...found.values()];
}

/** A source file with `mirror` as the only entry, for another suite. */
export function sourceFileFor(mirror: AptSource, suite: string): string {
  const signed = mirror.signedBy === undefined ? "" : `Signed-By: ${mirror.signedBy}\n`;
  return `Types: deb\nURIs: ${mirror.uri}\nSuites: ${suite}\nComponents: main\n${signed}`;
}
