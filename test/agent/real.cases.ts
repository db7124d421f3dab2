/**
 * A real agent on real containers, ended by SIGKILL while twenty tasks run: all go on, all exit
 * codes arrive, nothing runs twice. With this machine's cgroups where it may, without elsewhere.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import type { TaskStatus } from "#protocol";
import { dropRig, machine, makeRig, nativePrograms, type RealRig } from "../isolation/rig.ts";
import { until } from "../support/until.ts";

const PROGRAM = fileURLToPath(new URL("a-process.js", import.meta.url));
const TASKS = 20;
const WAIT_MS_MAX = 60_000;

/** One life of the agent; what it says of tasks is added to `heard`. */
function startAgent(rig: RealRig, mode: "launch" | "resume", heard: TaskStatus[]): ChildProcess {
  const [first] = rig.driver.directories;
  const [root, agentId] =
    first === undefined ? ["none", "agent"] : [basename(dirname(first)), basename(first)];
  const child = spawn(process.execPath, [PROGRAM, rig.directory, root, agentId, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let rest = "";
  child.stdout?.on("data", (data: Buffer) => {
    const lines = (rest + data.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) heard.push(JSON.parse(line) as TaskStatus);
  });
  return child;
}

t.test("kill -9 of an agent with twenty real tasks: all go on, all codes arrive", async (t) => {
  const enforced = machine.cgroupMode !== "none" && machine.isRoot;
  const rig = await makeRig({ programs: nativePrograms, enforced });
  rig.launcher.close();
  t.teardown(() => dropRig(rig));
  const heard: TaskStatus[] = [];
  const of = (state: string): TaskStatus[] => {
    const ids = new Map<string, TaskStatus>();
    for (const status of heard) if (status.state === state) ids.set(status.taskId, status);
    return [...ids.values()];
  };
  const first = startAgent(rig, "launch", heard);
  await until(() => of("TASK_RUNNING").length === TASKS, "all run", WAIT_MS_MAX);
  first.kill("SIGKILL");
  await until(() => first.signalCode === "SIGKILL", "the agent is gone");
  const second = startAgent(rig, "resume", heard);
  t.teardown(() => second.kill("SIGKILL"));
  const ends = (): number => of("TASK_FINISHED").length + of("TASK_FAILED").length;
  await until(() => ends() === TASKS, "all end", WAIT_MS_MAX);
  const codes = [...of("TASK_FINISHED"), ...of("TASK_FAILED")].map(
    ({ taskId, exitCode }) => `${taskId} ${exitCode}`,
  );
  t.same(codes.sort(), Array.from({ length: TASKS }, (_, i) => `t${i} ${i}`).sort());
  for (let index = 0; index < TASKS; index++) {
    t.equal(readFileSync(join(rig.directory, `starts-${index}`), "utf8"), "x\n");
  }
  const names = new Map<string, string>();
  for (const { uuid, taskId, state } of heard) {
    const said = `${taskId} ${state}`;
    t.equal(names.get(said) ?? uuid, uuid, `${said} has one uuid`);
    if (uuid !== undefined) names.set(said, uuid);
  }
  second.kill("SIGKILL");
  await until(() => second.signalCode === "SIGKILL", "the agent is gone");
});
