/**
 * `network/cni`: a task that names networks of the agent joins them, in a network namespace of its
 * own. Each is a chain of plugins of the Container Network Interface, which the launcher runs;
 * here are only their configurations, with what Mesos tells them of the task.
 */
import type { InsideNetwork, NetworkPlugin } from "#runtime";
import type { Isolator } from "../isolator.ts";
import type { InsideOptions, Network } from "./inside-options.ts";
import { NETWORK_NONE } from "./namespaces.ts";

/** One JSON object without its last brace: the launcher puts the result before behind it. */
function open(value: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(value).slice(0, -1);
}

function pluginsOf(name: string, { cniVersion, pluginsDir, plugins }: Network): NetworkPlugin[] {
  return plugins.map((plugin) => {
    const args = { "org.apache.mesos": { network_info: { name } } };
    return {
      program: `${pluginsDir}/${plugin.type}`,
      config: open({ ...{}, ...plugin, cniVersion, name, args }),
    };
  });
}

export function cniIsolator({ networks = {} }: InsideOptions): Isolator {
  return {
    name: "network/cni",
    fragment({ container }) {
      const names = (container?.networkInfos ?? []).flatMap(({ name }) => name ?? []);
      const joined = names.filter((name) => name !== NETWORK_NONE);
      const twice = joined.find((name, index) => joined.indexOf(name) !== index);
      if (twice !== undefined) return { refused: `networkInfos: ${twice} is named twice` };
      const list = joined.flatMap((name, index): InsideNetwork[] => {
        const network = networks[name];
        if (network === undefined) return [];
        return [{ name, interface: `eth${index}`, plugins: pluginsOf(name, network) }];
      });
      return list.length === 0 ? {} : { inside: { networks: list } };
    },
  };
}
