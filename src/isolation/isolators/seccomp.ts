/**
 * `linux/seccomp`: which system calls a container may make. Its own default list is on for
 * everybody; a task may name another profile of the agent, or none.
 */
import type { Isolator } from "../isolator.ts";
import { compileSeccomp, encodeProgram } from "../seccomp/compile.ts";
import { DEFAULT_SECCOMP_PROFILE } from "../seccomp/default.ts";
import type { SeccompProfile, SeccompSubject } from "../seccomp/profile.ts";
import { capabilitiesOf } from "./capabilities.ts";
import type { InsideOptions } from "./inside-options.ts";

/** Programs kept, one for each profile and set of capabilities; the oldest go. */
export const SECCOMP_PROGRAMS_MAX = 64;

/** Programs by what they were made from: a launch asks for one that an earlier one had. */
class Programs {
  readonly #known = new Map<string, string>();

  of(name: string, profile: SeccompProfile, subject: SeccompSubject): string {
    const key = `${name} ${[...subject.capabilities].sort().join(" ")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = encodeProgram(compileSeccomp(profile, subject).program);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= SECCOMP_PROGRAMS_MAX && oldest !== undefined) {
      this.#known.delete(oldest);
    }
    this.#known.set(key, made);
    return made;
  }
}

export function seccompIsolator(options: InsideOptions): Isolator {
  const programs = new Programs();
  const profiles = new Map(Object.entries(options.seccompProfiles));
  if (!profiles.has("default")) profiles.set("default", DEFAULT_SECCOMP_PROFILE);
  const { arch } = options;
  return {
    name: "linux/seccomp",
    fragment(spec) {
      const wish = spec.container?.linuxInfo?.seccomp;
      if (wish?.unconfined === true) {
        if (wish.profileName === undefined) return {};
        return { refused: "linuxInfo.seccomp: unconfined and profileName exclude each other" };
      }
      const name = wish?.profileName ?? "default";
      const profile = profiles.get(name);
      if (profile === undefined) {
        const there = [...profiles.keys()].join(", ");
        return {
          refused: `linuxInfo.seccomp.profileName: this agent has no ${name}, it has ${there}`,
        };
      }
      if (options.launcher === "shell" || arch === null) {
        if (wish?.profileName === undefined) return {};
        const why = arch === null ? "no table of this machine's system calls" : "shell launcher";
        return { refused: `linuxInfo.seccomp: this agent cannot filter calls: ${why}` };
      }
      const wished = capabilitiesOf(spec, options);
      if (typeof wished === "string") return { refused: wished };
      const capabilities = new Set(wished.bounding.map((one) => `CAP_${one}`));
      return { inside: { seccomp: programs.of(name, profile, { arch, capabilities }) } };
    },
  };
}
