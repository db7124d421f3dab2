/**
 * The network of a run: a namespace for each process, all joined by one bridge in the namespace that
 * the run itself is in. It can take a process off the net, or drop all that it says. Everything of
 * it goes with the run's own namespaces; it touches nothing outside of them.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";

const NAMESPACES = "/run/netns";
const BRIDGE = "hub";
const TABLE = "chaos";
/** The bridge's own address: what the run listens on, such as the wires. */
export const HUB_ADDRESS = "10.77.0.1";
const NODE_NET = "10.77.1";

/** One place on the net. */
export interface Place {
  readonly address: string;
  /** What stands before a command so that it runs there. */
  readonly enter: readonly string[];
  /** Nothing comes or goes any more, as with a pulled cable. */
  cut(): void;
  /** What it says is lost; what others say still comes. */
  mute(): void;
  mend(): void;
}

export class Network {
  readonly #names: string[] = [];

  /** @throws Error when the kernel lacks what is needed; nothing is left then but this namespace. */
  constructor() {
    mkdirSync(NAMESPACES, { recursive: true });
    // The folder of the machine's own namespaces is out of sight from here on.
    run("mount", "-t", "tmpfs", "-o", "size=1m", "meseta-chaos", NAMESPACES);
    run("ip", "link", "set", "lo", "up");
    run("ip", "link", "add", BRIDGE, "type", "bridge", "stp_state", "0");
    run("ip", "address", "add", `${HUB_ADDRESS}/16`, "dev", BRIDGE);
    run("ip", "link", "set", BRIDGE, "up");
    const drop = "ip saddr @muted drop";
    run(
      "nft",
      `add table bridge ${TABLE}; ` +
        `add set bridge ${TABLE} muted { type ipv4_addr; }; ` +
        `add chain bridge ${TABLE} in { type filter hook input priority 0; }; ` +
        `add rule bridge ${TABLE} in ${drop}; ` +
        `add chain bridge ${TABLE} through { type filter hook forward priority 0; }; ` +
        `add rule bridge ${TABLE} through ${drop}`,
    );
  }

  /** @param number of the place, from 1 to 250; each has its own. */
  place(name: string, number: number): Place {
    const address = `${NODE_NET}.${number}`;
    const outer = `v${number}`;
    const inside = ["--net", `${NAMESPACES}/${name}`];
    run("ip", "netns", "add", name);
    this.#names.push(name);
    run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name);
    run("ip", "link", "set", outer, "master", BRIDGE, "up");
    const within = (...command: string[]): void => run("ip", "-n", name, ...command);
    within("link", "set", "lo", "up");
    within("address", "add", `${address}/16`, "dev", "eth0");
    within("link", "set", "eth0", "up");
    const muted = (verb: "add" | "delete"): void =>
      run("nft", `${verb} element bridge ${TABLE} muted { ${address} }`);
    let mend = (): void => undefined;
    return {
      address,
      enter: ["nsenter", `${inside[0]}=${inside[1]}`, "--"],
      cut: () => {
        run("ip", "link", "set", outer, "down");
        mend = () => run("ip", "link", "set", outer, "up");
      },
      mute: () => {
        muted("add");
        mend = () => muted("delete");
      },
      mend: () => {
        mend();
        mend = () => undefined;
      },
    };
  }

  /** Takes all places away. @returns what would not go. */
  remove(): readonly string[] {
    for (const name of this.#names.splice(0)) run("ip", "netns", "delete", name);
    const left = readdirSync(NAMESPACES).map((name) => `namespace ${name}`);
    run("umount", NAMESPACES);
    return left;
  }
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
}
