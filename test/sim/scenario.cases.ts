/**
 * Scenarios: each hand-written one holds and reaches what it is there for; what makes no sense in
 * a file is named with line, field, value and what is allowed; failures of the past stay away.
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { SimCluster } from "../../sim/cluster.ts";
import { readFailure, rerun } from "../../sim/failure.ts";
import {
  optionsOf,
  parseScenario,
  readScenario,
  scenarioFiles,
  unmet,
} from "../../sim/scenario.ts";

const REGRESSIONS = fileURLToPath(new URL("../../../sim/regressions/", import.meta.url));

for (const file of scenarioFiles()) {
  const scenario = readScenario(file);
  t.test(`${scenario.name}: ${scenario.story}`, async (t) => {
    const cluster = new SimCluster(optionsOf(scenario, "1"));
    cluster.run();
    t.same(cluster.violations, []);
    t.same(unmet(scenario, cluster), []);
    t.ok(file.endsWith(`/${scenario.name}.yaml`), "the file has its name");
  });
}

t.test("a scenario and a seed are one run", async (t) => {
  const scenario = readScenario(scenarioFiles().at(-1) ?? "");
  const digests = [0, 1].map(() => {
    const cluster = new SimCluster({ ...optionsOf(scenario, "7"), cutMs: 20_000 });
    cluster.run();
    return cluster.trace.digest();
  });
  t.equal(digests[0], digests[1]);
});

const WHOLE = `name: a
version: 1
story: a story
topology: { masters: 3, agents: 2, frameworks: 1, brokers: 3 }
network: { profile: nats }
workload: { kind: batch, items: 5 }
phases:
  - until: 60s
    faults:
      - { at: 12s, do: pause, on: leader, for: 20s }
converge: 60s
expect: { reach: [ack-lost] }
`;

t.test("what makes no sense is named by line, field, value and what is allowed", async (t) => {
  t.equal(parseScenario(WHOLE, "a.yaml").name, "a");
  const cases: readonly (readonly [from: string, to: string, expected: RegExp])[] = [
    ["version: 1", "version: 2", /a.yaml:2: version: 2: .*allowed: 1/],
    ["profile: nats", "profile: tcp", /a.yaml:5: network.profile: "tcp": .*"nats" or "hostile"/],
    ["masters: 3", "masters: many", /a.yaml:4: topology.masters: "many"/],
    ["do: pause", "do: pauze", /a.yaml:10: phases.0.faults.0.do: pauze: no such fault/],
    ["on: leader", "on: boss", /a.yaml:10: phases.0.faults.0.on: "boss" is none of leader/],
    ["at: 12s", "at: 90s", /a.yaml:10: phases.0.faults.0.at: 90s: its phase ends at 60s/],
    ["at: 12s", "at: soon", /a.yaml:10: phases.0.faults/],
    ["reach: [ack-lost]", "reach: [rain]", /a.yaml:12: expect.reach.0: rain: no such rare branch/],
    ["converge: 60s", "converge: 60s\nweather: bad", /a.yaml:12: weather/],
    ["until: 60s", "until: [", /a.yaml: /],
  ];
  for (const [from, to, expected] of cases) {
    t.throws(() => parseScenario(WHOLE.replace(from, to), "a.yaml"), { message: expected }, to);
  }
  t.throws(() => readScenario("/nowhere/a.yaml"), { message: /ENOENT/ });
});

t.test("what the simulator once found stays mended", async (t) => {
  const files = readdirSync(REGRESSIONS).filter((name) => name.endsWith(".json"));
  for (const name of files) {
    const { scenario, faults, violation } = readFailure(REGRESSIONS + name);
    const cluster = rerun(scenario, faults, [violation.id]);
    t.same(cluster.violations, [], name);
    t.equal(
      cluster.swarm.applied.length > 0 || faults.length === 0,
      true,
      "its faults are applied",
    );
  }
  t.pass(`${files.length} regressions`);
});
