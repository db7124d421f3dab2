/**
 * Who somebody is on the bus: a role and the ids that belong to it, checked. It holds the one
 * spelling of a credential's name and of an inbox; it grants nothing (permissions.ts does).
 */
import {
  agentPeer,
  type ContainerId,
  executorPeer,
  frameworkPeer,
  type InstanceId,
  idFault,
  type MasterId,
  operatorPeer,
  type Principal,
  type Speaker,
  type TokenId,
} from "#protocol";

/** What a credential vouches for. An executor stands under its agent's principal. */
export type Identity =
  | { readonly role: "master"; readonly masterId: MasterId }
  | { readonly role: "agent"; readonly principal: Principal }
  | { readonly role: "framework"; readonly principal: Principal; readonly instance: InstanceId }
  | { readonly role: "executor"; readonly principal: Principal; readonly containerId: ContainerId }
  | { readonly role: "operator"; readonly principal: Principal }
  /** May ask for a credential, and nothing else. */
  | { readonly role: "joiner"; readonly tokenId: TokenId }
  /** Answers joiners; one in a cluster, beside the keys that sign. */
  | { readonly role: "registrar" };

export const ROLES: readonly Speaker[] = [
  "master",
  "agent",
  "framework",
  "executor",
  "operator",
  "joiner",
  "registrar",
];

/**
 * Why these parts name nobody, as a sentence; undefined where they do. A broker pastes names into
 * subjects as they are, so a name with a wildcard or a dot would be a right over others (P-4.5).
 */
export function identityFault(identity: Identity): string | undefined {
  for (const [field, text] of Object.entries(identity)) {
    if (field === "role") continue;
    const fault = idFault(text);
    if (fault !== undefined) return `${field}: ${fault}`;
  }
  return ROLES.includes(identity.role) ? undefined : `role: unknown role ${identity.role}`;
}

/** The name in a credential: its ids, joined by a dot where there are two. */
export function credentialName(identity: Identity): string {
  switch (identity.role) {
    case "master":
      return identity.masterId;
    case "agent":
    case "operator":
      return identity.principal;
    case "framework":
      return `${identity.principal}.${identity.instance}`;
    case "executor":
      return `${identity.principal}.${identity.containerId}`;
    case "joiner":
      return identity.tokenId;
    case "registrar":
      return identity.role;
  }
}

/** Who it is, for people and for files: the role and the name. */
export function holderOf(identity: Identity): string {
  return `${identity.role} ${credentialName(identity)}`;
}

/** Everything that is answered to `identity` arrives below this subject. */
export function inboxOf(identity: Identity): string {
  switch (identity.role) {
    case "master":
      return `_INBOX.master.${identity.masterId}`;
    case "agent":
      return `_INBOX.${agentPeer(identity.principal)}`;
    case "framework":
      return `_INBOX.${frameworkPeer(identity.principal, identity.instance)}`;
    case "executor":
      return `_INBOX.${executorPeer(identity.principal, identity.containerId)}`;
    case "operator":
      return `_INBOX.${operatorPeer(identity.principal)}`;
    case "joiner":
      return `_INBOX.joiner.${identity.tokenId}`;
    case "registrar":
      return "_INBOX.registrar";
  }
}
