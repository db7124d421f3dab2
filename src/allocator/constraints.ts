/**
 * Offer constraints: what a framework says of the agents that it wants offers from in a role, as
 * groups of which one must hold (mesos.md §3.3). Compiled once, judged once per agent and change of
 * the agent.
 */
import type { Attribute } from "#protocol";
import { compilePattern } from "./pattern.ts";

/** Fault domain of an agent. */
export type Domain = { readonly region: string; readonly zone: string };

/** An attribute by its name, or what is known of every agent. */
export type ConstraintSelector =
  | { readonly attribute: string }
  | { readonly pseudo: "HOSTNAME" | "REGION" | "ZONE" };

export type ConstraintPredicate =
  | { readonly kind: "exists" | "not_exists" }
  | { readonly kind: "text_equals" | "text_not_equals"; readonly value: string }
  /** The pattern must match the whole value. */
  | { readonly kind: "text_matches" | "text_not_matches"; readonly pattern: string };

export type Constraint = {
  readonly selector: ConstraintSelector;
  readonly predicate: ConstraintPredicate;
};

/** One of the groups must hold, and of it all constraints. */
export type OfferConstraints = { readonly groups: readonly (readonly Constraint[])[] };

/** What constraints look at; a new object whenever any of it changes. */
export type ConstraintSubject = {
  readonly hostname: string | undefined;
  readonly attributes: readonly Attribute[];
  readonly domain: Domain | undefined;
};

type Check = (subject: ConstraintSubject) => boolean;

export class CompiledConstraints {
  readonly #groups: readonly (readonly Check[])[];
  readonly #verdicts = new WeakMap<ConstraintSubject, boolean>();

  /** @throws RangeError where a group is missing or empty, or a pattern is none. */
  constructor(role: string, { groups }: OfferConstraints) {
    if (groups.length === 0 || groups.some((group) => group.length === 0)) {
      throw new RangeError(`offer constraints of role ${role}: a list of groups, or one, is empty`);
    }
    this.#groups = groups.map((group) => group.map(compile));
  }

  admits(subject: ConstraintSubject): boolean {
    const known = this.#verdicts.get(subject);
    if (known !== undefined) return known;
    const verdict = this.#groups.some((group) => group.every((check) => check(subject)));
    this.#verdicts.set(subject, verdict);
    return verdict;
  }
}

export function compileConstraints(
  constraints: ReadonlyMap<string, OfferConstraints> | undefined,
): ReadonlyMap<string, CompiledConstraints> {
  const compiled = new Map<string, CompiledConstraints>();
  for (const [role, each] of constraints ?? []) {
    compiled.set(role, new CompiledConstraints(role, each));
  }
  return compiled;
}

function compile({ selector, predicate }: Constraint): Check {
  const select = selection(selector);
  switch (predicate.kind) {
    case "exists":
      return (subject) => select(subject) !== undefined;
    case "not_exists":
      return (subject) => select(subject) === undefined;
    case "text_equals":
    case "text_not_equals":
      return textCheck(select, predicate.kind === "text_equals", (t) => t === predicate.value);
    case "text_matches":
    case "text_not_matches":
      return textCheck(
        select,
        predicate.kind === "text_matches",
        compilePattern(predicate.pattern),
      );
  }
}

type Found = { readonly text: string | undefined } | undefined;

/** Of several attributes with one name the first counts. */
function selection(selector: ConstraintSelector): (subject: ConstraintSubject) => Found {
  if ("attribute" in selector) {
    return ({ attributes }) => {
      const found = attributes.find(({ name }) => name === selector.attribute);
      return found === undefined
        ? undefined
        : { text: found.type === "TEXT" ? found.text : undefined };
    };
  }
  return ({ hostname, domain }) => {
    const text = { HOSTNAME: hostname, REGION: domain?.region, ZONE: domain?.zone }[
      selector.pseudo
    ];
    return text === undefined ? undefined : { text };
  };
}

/** What is missing fails a demand and passes its opposite; what is no text passes both. */
function textCheck(
  select: (subject: ConstraintSubject) => Found,
  wanted: boolean,
  holds: (text: string) => boolean,
): Check {
  return (subject) => {
    const found = select(subject);
    if (found === undefined) return !wanted;
    return found.text === undefined || holds(found.text) === wanted;
  };
}
