/** Tables of system calls as text: facts of the kernel's interface, which never change. */

export type SyscallTable = ReadonlyMap<string, number>;

/** A number begins a run; each name behind it has the next number. */
export function readTable(text: string): SyscallTable {
  const table = new Map<string, number>();
  let next = 0;
  for (const word of text.split(/\s+/)) {
    if (/^\d+$/.test(word)) next = Number(word);
    else if (word !== "") table.set(word, next++);
  }
  return table;
}
