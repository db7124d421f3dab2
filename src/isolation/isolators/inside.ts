/** The isolators of the inside of a container, in their order: what is mounted, then what is not. */
import type { Isolator } from "../isolator.ts";
import { capabilitiesIsolator, nnpIsolator } from "./capabilities.ts";
import { cniIsolator } from "./cni.ts";
import { filesystemIsolator } from "./filesystem.ts";
import type { InsideOptions } from "./inside-options.ts";
import { namespacesIsolator } from "./namespaces.ts";
import { rlimitsIsolator } from "./rlimits.ts";
import { seccompIsolator } from "./seccomp.ts";
import { secretsIsolator } from "./secrets.ts";

export function insideIsolators(options: InsideOptions): readonly Isolator[] {
  return [
    filesystemIsolator(options),
    namespacesIsolator(options),
    cniIsolator(options),
    capabilitiesIsolator(options),
    nnpIsolator,
    seccompIsolator(options),
    rlimitsIsolator,
    secretsIsolator(options),
  ];
}
