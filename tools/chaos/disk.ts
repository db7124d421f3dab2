/**
 * The disk of one process of a run: a file system of its own with little room, which can be filled
 * to the last byte. It goes with the run's mount namespace at the latest.
 */
import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const FILLER = "filler";
const CHUNK = Buffer.alloc(64 * 1024, 0x5a);

export class SmallDisk {
  readonly dir: string;

  constructor(dir: string, sizeMib: number) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    const options = `size=${sizeMib}m,mode=755`;
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "meseta-chaos", dir]);
  }

  /** Not a byte more fits, for anybody. */
  fill(): void {
    const file = openSync(join(this.dir, FILLER), "a");
    try {
      // Ever smaller pieces, so that the last page goes too.
      for (let size = CHUNK.length; size >= 1; size = Math.floor(size / 4)) {
        while (writes(file, size));
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  empty(): void {
    rmSync(join(this.dir, FILLER), { force: true });
  }

  remove(): void {
    execFileSync("umount", [this.dir], { stdio: ["ignore", "ignore", "pipe"] });
  }
}

function writes(file: number, size: number): boolean {
  try {
    return writeSync(file, CHUNK, 0, size) > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
    throw error;
  }
}
