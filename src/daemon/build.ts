/** Which build of Meseta this is, and where it lies. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The package's folder, seen from the compiled file in `dist/src/daemon`. */
const ROOT = new URL("../../../", import.meta.url);

export function buildVersion(): string {
  const about = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8")) as {
    readonly version: string;
  };
  return about.version;
}

/** Where the launcher and the shim are. */
export function nativeDir(): string {
  return fileURLToPath(new URL("dist/native/", ROOT));
}
