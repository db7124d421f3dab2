/**
 * `environment_secret` and the secrets of volumes: a task names a secret, the launcher reads it on
 * the agent's disk when it starts the task. Its value is in no plan, checkpoint or recording.
 */
import type { Secret } from "#protocol";
import type { Isolator } from "../isolator.ts";
import type { InsideOptions } from "./inside-options.ts";

export interface SecretSource {
  readonly source: string;
  readonly within: string;
}

export function secretSource(
  { reference }: Secret,
  { secretsDir }: Pick<InsideOptions, "secretsDir">,
): SecretSource | string {
  if (secretsDir === null) {
    return `secret ${reference.name}: this agent knows no secrets (--secrets-dir)`;
  }
  return { source: `${secretsDir}/${reference.name}`, within: secretsDir };
}

export function secretsIsolator(options: InsideOptions): Isolator {
  return {
    name: "environment_secret",
    fragment(spec) {
      const wished = spec.secretEnv ?? [];
      if (wished.length === 0) return {};
      if (options.launcher === "shell") {
        return { refused: "environment: it names secrets, which the shell launcher cannot hold" };
      }
      const secrets = [];
      for (const { name, secret } of wished) {
        const source = secretSource(secret, options);
        if (typeof source === "string") return { refused: `environment: ${name}: ${source}` };
        secrets.push({ name, ...source });
      }
      return { inside: { secrets } };
    },
  };
}
