/**
 * A framework that runs a batch: every chunk of a list of files is one task, launched once. It
 * prints what happens as lines of JSON, and leaves when every task has ended.
 *
 * Argument: a file of JSON with the fields of `Batch`.
 */
import { readFileSync } from "node:fs";
import { connect, isTerminal, type Offer, OfferPool, type TaskInfo } from "meseta";

type Volume = NonNullable<NonNullable<TaskInfo["container"]>["volumes"]>[number];

interface Batch {
  readonly credentials: string;
  readonly name: string;
  readonly role: string;
  readonly kind: "words" | "digests";
  /** Node and the program of one chunk. */
  readonly program: readonly [string, string];
  readonly manifest: string;
  /** First and last line of each chunk. */
  readonly chunks: readonly (readonly [number, number])[];
  readonly marks: string;
  readonly resources: string;
  /**
   * What a task sees of the host beside its files read only, and where it may write. None where
   * agents have no containers.
   */
  readonly volumes: readonly Volume[];
  /** The chunk that is launched a second time, and the one that is told to skip a file. */
  readonly twice?: number;
  readonly short?: number;
}

const batch = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Batch;
const waiting = batch.chunks.map((_, index) => index);
if (batch.twice !== undefined) waiting.push(batch.twice);
const open = new Set<string>();
const idle = (): boolean => waiting.length === 0 && open.size === 0;
let launches = 0;

function say(event: object): void {
  process.stdout.write(`${JSON.stringify({ role: batch.role, ...event })}\n`);
}

/** The next chunk on this offer; undefined when it does not fit or nothing waits. */
function nextTask(pool: OfferPool): TaskInfo | undefined {
  const [index] = waiting;
  const [first, last] = batch.chunks[index ?? -1] ?? [];
  if (index === undefined || first === undefined || last === undefined) return undefined;
  const [node, program] = batch.program;
  // A chunk that is launched twice is two tasks: no id is ever used again.
  launches += 1;
  const id = `${batch.kind}-${index}-${launches}`;
  const end = batch.short === index ? last - 1 : last;
  const task = pool.take({
    id,
    resources: batch.resources,
    command: [node, program, batch.kind, batch.manifest, `${first}`, `${end}`, batch.marks],
  });
  if (task === undefined) return undefined;
  if (batch.volumes.length > 0) task.container = { type: "MESOS", volumes: [...batch.volumes] };
  waiting.shift();
  open.add(id);
  say({ event: "launched", task: id, chunk: index });
  return task;
}

function tasksOn(offer: Offer): TaskInfo[] {
  const pool = new OfferPool(offer);
  const tasks: TaskInfo[] = [];
  for (let task = nextTask(pool); task !== undefined; task = nextTask(pool)) tasks.push(task);
  return tasks;
}

const framework = connect(
  { credentials: batch.credentials, name: batch.name, roles: [batch.role] },
  {
    subscribed: ({ frameworkId }) => say({ event: "subscribed", frameworkId }),
    offers(offers, driver) {
      for (const offer of offers) {
        const taskInfos = tasksOn(offer);
        if (taskInfos.length === 0) driver.decline([offer.offerId], { refuseMs: 1_000 });
        // What is left comes back at once: the other framework may use it.
        else driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos }], 0);
      }
      if (waiting.length === 0) driver.suppress();
    },
    async update({ taskId, state, uuid, agentId, reason, message, exitCode }) {
      say({ event: "update", task: taskId, state, uuid, agentId, reason, message, exitCode });
      if (isTerminal(state)) open.delete(taskId);
      if (!idle()) return;
      say({ event: "done" });
      await framework.close();
    },
    answered({ of, accepted, reason, message }) {
      if (!accepted) say({ event: "refused", of, reason, message });
    },
    disconnected: (why) => say({ event: "disconnected", why }),
    ended(reason, message) {
      say({ event: "ended", reason, message });
      process.exitCode = 1;
    },
  },
);

// Whoever started the batch may end it early.
process.once("SIGTERM", () => void framework.end());
