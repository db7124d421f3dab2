/**
 * The core's compiler settings know nothing of the machine: what the platform adds to the language is an unknown name.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t from "tap";

const LEAKS: readonly string[] = [
  "process.exit();",
  'Buffer.from("a");',
  "setTimeout(() => 1, 1);",
  "performance.now();",
  "crypto.randomUUID();",
  'fetch("http://localhost");',
  'console.log("a");',
  'import "node:fs"; readFileSync("a");',
  'import { readFileSync } from "node:fs"; readFileSync("a");',
];

t.test("a leak of the platform into the core is a compile error, each by itself", async (t) => {
  const files = LEAKS.map((text, at) => [`leak${at}.ts`, `${text}\nexport {};\n`] as const);
  const root = t.testdir({
    "package.json": '{"type":"module"}',
    src: { protocol: Object.fromEntries([...files, ["clean.ts", "export const a = 1;\n"]]) },
  });
  for (const name of ["tsconfig.json", "tsconfig.core.json"]) {
    writeFileSync(join(root, name), readFileSync(name));
  }
  symlinkSync(resolve("node_modules"), join(root, "node_modules"));
  // The compiler's bin has no .js ending, which the hooks that tap puts into child processes cannot load.
  const compiler = resolve("node_modules/typescript/lib/tsc.js");
  const { status, stdout } = spawnSync(
    process.execPath,
    [compiler, "-p", join(root, "tsconfig.core.json"), "--pretty", "false"],
    { cwd: root, encoding: "utf8" },
  );
  t.not(status, 0);
  for (const [at, text] of LEAKS.entries()) t.ok(stdout.includes(`leak${at}.ts(1,`), text);
  t.notMatch(stdout, "clean.ts");
});
