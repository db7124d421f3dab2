/** A task that ends while the disk is full: how it ended is not lost. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import type { ContainerExit } from "#runtime";
import { SmallDisk } from "../../tools/chaos/disk.ts";
import { ask, collectExits } from "../contracts/launcher.cases.ts";
import { dropRig, machine, makeRig, nativePrograms, shell, shellPrograms, until } from "./rig.ts";

const notRoot = machine.isRoot ? false : "needs root: a disk of its own is mounted and filled";

for (const programs of [nativePrograms, shellPrograms]) {
  void t.test(
    `a full disk keeps how a task ended (${programs.kind})`,
    { skip: notRoot },
    async (test) => {
      const disk = new SmallDisk(mkdtempSync(join(tmpdir(), "meseta-test-room-")), 1);
      const rig = await makeRig({ programs, enforced: false }, disk.dir);
      test.teardown(async () => {
        await dropRig(rig);
        // The launcher that was closed has its files open a moment longer.
        await until("nobody uses its disk", () => isRemoved(disk));
        rmSync(disk.dir, { recursive: true });
      });
      const exits: ContainerExit[] = [];
      const { exitOf } = collectExits(rig);
      const gate = join(rig.directory, "gate");
      const wait = `until [ -e ${gate} ]; do sleep 0.02; done; exit 3`;
      const plan = rig.planWith({ argv: shell(wait), env: { PATH: "/usr/bin:/bin" } });
      const answer = await ask(rig, (done) => rig.launcher.launch(plan, done));
      test.ok(answer.ok, JSON.stringify(answer));
      void exitOf(plan.containerId).then((exit) => exits.push(exit));
      disk.fill();
      const late = rig.planWith({ argv: shell("exit 0") });
      const refused = await ask(rig, (done) => rig.launcher.launch(late, done));
      test.notOk(refused.ok, "a task that cannot be kept track of does not begin");
      writeFileSync(gate, "");
      // The compiled shim has kept its room; the shell waits until there is some.
      if (programs.kind === "native") await until("its end is told", () => exits.length === 1);
      disk.empty();
      await until("its end is told", () => exits.length === 1);
      test.match(exits, [{ code: 3 }]);
    },
  );
}

function isRemoved(disk: SmallDisk): boolean {
  try {
    disk.remove();
    return true;
  } catch (error) {
    if (/busy/.test((error as Error).message)) return false;
    throw error;
  }
}
