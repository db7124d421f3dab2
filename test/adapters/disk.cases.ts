/** The disk on real files under the contract of the port, and its faults. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { openFilesDisk, systemClock } from "#adapters";
import type { Disk, DiskOutcome } from "#runtime";
import { type DiskHarness, diskContract } from "../contracts/disk.cases.ts";
import { type Mortal, mortalDisk } from "../support/mortal.ts";
import { until } from "../support/until.ts";

const clock = systemClock();
const dirs = new Map<DiskHarness, string>();

diskContract(t, {
  name: "the disk on files",
  async make() {
    const root = await mkdtemp(join(tmpdir(), "meseta-test-disk-"));
    const mortals: Mortal<Disk>[] = [];
    const harness: DiskHarness = {
      open: () => openFilesDisk({ root, clock }),
      async openMortal() {
        const mortal = await mortalDisk(root);
        mortals.push(mortal);
        return mortal.port;
      },
      until,
      async crash() {
        for (const mortal of mortals) await mortal.kill();
      },
    };
    dirs.set(harness, root);
    return harness;
  },
  async teardown(harness) {
    await harness.crash();
    await rm(dirs.get(harness) ?? "", { recursive: true, force: true });
  },
});

async function outcomeOf(start: (done: (outcome: DiskOutcome) => void) => void) {
  const outcomes: DiskOutcome[] = [];
  start((outcome) => void outcomes.push(outcome));
  await until(() => outcomes.length > 0, "an operation is over");
  return outcomes[0];
}

async function shut(disk: Disk): Promise<void> {
  let over = false;
  disk.close(() => {
    over = true;
  });
  await until(() => over, "closed");
}

t.test("after a failed sync the disk does nothing more and says so", async (test) => {
  const root = await mkdtemp(join(tmpdir(), "meseta-test-disk-"));
  test.teardown(() => rm(root, { recursive: true, force: true }));
  let broken = false;
  const disk = await openFilesDisk({
    root,
    clock,
    sync: async (file) => {
      if (broken) throw new Error("EIO: i/o error, fdatasync");
      await file.datasync();
    },
  });
  const replace = (text: string) => outcomeOf((done) => disk.replace("f", Buffer.from(text), done));
  test.same(await replace("good"), { kind: "done" });
  broken = true;
  test.equal((await replace("lost"))?.kind, "failed");
  broken = false;
  test.equal(
    (await replace("later"))?.kind,
    "failed",
    "the kernel forgets a failed sync, we do not",
  );
  test.equal((await outcomeOf((done) => disk.append("g", Buffer.from("x"), done)))?.kind, "failed");
  test.equal(await readFile(join(root, "f"), "utf8"), "good");
  await shut(disk);
});

t.test("a second opener is refused, and a folder of torn replaces is swept", async (test) => {
  const root = await mkdtemp(join(tmpdir(), "meseta-test-disk-"));
  test.teardown(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, ".aside"), { recursive: true });
  await writeFile(join(root, ".aside", "7"), "torn");
  const disk = await openFilesDisk({ root, clock });
  await test.rejects(openFilesDisk({ root, clock }), /held by another process/);
  test.same(await readdir(join(root, ".aside")), []);
  await shut(disk);
  await shut(await openFilesDisk({ root, clock }));
});

const isRoot = process.getuid?.() === 0;
const reason = "mounting a file system of 256 KiB needs root";

t.test(
  "a full disk is told apart and nothing was changed",
  { skip: isRoot ? false : reason },
  async (test) => {
    const root = await mkdtemp(join(tmpdir(), "meseta-test-full-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "meseta-test", root]);
    test.teardown(async () => {
      execFileSync("umount", [root]);
      await rm(root, { recursive: true, force: true });
    });
    const disk = await openFilesDisk({ root, clock });
    const small = Buffer.from("small");
    const large = Buffer.alloc(1024 * 1024, 7);
    test.same(await outcomeOf((done) => disk.replace("f", small, done)), { kind: "done" });
    test.same(await outcomeOf((done) => disk.append("g", small, done)), { kind: "done" });
    test.same(await outcomeOf((done) => disk.replace("f", large, done)), { kind: "full" });
    test.same(await outcomeOf((done) => disk.append("g", large, done)), { kind: "full" });
    test.equal(await readFile(join(root, "f"), "utf8"), "small");
    test.equal(await readFile(join(root, "g"), "utf8"), "small");
    test.same(await outcomeOf((done) => disk.append("g", small, done)), { kind: "done" });
    test.equal(await readFile(join(root, "g"), "utf8"), "smallsmall");
    await shut(disk);
  },
);
