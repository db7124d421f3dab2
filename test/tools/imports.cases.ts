/**
 * Who may import whom, one row each: what tidy refuses and its neighbour that it lets pass.
 */
import t from "tap";
import { complaints, HEADER } from "./house.ts";
import { CASES, CORE, ENTRY, judge, type Row, SHELL } from "./rows.ts";

const IMPORTS: readonly Row[] = [
  {
    rule: "core-imports",
    what: "node:fs in the core",
    path: CORE,
    bites: 'import { readFileSync } from "node:fs";',
    lets: 'export const a = "node:fs";',
  },
  {
    rule: "core-imports",
    what: "a module of Node by its old name in the core",
    path: CORE,
    bites: 'export * from "fs/promises";',
    lets: 'export * from "./noun.ts";',
  },
  {
    rule: "floors",
    what: "an import upwards",
    path: CORE,
    bites: 'import "#runtime";',
    lets: 'import "./noun.ts";',
  },
  {
    rule: "floors",
    what: "an import sideways",
    path: "src/runtime/host.ts",
    bites: 'import "#resources";',
    lets: 'import "#protocol";',
  },
  {
    rule: "floors",
    what: "an import that `only` leaves out",
    path: "src/allocator/cycle.ts",
    bites: 'import "#protocol";',
    lets: 'import "#resources";',
  },
  {
    rule: "floors",
    what: "an import that `never` forbids",
    path: "src/gateway/tasks.ts",
    bites: 'import type { Agent } from "#actors/agent";',
    lets: 'import "#adapters";',
  },
  {
    rule: "floors",
    what: "the shell in the simulator",
    path: "sim/world.ts",
    bites: 'import "#adapters";',
    lets: 'import "#actors/agent";',
  },
  {
    rule: "floors",
    what: "the simulator in the shell, though an exception lets the command line",
    path: "src/adapters/clock.ts",
    bites: 'import "#sim";',
    lets: 'import "#replication";',
    beside: { "src/cli/sim.ts": `${HEADER}export const load = () => import("#sim");\n` },
  },
  {
    rule: "floors",
    what: "a floor's own door",
    path: CORE,
    bites: 'import type { A } from "#protocol";',
    lets: 'import type { A } from "./noun.ts";',
  },
  {
    rule: "leaves-floor",
    what: "../ across floors",
    path: "src/runtime/host.ts",
    bites: 'import { noun } from "../protocol/noun.ts";',
    lets: 'import { noun } from "./noun.ts";',
  },
  {
    rule: "leaves-floor",
    what: "../ out of a floor, while ../ inside of it may be",
    path: "src/protocol/messages/agent.ts",
    bites: 'import "../../runtime/noun.ts";',
    lets: 'import "../noun.ts";',
  },
  {
    rule: "circles",
    what: "a file that imports itself by way of another",
    path: CORE,
    bites: 'import type { B } from "./b.ts";',
    lets: 'import "./noun.ts";',
    at: "src/protocol/ids.ts:2",
    beside: {
      "src/protocol/b.ts": `${HEADER}import "./c.ts";\n`,
      "src/protocol/c.ts": `${HEADER}import "./ids.ts";\n`,
    },
  },
  {
    rule: "doors",
    what: "an import past the door",
    path: "bench/mailbox.ts",
    bites: 'import "../src/protocol/noun.ts";',
    lets: 'import "#protocol";',
  },
  {
    rule: "doors",
    what: "an import of another floor's file in a test",
    path: CASES,
    bites: 'import "../../src/runtime/noun.ts";',
    lets: 'import "../../src/protocol/noun.ts";',
    beside: ENTRY,
  },
  {
    rule: "doors",
    what: "an import of another floor's file in a benchmark of a floor's own",
    path: "bench/protocol-load.ts",
    bites: 'import "../src/runtime/noun.ts";',
    lets: 'import "../src/protocol/noun.ts";',
  },
  {
    rule: "doors",
    what: "a path behind a door's name",
    path: "src/runtime/host.ts",
    bites: 'import "#protocol/noun";',
    lets: 'import "#protocol";',
  },
  {
    rule: "doors",
    what: "a file that is not there",
    path: CORE,
    bites: 'import "./noun.js";',
    lets: 'import "./noun.ts";',
  },
  {
    rule: "doors",
    what: "a door that does something",
    path: "src/runtime/index.ts",
    bites: 'export { noun } from "./noun.ts";\nexport const more = 2;',
    lets: 'export { noun } from "./noun.ts";\nexport type { Noun } from "./noun.ts";',
    at: "src/runtime/index.ts:3",
  },
  {
    rule: "packages",
    what: "xstate beside the machines",
    path: "src/actors/agent/step.ts",
    bites: 'import type { Actor } from "xstate";',
    lets: "export const xstate = 1;",
    beside: {
      "src/actors/agent/machine.ts": `${HEADER}import "xstate";\n`,
      "src/actors/agent/container-machine.ts": `${HEADER}import "xstate";\n`,
      "src/runtime/host.ts": `${HEADER}import "xstate";\n`,
    },
  },
  {
    rule: "packages",
    what: "immer outside of the registry",
    path: "src/replication/writer.ts",
    bites: 'import { produce } from "immer";',
    lets: 'import "./registry.ts";',
    beside: { "src/replication/registry.ts": `${HEADER}import "immer";\n` },
  },
  {
    rule: "packages",
    what: "cbor-x outside of the codec",
    path: "src/protocol/frame.ts",
    bites: 'import { Encoder } from "cbor-x";',
    lets: 'import "./codec.ts";',
    beside: { "src/protocol/codec.ts": `${HEADER}import "cbor-x";\n` },
  },
  {
    rule: "packages",
    what: "nats outside of the adapters",
    path: "src/cli/ps.ts",
    bites: 'import { connect } from "nats";',
    lets: 'import "commander";',
    beside: { "src/adapters/nats-bus.ts": `${HEADER}import "nats";\n` },
  },
  {
    rule: "packages",
    what: "a package that belongs nowhere",
    path: SHELL,
    bites: 'import "lodash/map";',
    lets: 'import "node:fs";',
  },
  {
    rule: "folders",
    what: "a folder that is no floor",
    path: "src/extras/a.ts",
    bites: "export const a = 1;",
    lets: "export const a = 1;",
    at: "src/extras/a.ts:1",
  },
  {
    rule: "folders",
    what: "a noun that says nothing",
    path: "src/protocol/utils.ts",
    bites: "export const a = 1;",
    lets: "export const a = 1;",
    at: "src/protocol/utils.ts:1",
  },
  {
    rule: "test-support",
    what: "a floor that leans on tests",
    path: SHELL,
    bites: 'import "../../test/support/until.ts";',
    lets: 'import "./noun.ts";',
    beside: { "test/support/until.ts": HEADER },
  },
];

judge(IMPORTS);

t.test("folders refuses a floor of the table that has no door", async (t) => {
  const doors = complaints({ "src/protocol/index.ts": `${HEADER}export * from "./noun.ts";\n` });
  t.same(doors, []);
  const floors = [{ row: 0, name: "protocol", path: "src/empty", core: true }];
  const found = complaints({ "floors.json": JSON.stringify({ floors, exceptions: [] }) });
  t.ok(found.includes("floors.json:1 folders"));
});
