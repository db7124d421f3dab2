/** Reading sandboxes that their owner has filled with traps; what is probed of the machine. */
import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { openSandbox, SANDBOX_READ_BYTES_MAX } from "#adapters";
import { memoryWithin, parseCgroupPath, parseMemTotal, probeMachine, whyUnenforced } from "#daemon";

t.test("a sandbox gives byte ranges of its own files and nothing else", async (t) => {
  const base = mkdtempSync(join(tmpdir(), "meseta-test-"));
  t.teardown(() => rmSync(base, { recursive: true }));
  const root = join(base, "sandbox");
  mkdirSync(join(root, "sub"), { recursive: true });
  writeFileSync(join(base, "secret"), "secret");
  mkdirSync(join(base, "sandbox-neighbour"));
  writeFileSync(join(base, "sandbox-neighbour", "file"), "secret");
  writeFileSync(join(root, "stdout"), "0123456789");
  writeFileSync(join(root, "sub", "file"), "inside");
  writeFileSync(join(root, "large"), Buffer.alloc(SANDBOX_READ_BYTES_MAX + 10));
  symlinkSync(join(base, "secret"), join(root, "link"));
  symlinkSync(base, join(root, "up"));
  symlinkSync("sub", join(root, "within"));
  symlinkSync(join(base, "sandbox-neighbour"), join(root, "beside"));
  linkSync(join(root, "stdout"), join(root, "hard"));
  t.equal(spawnSync("mkfifo", [join(root, "fifo")]).status, 0);
  const files = openSandbox(root);
  const read = (path: string, offset = 0, length = 100) => {
    const answer = files.read(path, { offset, length });
    return answer.ok ? Buffer.from(answer.bytes).toString() : answer.reason;
  };
  t.same(
    [read("stdout"), read("/stdout", 4, 3), read("stdout", 8, 99), read("stdout", 99)],
    ["0123456789", "456", "89", ""],
  );
  t.equal(read("sub/file"), "inside");
  t.equal(read("within/file"), "inside", "a link that stays within is fine");
  const begun = performance.now();
  t.same(
    [
      "link",
      "up/secret",
      "beside/file",
      "../secret",
      "sub/../../secret",
      "fifo",
      "sub",
      "none",
      "stdout/x",
      "a\0b",
    ].map((path) => read(path)),
    [
      "outside",
      "outside",
      "outside",
      "outside",
      "outside",
      "wrongKind",
      "wrongKind",
      "absent",
      "wrongKind",
      "outside",
    ],
  );
  t.ok(performance.now() - begun < 5_000, "a FIFO does not hang");
  const large = files.read("large", { offset: 0, length: 10_000_000 });
  t.equal(large.ok && large.bytes.length, SANDBOX_READ_BYTES_MAX);
  t.match(files.read("stdout", { offset: -1, length: 1 }), { ok: false, reason: "failed" });
  const listing = files.list("/");
  const names = listing.ok ? listing.entries.map(({ name, kind }) => `${name} ${kind}`) : listing;
  t.ok(Array.isArray(names) && names.includes("sub directory") && names.includes("fifo other"));
  t.match(files.list("up"), { ok: false });
  t.match(files.list("stdout"), { ok: false, reason: "wrongKind" });
});

t.test("the machine is read from the kernel's texts", async (t) => {
  t.equal(parseMemTotal("MemTotal:       2048 kB\nMemFree: 1 kB\n"), 2_097_152);
  t.equal(parseMemTotal(""), null);
  const cgroup = "4:memory:/a:b\n1:cpu,cpuacct:/c\n0::/unified\n";
  t.same(
    ["memory", "cpuacct", "", "pids"].map((name) => parseCgroupPath(cgroup, name)),
    ["/a:b", "/c", "/unified", null],
  );
  t.same([memoryWithin(10, "5\n"), memoryWithin(10, "max\n"), memoryWithin(10, null)], [5, 10, 10]);
  t.equal(whyUnenforced({ mode: "v2", isRoot: true, isWritable: true }), null);
  t.match(whyUnenforced({ mode: "v2", isRoot: false, isWritable: false }), "root");
  t.match(whyUnenforced({ mode: "none", isRoot: true, isWritable: false }), "mounted");
});

t.test("this machine has what every machine has", async (t) => {
  const facts = probeMachine(tmpdir());
  t.ok(facts.cpus >= 1 && facts.memoryBytes > 2 ** 26 && facts.diskBytes >= facts.diskFreeBytes);
  t.match(facts.bootId, /^[0-9a-f-]{36}$/);
  t.equal(facts.unenforcedBecause === null, facts.cgroupMode !== "none");
});
