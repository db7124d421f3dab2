/**
 * What an agent says once about the inside of its containers: what its machine and its launcher
 * can do, and what tasks may ask for. Plain data; part of the agent's recipe.
 */
import type { Capability } from "#protocol";
import type { SeccompProfile, SeccompSubject } from "../seccomp/profile.ts";

export interface InsideOptions {
  /** The machine's, where there is a table of its system calls; null: no seccomp. */
  readonly arch: SeccompSubject["arch"] | null;
  /** The shell scripts can drop capabilities and set limits, and no more. */
  readonly launcher: "native" | "shell";
  /** Directories of the host that no container sees: where agents keep what is theirs. */
  readonly hidden: readonly string[];
  /** Directories below which tasks may take volumes and roots. */
  readonly hostPaths: readonly string[];
  /** Where persistent volumes lie. */
  readonly volumesDir: string;
  /** A file for each secret, by its name; null: there are none. */
  readonly secretsDir: string | null;
  /** What a task can ask for at most. */
  readonly boundingCapabilities: readonly Capability[];
  /** Profiles by name; `default` is used where a task names none. */
  readonly seccompProfiles: Readonly<Record<string, SeccompProfile>>;
  /** Ids of this host for those of a user namespace, from 0; null: there are no user namespaces. */
  readonly userIds: { readonly first: number; readonly count: number } | null;
}

/** What a container of root has: enough to own files and change users, nothing of the host's. */
export const CAPABILITIES_DEFAULT: readonly Capability[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "NET_BIND_SERVICE",
];

/** Why a machine cannot do what a task asks for; null when it can. */
export function whyNothingInside(options: InsideOptions, isRoot: boolean): string | null {
  if (options.launcher === "shell") return "this agent has the shell launcher, without a compiler";
  return isRoot ? null : "this agent does not run as root";
}
