/**
 * What an agent says once about the inside of its containers: what its machine and its launcher
 * can do, and what tasks may ask for. Plain data; part of the agent's recipe.
 */
import type { Capability } from "#protocol";
import type { SeccompProfile, SeccompSubject } from "../seccomp/profile.ts";

/** A network of the agent: the chain of plugins that its configuration names (CNI). */
export interface Network {
  readonly cniVersion: string;
  /** Where the plugins are, by their type. */
  readonly pluginsDir: string;
  readonly plugins: readonly (Readonly<Record<string, unknown>> & { readonly type: string })[];
}

export interface InsideOptions {
  /** The machine's, where there is a table of its system calls; null: no seccomp. */
  readonly arch: SeccompSubject["arch"] | null;
  /** The shell scripts can drop capabilities and set limits, and no more. */
  readonly launcher: "native" | "shell";
  /** Why there are no namespaces and mounts on this machine; null: there are. */
  readonly unavailable: string | null;
  /** Directories of the host that no container sees: where agents keep what is theirs. */
  readonly hidden: readonly string[];
  /** Files and directories of the host in whose place every container sees nothing. */
  readonly masked: readonly string[];
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
  /** Networks by name; absent: there are none. */
  readonly networks?: Readonly<Record<string, Network>>;
  /** Ids of this host for those of a user namespace, from 0; null: there are no user namespaces. */
  readonly userIds: { readonly first: number; readonly count: number } | null;
}
