/** Flags of `run` about its container, as what they ask for, and what is no flag at all. */
import t from "tap";
import { type ContainerFlags, containerWish } from "#cli";
import { CAPABILITIES_DEFAULT } from "#protocol";

t.test("flags become what they ask for, and none ask for nothing", async (t) => {
  t.same(containerWish({}), {});
  const wish = containerWish({
    volume: ["/srv/data:/data:ro", "cache:/cache"],
    tmpfs: ["/scratch:16"],
    secret: ["TOKEN=api", "cert:/run/cert"],
    root: "minimal",
    capDrop: ["cap_chown"],
    seccomp: "unconfined",
    rlimit: ["nofile=10:20", "CORE=unlimited"],
    hostname: "web",
    network: "none",
    userns: true,
  });
  const secret = { type: "REFERENCE", reference: { name: "cert" } };
  const path = { type: "SELF", path: "cache" };
  const volumes = [
    ["/data", "RO", { type: "HOST_PATH", hostPath: { path: "/srv/data" } }],
    ["/cache", "RW", { type: "SANDBOX_PATH", sandboxPath: path }],
    ["/scratch", "RW", { type: "TMPFS", tmpfs: { sizeMib: 16 } }],
    ["/run/cert", "RO", { type: "SECRET", secret }],
  ].map(([containerPath, mode, source]) => ({ containerPath, mode, source }));
  const capabilities = CAPABILITIES_DEFAULT.filter((name) => name !== "CHOWN");
  t.same(wish, {
    secrets: { TOKEN: "api" },
    container: {
      type: "MESOS",
      volumes,
      linuxInfo: {
        effectiveCapabilities: { capabilities },
        seccomp: { unconfined: true },
        userNamespace: true,
      },
      rootfs: { type: "MINIMAL" },
      rlimitInfo: {
        rlimits: [{ type: "RLMT_NOFILE", soft: 10, hard: 20 }, { type: "RLMT_CORE" }],
      },
      hostname: "web",
      networkInfos: [{ name: "none" }],
    },
  });
  const added = containerWish({ capDrop: ["ALL"], capAdd: ["net_raw"] });
  t.same(added.container?.linuxInfo?.effectiveCapabilities, { capabilities: ["NET_RAW"] });
  const rooted = containerWish({ root: "/srv/root", readOnly: true });
  t.same(rooted.container?.rootfs, { type: "DIRECTORY", path: "/srv/root", mode: "RO" });
});

t.test("a flag that says nothing is named with its value", async (t) => {
  const cases: [ContainerFlags, RegExp][] = [
    [{ volume: ["/a"] }, /--volume: "\/a" is not SOURCE:PATH/],
    [{ volume: ["/a:/b:rx"] }, /--volume: /],
    [{ tmpfs: ["/a:0"] }, /--tmpfs: "\/a:0" is not PATH:MiB/],
    [{ secret: ["x"] }, /--secret: "x" is neither/],
    [{ capAdd: ["ROOT"] }, /--cap-add: "ROOT" is no capability/],
    [{ rlimit: ["FOO=1"] }, /--rlimit: "FOO=1" names no limit; there are AS, CORE, .*NOFILE, /],
    [{ rlimit: ["NOFILE"] }, /--rlimit: "NOFILE" is not NAME=SOFT or NAME=SOFT:HARD/],
    [{ rlimit: ["NOFILE=1:unlimited"] }, /both or none/],
    [{ root: "relative" }, /--root: "relative" is neither/],
    [{ readOnly: true }, /--read-only/],
  ];
  for (const [flags, expected] of cases) {
    t.throws(() => containerWish(flags), { message: expected }, String(expected));
  }
});
