/**
 * Messages in words for the trace: the kind, then every id, state and reason in the body, so
 * that a task is found in whatever speaks of it. Reads bodies of any kind; judges nothing.
 */

/** Words of one message; the rest is counted. A batch of updates may name hundreds of tasks. */
const WORDS_MAX = 64;
/** Fields whose values say what a message is about, the most telling first. */
const TELLING = ["taskId", "state", "offerId", "agentId", "executorId", "reason", "masterId"];
/** Besides these, whatever is called an id is told, after them. */
const TOLD_TOO: ReadonlySet<string> = new Set(["epoch", "uuid"]);

function rankOf(name: string): number | undefined {
  const place = TELLING.indexOf(name);
  if (place >= 0) return place;
  return name.endsWith("Id") || TOLD_TOO.has(name) ? TELLING.length : undefined;
}

/** Words by their rank. */
type Words = Set<string>[];

function collect(value: object, words: Words): void {
  if (value instanceof Uint8Array) return;
  for (const [name, field] of Object.entries(value)) {
    if (typeof field === "object" && field !== null) {
      if (name.endsWith("Ids") && Array.isArray(field)) {
        for (const id of field) words[TELLING.length]?.add(String(id));
      } else collect(field, words);
      continue;
    }
    const rank = rankOf(name);
    if (rank !== undefined && field !== "" && field !== undefined) words[rank]?.add(String(field));
  }
}

/** `UPDATE task-17 TASK_RUNNING agent-3-S1 …` */
export function messageText(kind: string, body: unknown): string {
  const words: Words = Array.from({ length: TELLING.length + 1 }, () => new Set());
  if (typeof body === "object" && body !== null) collect(body, words);
  const all = [...new Set(words.flatMap((each) => [...each]))];
  const told = all.slice(0, WORDS_MAX);
  if (all.length > told.length) told.push(`and ${all.length - told.length} more`);
  return [kind, ...told].join(" ");
}
