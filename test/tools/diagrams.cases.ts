/**
 * Diagrams are drawn from the machines themselves, and a stale page is noticed.
 */
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t from "tap";
import { diagrams } from "../../tools/diagrams.ts";

const MACHINE = `import { setup } from "xstate";
export const lamp = setup({ guards: { wired: () => true }, actions: { shine: () => 1 } }).createMachine({
  id: "lamp",
  initial: "dark",
  on: { Break: ".broken" },
  states: {
    dark: { tags: "refuse", on: { Press: { guard: "wired", target: "lit", actions: "shine" } } },
    lit: { tags: "handle", initial: "dim", states: { dim: { on: { Turn: "bright" } }, bright: {} } },
    broken: { type: "final" },
  },
});
export const other = { id: "no machine" };
`;

t.test(
  "a machine is drawn with its states, tags, guards and actions, and kept fresh",
  async (t) => {
    const root = t.testdir({
      "package.json": '{"type":"module"}',
      dist: { src: { lamp: { "lamp-machine.js": MACHINE, "engine.js": MACHINE } } },
    });
    symlinkSync(resolve("node_modules"), join(root, "node_modules"));
    t.same(await diagrams(root, { check: true }), ["docs/actors/lamp.md"], "missing is stale");
    t.same(await diagrams(root, { check: false }), ["docs/actors/lamp.md"]);
    t.same(await diagrams(root, { check: true }), []);
    const file = join(root, "docs/actors/lamp.md");
    const page = readFileSync(file, "utf8");
    for (const line of [
      "  [*] --> dark",
      "  dark --> lit: Press [wired]",
      "  lit_dim --> lit_bright: Turn",
      "  lit --> broken: Break",
      "  broken --> [*]",
      "| dark | Press | wired | lit | shine |",
      "| any state | Break |  | broken |  |",
      "| lit | handle |  |",
    ]) {
      t.ok(page.split("\n").includes(line), line);
    }
    writeFileSync(
      file,
      page.replace("Press", "Pull").replace("# The", "# Words of ours about the"),
    );
    t.same(await diagrams(root, { check: true }), ["docs/actors/lamp.md"], "changed is stale");
    await diagrams(root, { check: false });
    t.equal(readFileSync(file, "utf8"), page.replace("# The", "# Words of ours about the"));
  },
);
