/**
 * Role names: paths of components separated by `/`. Says what is a valid role and how roles relate;
 * knows nothing of weights, quotas or who subscribes. Source: Mesos, roles.md.
 */

import { ROLE_LENGTH_MAX } from "#protocol";

/** The role of resources that nobody reserved, and of frameworks that name none. */
export const DEFAULT_ROLE = "*";

// Backspace and every kind of blank, as Mesos forbids them; the other control characters with them.
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the purpose.
const FORBIDDEN = /[\s\u0000-\u001f\u007f]/;

/** Why a text is no role, as a sentence that names it, or undefined. */
export function invalidRole(role: string): string | undefined {
  if (role === DEFAULT_ROLE) return undefined;
  const shown = JSON.stringify(role);
  if (role === "") return "role is empty";
  if (role.length > ROLE_LENGTH_MAX) {
    return `role has ${role.length} characters; at most ${ROLE_LENGTH_MAX} are allowed`;
  }
  if (role.startsWith("-")) return `role ${shown} starts with "-"`;
  if (FORBIDDEN.test(role)) return `role ${shown} holds a blank or a control character`;
  for (const component of role.split("/")) {
    if (component === "")
      return `role ${shown} has an empty component (leading, trailing or double "/")`;
    if (component === "." || component === ".." || component === DEFAULT_ROLE) {
      return `role ${shown} has the component "${component}"`;
    }
  }
  return undefined;
}

/** `b/c` is a strict sub-role of `b`; `bx` and `b` itself are not. Nothing is one of `*`. */
export function isStrictSubrole(role: string, of: string): boolean {
  return role.length > of.length && role.startsWith(of) && role[of.length] === "/";
}

/** From the parent upwards: `a/b/c` ⇒ `a/b`, `a`. */
export function ancestorsOf(role: string): string[] {
  const ancestors: string[] = [];
  for (let at = role.lastIndexOf("/"); at > 0; at = role.lastIndexOf("/", at - 1)) {
    ancestors.push(role.slice(0, at));
  }
  return ancestors;
}

export function parentOf(role: string): string | undefined {
  const at = role.lastIndexOf("/");
  return at > 0 ? role.slice(0, at) : undefined;
}

export function isHierarchical(role: string): boolean {
  return role.includes("/");
}
