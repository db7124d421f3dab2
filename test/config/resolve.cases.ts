/** Settings from four places, and what is said of values that no setting takes. */
import t from "tap";
import { ConfigError, parseDuration, parseSize, resolveConfig } from "#config";

t.test("flags beat the environment, which beats the file, which beats the default", async (t) => {
  const file = { port: 1, host: "127.0.0.2", cluster: "file" };
  const environment = { MESETA_PORT: "2", MESETA_HOST: "127.0.0.3" };
  const config = resolveConfig({ file, environment, flags: { port: "3" } });
  const origins = Object.fromEntries([...config].map(([name, { origin }]) => [name, origin]));
  t.equal(config.integer("port"), 3);
  t.equal(config.text("host"), "127.0.0.3");
  t.equal(config.text("cluster"), "file");
  t.equal(config.durationMs("offer-timeout"), 60_000);
  t.match(origins, { port: "flag", host: "environment", cluster: "file", bus: "default" });
});

const REFUSED: readonly (readonly [flags: Record<string, string>, said: RegExp])[] = [
  [{ port: "http" }, /--port: "http" is no whole number \(from: flag\)/],
  [{ port: "70000" }, /above the most, 65535/],
  [{ agents: "101" }, /above the most, 100/],
  [{ bus: "zmq" }, /is none of nats, memory/],
  [{ "offer-timeout": "soon" }, /no duration such as/],
  [{ "offer-timeout": "1ms" }, /below the least, 1000 ms/],
  [{ "log-file-size": "10MB" }, /no size such as/],
  [{ insecure: "yes" }, /neither true nor false/],
];

for (const [flags, said] of REFUSED) {
  t.test(`${JSON.stringify(flags)} is refused with field, value and limit`, async (t) => {
    t.throws(() => resolveConfig({ flags }), said);
  });
}

t.test("a variable of the environment is named in what is said of its value", async (t) => {
  const environment = { MESETA_OFFER_TIMEOUT: "1y" };
  t.throws(() => resolveConfig({ environment }), /MESETA_OFFER_TIMEOUT: "1y".*environment/);
});

t.test("an unknown key of the file is refused with the nearest name", async (t) => {
  t.throws(() => resolveConfig({ file: { ofer_timeout: "1m" } }), {
    name: "ConfigError",
    message: /did you mean offer-timeout/,
  });
});

t.test("a setting without default is named when it is needed", async (t) => {
  t.throws(() => resolveConfig({}).need("work-dir"), ConfigError);
});

t.test("durations and sizes are read with their units", async (t) => {
  const durations = ["500ms", "1.5s", "1m30s", "2h", "7d", "10", "s", "-1s", "1s2"];
  t.same(durations.map(parseDuration), [
    500,
    1_500,
    90_000,
    7_200_000,
    604_800_000,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  t.same(["4096", "64KiB", "10MiB", "1GiB", "1GB", ""].map(parseSize), [
    4096,
    65_536,
    10_485_760,
    1_073_741_824,
    undefined,
    undefined,
  ]);
});
