/**
 * `namespaces/*`: what a container has of its own instead of sharing the host's. Mount, pid, ipc,
 * uts and cgroup are always its own where the launcher can; network and users when it asks.
 */
import type { Inside, Namespace } from "#runtime";
import type { Isolator } from "../isolator.ts";
import type { InsideOptions } from "./inside-options.ts";

const ALWAYS: readonly Namespace[] = ["mount", "pid", "ipc", "uts", "cgroup"];

/** The network that is nothing but a loopback. */
export const NETWORK_NONE = "none";

export function namespacesIsolator(options: InsideOptions): Isolator {
  return {
    name: "namespaces",
    fragment({ container }) {
      const hostname = container?.hostname;
      const networks = (container?.networkInfos ?? []).flatMap(({ name }) => name ?? []);
      const known = Object.keys(options.networks ?? {});
      const unknown = networks.find((name) => name !== NETWORK_NONE && !known.includes(name));
      if (unknown !== undefined) {
        return {
          refused:
            `networkInfos: this agent has no network ${JSON.stringify(unknown)}; it has ` +
            `${known.join(", ") || "none by plugins"}; ` +
            `leave it out for the host's, or name "${NETWORK_NONE}" for a loopback of its own`,
        };
      }
      const alone = networks.length > 0;
      const mapped = container?.linuxInfo?.userNamespace === true;
      const why = options.unavailable;
      if (why !== null) {
        if (hostname === undefined && !alone && !mapped) return {};
        return { refused: `container: it asks for namespaces: ${why}` };
      }
      if (mapped && options.userIds === null) {
        return { refused: "linuxInfo.userNamespace: this agent has no --userns-ids to map" };
      }
      const namespaces = [...ALWAYS];
      if (alone) namespaces.push("net");
      if (mapped) namespaces.push("user");
      const inside: Partial<Inside> = { namespaces };
      const { userIds } = options;
      const idMap =
        mapped && userIds !== null
          ? { idMap: { inside: 0, outside: userIds.first, length: userIds.count } }
          : {};
      return {
        inside: { ...{}, ...inside, ...idMap, ...(hostname === undefined ? {} : { hostname }) },
      };
    },
  };
}
