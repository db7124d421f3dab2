/** Users of this machine by name, as `/etc/passwd` and `/etc/group` have them. Reads only. */
import { readFileSync } from "node:fs";
import type { ContainerUser } from "#runtime";

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Lines of colon-separated fields. */
function rows(text: string): string[][] {
  return text.split("\n").map((line) => line.split(":"));
}

export function parseAccounts(passwd: string): Map<string, Account> {
  const accounts = new Map<string, Account>();
  for (const [name = "", , uid = "", gid = ""] of rows(passwd)) {
    if (name === "" || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) continue;
    accounts.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  return accounts;
}

/** Ids of the groups that name the user as a member. */
export function groupsOf(name: string, group: string): number[] {
  return rows(group)
    .filter(
      ([, , gid = "", members = ""]) => /^\d+$/.test(gid) && members.split(",").includes(name),
    )
    .map(([, , gid]) => Number(gid));
}

/** Looks a name up; read anew each time, for users come and go while an agent runs. */
export function systemUser(name: string): ContainerUser | undefined {
  const account = parseAccounts(readFileSync("/etc/passwd", "utf8")).get(name);
  if (account === undefined) return undefined;
  return { ...account, groups: groupsOf(name, readFileSync("/etc/group", "utf8")) };
}
