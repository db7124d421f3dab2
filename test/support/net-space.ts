/**
 * A second machine as far as the network goes: a namespace of its own, joined to this one by one
 * cable that can be pulled. Everything else, cgroups above all, is this machine's.
 */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";

const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
};

export class NetSpace {
  readonly name: string;
  /** Addresses at the two ends of the cable. */
  readonly here: string;
  readonly there: string;
  readonly #cable: string;

  constructor() {
    // A net of two addresses, of a range that is for tests (RFC 2544).
    const net = randomInt(0, 16_384) * 4;
    const at = (host: number): string => `198.19.${(net + host) >> 8}.${(net + host) & 255}`;
    this.here = at(1);
    this.there = at(2);
    this.name = `meseta-test-${net}`;
    this.#cable = `mst${net}`;
    const end = `${this.#cable}e`;
    run("ip", "netns", "add", this.name);
    try {
      run("ip", "link", "add", this.#cable, "type", "veth", "peer", "name", end);
      run("ip", "link", "set", end, "netns", this.name);
      run("ip", "address", "add", `${this.here}/30`, "dev", this.#cable);
      run("ip", "link", "set", this.#cable, "up");
      this.#inside("ip", "address", "add", `${this.there}/30`, "dev", end);
      this.#inside("ip", "link", "set", end, "up");
      this.#inside("ip", "link", "set", "lo", "up");
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** What stands before a command that is to run there; unlike `ip netns exec` it hides no mount. */
  get prefix(): readonly string[] {
    return ["nsenter", `--net=/run/netns/${this.name}`];
  }

  #inside(...command: string[]): void {
    const [program = "", ...args] = [...this.prefix, ...command];
    run(program, ...args);
  }

  /** Pulls the cable, or puts it back. */
  cable(state: "up" | "down"): void {
    run("ip", "link", "set", this.#cable, state);
  }

  /** The cable goes with the namespace, once nobody runs there. */
  remove(): void {
    run("ip", "netns", "delete", this.name);
  }
}
