/**
 * The networks of an agent: the configurations of a directory, read once at the start. A file that
 * does not parse, or that names what is there already, ends the agent with a sentence.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Config } from "#config";
import type { InsideOptions } from "#isolation";

type Networks = NonNullable<InsideOptions["networks"]>;

/** A program of the plugins' directory, never a path out of it. */
const Plugin = Type.Object({
  type: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$", maxLength: 128 }),
});
const Name = Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$", maxLength: 128 });
const Version = Type.Optional(Type.String({ pattern: "^[0-9.]+$" }));
/** `.conflist`: a chain of plugins. */
const Chain = Type.Object({
  name: Name,
  cniVersion: Version,
  plugins: Type.Array(Plugin, { minItems: 1, maxItems: 16 }),
});
/** `.conf`, `.json`: one plugin with the network's name. */
const Single = Type.Composite([Type.Object({ name: Name, cniVersion: Version }), Plugin]);

const VERSION_DEFAULT = "0.4.0";
const RESERVED = "none";

/** @throws Error in one sentence that names file and field. */
export function networkSettings(config: Config): Networks {
  const directory = config.text("network-cni-config-dir");
  const plugins = resolve(config.need("network-cni-plugins-dir"));
  return directory === undefined ? {} : readNetworks(resolve(directory), plugins);
}

/** @throws Error in one sentence that names file and field. */
export function readNetworks(directory: string, pluginsDir: string): Networks {
  const networks: Record<string, Networks[string]> = {};
  for (const file of namesIn(directory)) {
    const path = join(directory, file);
    const { name, cniVersion = VERSION_DEFAULT, plugins } = chainOf(path);
    if (name === RESERVED || networks[name] !== undefined) {
      const why = name === RESERVED ? "is the one without any network" : "is another file's too";
      throw new Error(`--network-cni-config-dir: ${path}: the name ${name} ${why}`);
    }
    networks[name] = { cniVersion, pluginsDir, plugins };
  }
  return networks;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /\.(conflist|conf|json)$/.test(name))
      .sort();
  } catch (error) {
    throw new Error(`--network-cni-config-dir: ${directory}: ${(error as Error).message}`);
  }
}

function chainOf(path: string): Static<typeof Chain> {
  const fault = (what: string): Error => new Error(`--network-cni-config-dir: ${path}: ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw fault((error as Error).message);
  }
  const schema = path.endsWith(".conflist") ? Chain : Single;
  const first = Value.Errors(schema, value).First();
  if (first !== undefined) {
    throw fault(
      `${first.path.slice(1) || "the network"}: ${JSON.stringify(first.value)}: ${first.message}`,
    );
  }
  if (schema === Chain) return value as Static<typeof Chain>;
  const { name, cniVersion, ...plugin } = value as Static<typeof Single>;
  const chain = { name, plugins: [plugin] };
  return cniVersion === undefined ? chain : { ...chain, cniVersion };
}
