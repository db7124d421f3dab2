/**
 * Messages in words for the trace: the kind, then every id, state and reason in the body, so
 * that a task is found in whatever speaks of it. Reads bodies of any kind; judges nothing.
 */

/** Words of one message; the rest is counted. A batch of updates may name hundreds of tasks. */
const WORDS_MAX = 64;
/** Fields whose values say what a message is about. */
const TELLING: ReadonlySet<string> = new Set([
  "state",
  "reason",
  "epoch",
  "masterId",
  "result",
  "uuid",
]);

function isTelling(name: string): boolean {
  return name.endsWith("Id") || TELLING.has(name);
}

function collect(value: unknown, words: Set<string>): void {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item === "object") collect(item, words);
    }
    return;
  }
  for (const [name, field] of Object.entries(value)) {
    if (Array.isArray(field) && name.endsWith("Ids")) {
      for (const id of field) words.add(String(id));
    } else if (typeof field === "object") collect(field, words);
    else if (isTelling(name) && field !== "" && field !== undefined) words.add(String(field));
  }
}

/** `UPDATE task-17 TASK_RUNNING agent-3-S1 …` */
export function messageText(kind: string, body: unknown): string {
  const words = new Set<string>();
  collect(body, words);
  const told = [...words].slice(0, WORDS_MAX);
  if (words.size > told.length) told.push(`and ${words.size - told.length} more`);
  return [kind, ...told].join(" ");
}
