/** Rows of the table: devices and GPUs. */
import type { Assigned, Hardware, Machine } from "#isolation";
import { probeMachine } from "#daemon";
import { collectExits, destroyAndForget } from "../contracts/launcher.cases.ts";
import { show } from "./acceptance.ts";
import { launch, output, planned, planOf, row } from "./planned.ts";
import { machine } from "./rig.ts";

/** Everywhere there, harmless, and not among those that everybody may use. */
const GRANTED = "/dev/kmsg";

const READ = `for device in /dev/null /dev/zero ${GRANTED}; do
  dd if=$device of=/dev/null bs=4k count=1 iflag=nonblock 2>&1 | tail -1; done
mknod node c 1 11 2>&1; echo`;

row("an unlisted device gives EPERM, a granted one works", async (t, rig) => {
  const { exitOf } = collectExits(rig);
  const on: Machine = { ...machine, ...granting([GRANTED]) };
  const plain = planOf(rig, { run: READ, machine: on });
  const granted = planOf(rig, { run: READ, machine: on, limits: { devices: [GRANTED] } });
  for (const plan of [plain, granted]) {
    await launch(rig, plan);
    await exitOf(plan.containerId);
  }
  const denied = output(plain);
  t.match(denied, new RegExp(`'?${GRANTED}'?: Operation not permitted`));
  t.match(denied, /mknod.*Operation not permitted/);
  t.notMatch(denied, /null|zero/);
  const works = output(granted).split("\n")[2] ?? "";
  t.match(works, /copied/);
  const sentence = /dd: .*/.exec(denied)?.[0] ?? "";
  show("an unlisted device gives EPERM, a granted one works", `"${sentence}"; granted: ${works}`);
  for (const { containerId } of [plain, granted]) await destroyAndForget(rig, containerId);
});

row("a device that the agent does not grant is refused", async (t, rig) => {
  const on: Machine = { ...machine, ...granting([GRANTED]) };
  const refused = planned(rig, { run: "true", machine: on, limits: { devices: ["/dev/mem"] } });
  t.match(refused, { ok: false, message: "cgroups/devices: devices: /dev/mem is not granted" });
  if (!refused.ok) show("a device that is not on the agent", refused.message);
});

row("GPU indices are handed out exclusively, and opened", async (t, rig) => {
  const { exitOf } = collectExits(rig);
  // An injected table: the nodes are real ones that nobody may use otherwise.
  const gpus = [0, 1, 2].map((index) => ({ index, nodes: index === 1 ? ["c 1:11"] : [] }));
  const on: Machine = { ...machine, hardware: { ...hardware([]), gpus } };
  const run = `echo "$CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES"; ${READ}`;
  const of = (count: number, held: readonly Assigned[]) =>
    planned(rig, { run, machine: on, resources: { gpus: count }, held });
  const first = of(2, []);
  if (!first.ok || first.assigned === undefined) throw new Error("nothing was assigned");
  const second = of(1, [first.assigned]);
  if (!second.ok || second.assigned === undefined) throw new Error("nothing was assigned");
  t.same([first.assigned.gpus, second.assigned.gpus], [[0, 1], [2]]);
  for (const { plan } of [first, second]) {
    await launch(rig, plan);
    await exitOf(plan.containerId);
  }
  t.match(output(first.plan), /^0,1 0,1\n.*copied.*\n.*copied.*\n.*copied/);
  t.match(output(second.plan), /^2 2\n.*copied.*\n.*copied.*\n.*kmsg.*Operation not permitted/);
  const none = of(1, [first.assigned, second.assigned]);
  t.match(none, { ok: false, message: "gpus: 1 are asked for, 0 of this agent's 3 are free" });
  const refusal = none.ok ? "" : none.message;
  show("gpu indices are handed out exclusively", `0,1 and 2; the fourth: "${refusal}"`);
  for (const { plan } of [first, second]) await destroyAndForget(rig, plan.containerId);
});

function hardware(paths: readonly string[]): Hardware {
  const found = probeMachine("/", paths).hardware;
  if (found === undefined) throw new Error("the hardware is unknown");
  return found;
}

const granting = (paths: readonly string[]) => ({ hardware: hardware(paths) });
