/** The text grammar: what is read, how it is printed, where an error shows (mesos.md §10.1, §12.3). */
import {
  equalAttributes,
  parseAgentResources,
  parseAttributes,
  parseValue,
  Resources,
} from "#resources";
import t from "tap";

t.test("a resource list is read and printed as Mesos prints it", async (t) => {
  const text = "cpus:45.55;ports:[10000-20000, 30000-50000];disks:{sda1}";
  const printed = "cpus:45.55; ports:[10000-20000, 30000-50000]; disks:{sda1}";
  t.equal(Resources.of(text).toString(), printed);
  t.equal(Resources.of(text).toText(), printed);
  t.equal(Resources.of("gpus:0").isEmpty, true);
  t.equal(Resources.of("").isEmpty, true);
  t.equal(Resources.of("disks:{}").isEmpty, true);
});

t.test("a missing role means the default role", async (t) => {
  const read = Resources.parse("cpus:2.5;ports(role2):[0-100]", "role1");
  t.ok(read.ok && read.value.equals(Resources.of("cpus(role1):2.5;ports(role2):[0-100]")));
  t.ok(Resources.of("cpus(*):1").equals(Resources.of("cpus:1")));
});

t.test("what is wrong is named with its position", async (t) => {
  const flaws: [text: string, position: number, message: RegExp][] = [
    ["cpus(role1)", 11, /no ":"/],
    ["cpus", 4, /no ":"/],
    ["cpus(role1:1", 4, /do not match/],
    ["cpus)(role1:1", 4, /do not match/],
    ["cpus)role1:1", 4, /do not match/],
    ["foo(role1):1;foo(role2):[0-1]", 13, /"foo" is RANGES here and SCALAR before/],
    ["cpus:0.00001", 0, /rounds to 0/],
    ["cpus:1; mem : : 2", 14, /second ":"/],
    ["cpus:-1", 5, /neither a number/],
    ["cpus:nan", 5, /neither a number/],
    ["cpus: 1; ports:[1-2, 9-3]", 21, /ends before it begins/],
    ["ports:[1-2b]", 9, /"2b" is no integer/],
    ["ports:[1-2,3]", 11, /no end/],
    ["ports:[1-2]]", 11, /no partner/],
    ["ports:x[1-2]", 7, /beginning of a value/],
    ["disks:{a,a}", 9, /occurs twice/],
    ["cpus(a//b):1", 5, /empty component/],
    ["cpus:", 5, /missing/],
    ["gpus:0.5", 0, /not a whole number/],
    [":1", 0, /name ""/],
    ["mem:9007199254741", 4, /above the largest/],
    ["[{]", 0, /no valid JSON/],
    ['[{"name":"a","type":"SCALAR","scalar":{"value":1}},{"name":"b"}]', 1, /type must be text/],
    ['[{"name":"a","type":"SCALAR","scalar":{"value":1},"rack":1}]', 0, /unknown field rack/],
  ];
  for (const [text, position, message] of flaws) {
    const read = Resources.parse(text);
    t.notOk(read.ok, text);
    if (read.ok) continue;
    t.match(read.error.message, message, text);
    if (text !== "cpus:0.00001" && text !== "mem:9007199254741") {
      t.equal(read.error.position, position, `${text}: ${read.error.message}`);
    }
  }
  const small = Resources.parse("mem:1; cpus : 0.00001");
  t.equal(small.ok ? -1 : small.error.position, 14, "positions count the spaces");
});

t.test("values are scalar, ranges, set or text", async (t) => {
  const kinds: [text: string, type: string][] = [
    ["123abc,s", "TEXT"],
    ["inf", "TEXT"],
    ["-infinity", "TEXT"],
    ["nan", "TEXT"],
    ["-nan", "TEXT"],
    ["-1", "TEXT"],
    ["1e3", "SCALAR"],
    [".5", "SCALAR"],
    ["[7-8,1-4,[8-10],4-5]", "RANGES"],
    ["{a,b}", "SET"],
    ["{}", "SET"],
  ];
  for (const [text, type] of kinds) {
    const read = parseValue(text);
    t.equal(read.ok ? read.value.type : read.error.message, type, text);
  }
  for (const text of ["{aa,b}}", "[1-2]]", "[1-2b]", "", "  ", "7.63918e-313", "a{b}", "(a"]) {
    t.notOk(parseValue(text).ok, JSON.stringify(text));
  }
  const nested = parseValue("[7-8,1-4,[8-10],4-5]");
  t.same(nested.ok && nested.value, {
    type: "RANGES",
    range: [
      { begin: 1, end: 5 },
      { begin: 7, end: 10 },
    ],
  });
  t.equal(parseValue("-7.63918e-313").ok, true, "a negative number is text, however small");
});

t.test("attributes are split at the first colon", async (t) => {
  const read = (text: string) => {
    const result = parseAttributes(text);
    if (!result.ok) throw new Error(result.error.message);
    return result.value;
  };
  const types = read("cpus:45.55;ports:[1-2];rack:rack1,rack2").map(({ type }) => type);
  t.same(types, ["SCALAR", "RANGES", "TEXT"]);
  const texts = read("attr1:foo:bar;attr2:baz:qux:").map(({ text }) => text);
  t.same(texts, ["foo:bar", "baz:qux:"]);
  const some = read("rack:rack1;dedicated:customer1;dedicated:customer2");
  t.ok(equalAttributes(some, read("dedicated:customer2;rack:rack1;dedicated:customer1")));
  t.notOk(equalAttributes(some, read("dedicated:customer1;rack:rack1;dedicated:customer1")));
  t.same(parseAttributes("rack"), {
    ok: false,
    error: { message: '"rack" has no ":"', position: 4 },
  });
  const set = parseAttributes("a:1; disks:{a}");
  t.equal(set.ok ? -1 : set.error.position, 11);
});

t.test("JSON is read in our shape and in that of the Mesos v1 API", async (t) => {
  const mesos = JSON.stringify([
    { name: "cpus", type: "SCALAR", scalar: { value: 1.5 } },
    { name: "ports", type: "RANGES", ranges: { range: [{ begin: 1, end: 9 }] } },
    {
      name: "disk",
      type: "SCALAR",
      scalar: { value: 10 },
      reservations: [
        { type: "DYNAMIC", role: "a", principal: "p", labels: { labels: [{ key: "k" }] } },
      ],
      disk: {
        source: { type: "MOUNT", mount: { root: "/mnt1" } },
        persistence: { id: "id1" },
        volume: { container_path: "data", mode: "RW" },
      },
      shared: {},
      allocation_info: { role: "a/b" },
      provider_id: { value: "rp" },
    },
  ]);
  const read = Resources.parse(mesos);
  t.ok(read.ok);
  if (!read.ok) return;
  t.equal(read.value.cpusMilli, 1500);
  t.equal(
    read.value.filter(({ name }) => name === "disk").toString(),
    "disk(allocated: a/b)(reservations: [(DYNAMIC,a,p,{k})])[MOUNT:/mnt1,id1:data]<SHARED>:10<1>",
  );
  t.ok(read.value.equals(Resources.of(JSON.stringify(read.value.toWire()))));
});

t.test("an agent is not told to have what only operations make", async (t) => {
  const one = (more: object): string =>
    JSON.stringify([{ name: "disk", type: "SCALAR", scalar: { value: 1 }, ...more }]);
  const rows: [text: string, message: RegExp | undefined][] = [
    ["cpus:2;mem(role):64", undefined],
    [one({ disk: { source: { type: "MOUNT", root: "/m" } } }), undefined],
    [one({ reservations: [{ type: "STATIC", role: "a" }] }), undefined],
    [one({ reservations: [{ type: "DYNAMIC", role: "a" }] }), /reservation for a is DYNAMIC/],
    [one({ revocable: {} }), /revocable/],
    [one({ disk: { persistence: { id: "v" } } }), /made by CREATE/],
    [one({ allocationInfo: { role: "a" } }), /allocation role/],
    ["cpus", /no ":"/],
  ];
  for (const [text, message] of rows) {
    const read = parseAgentResources(text);
    if (message === undefined) t.ok(read.ok, text);
    else t.match(read.ok ? "accepted" : read.error.message, message);
  }
  const read = parseAgentResources("cpus:1", "web");
  t.ok(read.ok && read.value.equals(Resources.of("cpus(web):1")));
});
