/** The launcher's contract on the real programs: compiled and shell, with cgroups and without. */
import { launcherContract, type LauncherRig } from "../contracts/launcher.cases.ts";
import {
  dropRig,
  machine,
  makeRig,
  nativePrograms,
  type RealRig,
  type RigKind,
  shellPrograms,
} from "./rig.ts";

const CASES: readonly (RigKind & { name: string })[] = [
  { name: "compiled, with cgroups", programs: nativePrograms, enforced: true },
  { name: "compiled, without cgroups", programs: nativePrograms, enforced: false },
  { name: "shell, with cgroups", programs: shellPrograms, enforced: true },
  { name: "shell, without cgroups", programs: shellPrograms, enforced: false },
];

/** In the emulated machine one kind must do: it is there for the v2 driver. */
const chosen = process.env["MESETA_VM"] === "1" ? CASES.slice(0, 1) : CASES;

for (const { name, ...kind } of chosen) {
  const rigs = new Map<LauncherRig, RealRig>();
  const needed = kind.enforced ? machine.unenforcedBecause : null;
  const compiled = name.startsWith("compiled") && kind.programs.kind !== "native";
  const skip = needed ?? (compiled ? "no C compiler on this machine" : null);
  launcherContract({
    name,
    async make() {
      const rig = await makeRig(kind);
      rigs.set(rig, rig);
      return rig;
    },
    async teardown(rig) {
      const real = rigs.get(rig);
      if (real !== undefined) await dropRig(real);
    },
    ...(name.startsWith("shell") ? { listeners: false as const } : {}),
    ...(skip === null ? {} : { skip }),
  });
}
