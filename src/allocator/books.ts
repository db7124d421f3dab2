/**
 * Books each piece on all who count it: the agent, the role, the framework, and the loans. Knows who
 * holds something without being known as a framework; decides nothing.
 */
import type { FrameworkId } from "#protocol";
import type { Resources } from "#resources";
import type { Agents, Slot } from "./agents.ts";
import type { Conversion, OfferCandidate } from "./contract.ts";
import type { Lending } from "./lending.ts";
import type { Framework, Roles, Subscription } from "./roles.ts";
import { chargeOf, partsByRole, type Totals } from "./shares.ts";
import { Strangers } from "./strangers.ts";

/** What all books stand in. */
export type Accounts = {
  readonly totals: Totals;
  readonly agents: Agents;
  readonly roles: Roles;
  readonly frameworks: ReadonlyMap<FrameworkId, Framework>;
  readonly lending: Lending;
};

export class Books {
  readonly #accounts: Accounts;
  readonly #strangers = new Strangers();

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  take(slot: Slot, frameworkId: FrameworkId, role: string, resources: Resources): void {
    const { totals, agents, roles, frameworks } = this.#accounts;
    const charge = chargeOf(totals.names, agents.idOf(slot), resources.unallocate());
    const framework = frameworks.get(frameworkId);
    agents.take(slot, frameworkId, resources);
    roles.charge(role, framework, charge);
    if (framework === undefined) this.noteStranger(slot, frameworkId);
  }

  give(slot: Slot, frameworkId: FrameworkId, role: string, resources: Resources): void {
    const { totals, agents, roles, frameworks, lending } = this.#accounts;
    const bare = resources.unallocate();
    const agentId = agents.idOf(slot);
    const charge = chargeOf(totals.names, agentId, bare);
    const framework = frameworks.get(frameworkId);
    agents.give(slot, frameworkId, resources, bare);
    roles.release(role, framework, charge);
    if (framework === undefined) this.noteStranger(slot, frameworkId);
    if (!lending.isOut) return;
    const total = lending.giveBack({ frameworkId, agentId, role }, bare);
    if (total !== undefined) this.setTotal(slot, total);
  }

  offer(slot: Slot, subscription: Subscription, resources: Resources): OfferCandidate {
    const { totals, agents, roles } = this.#accounts;
    const { framework, role } = subscription;
    const agentId = agents.idOf(slot);
    const allocated = resources.allocate(role.name);
    agents.take(slot, framework.id, allocated);
    roles.chargeOffer(subscription, chargeOf(totals.names, agentId, resources));
    if (framework.hoarding !== undefined) {
      framework.hoarding.offer = { agentId, resources: allocated };
    }
    return { frameworkId: framework.id, role: role.name, agentId, resources: allocated };
  }

  /** Plain resources of the agent become revocable, on loan. */
  lend(
    slot: Slot,
    holder: { readonly frameworkId: FrameworkId; readonly role: string },
    loan: { readonly lent: Resources; readonly nowMs: number },
  ): void {
    const agentId = this.#accounts.agents.idOf(slot);
    const total = this.total(slot);
    const lot = { ...{}, ...holder, agentId, resources: loan.lent, sinceMs: loan.nowMs };
    this.#accounts.lending.lend(lot, total);
    this.setTotal(slot, total);
  }

  /** What comes with an agent as held, revocable, and beyond what it has of that: on loan before. */
  recognizeLoans(slot: Slot): void {
    const { agents, lending } = this.#accounts;
    if (!lending.isOn) return;
    let own = this.total(slot).revocable();
    for (const [frameworkId, held] of agents.holders(slot)) {
      for (const [role, part] of partsByRole(held)) {
        const revocable = part.unallocate().revocable();
        const lent = revocable.subtract(own).filter(({ type }) => type === "SCALAR");
        own = own.subtract(revocable);
        if (!lent.isEmpty) this.lend(slot, { frameworkId, role }, { lent, nowMs: 0 });
      }
    }
  }

  /** An accepted operation: what the framework holds changes, and what the agent has. */
  convertHeld(
    slot: Slot,
    by: { readonly frameworkId: FrameworkId; readonly role: string },
    conversions: readonly Conversion[],
  ): void {
    const { totals, agents, roles, frameworks } = this.#accounts;
    const agentId = agents.idOf(slot);
    for (const { consumed, converted } of conversions) {
      const gone = consumed.unallocate();
      const come = converted.unallocate();
      agents.convertHeld(slot, by.frameworkId, gone.allocate(by.role), come.allocate(by.role));
      // An agent has one of each shared resource, however many copies are held.
      this.setTotal(slot, this.total(slot).subtract(gone).add(come).singleCopies());
      roles.convert(by.role, frameworks.get(by.frameworkId), {
        gone: chargeOf(totals.names, agentId, gone),
        come: chargeOf(totals.names, agentId, come),
      });
    }
  }

  /** The same on what nobody holds; false, and nothing done, where it is not free. */
  convertFree(slot: Slot, conversions: readonly Conversion[]): boolean {
    let free = this.#accounts.agents.free(slot);
    let total = this.total(slot);
    for (const { consumed, converted } of conversions) {
      if (!free.contains(consumed)) return false;
      free = free.subtract(consumed).add(converted);
      total = total.subtract(consumed).add(converted);
    }
    this.setTotal(slot, total);
    return true;
  }

  /** What the agent has itself. */
  total(slot: Slot): Resources {
    const { agents, lending } = this.#accounts;
    return lending.totalOf(agents.idOf(slot)) ?? agents.total(slot);
  }

  setTotal(slot: Slot, total: Resources): void {
    const { agents, lending } = this.#accounts;
    agents.setTotal(slot, lending.shown(agents.idOf(slot), total));
  }

  /** A framework becomes known, with all that it holds. */
  welcome(framework: Framework): void {
    const { totals, agents, roles } = this.#accounts;
    for (const agentId of this.#strangers.take(framework.id)) {
      for (const [role, part] of partsByRole(agents.held(agents.slotOf(agentId), framework.id))) {
        roles.chargeFramework(role, framework, chargeOf(totals.names, agentId, part));
      }
    }
  }

  /** Keeps the list of those who hold something there without being known. */
  noteStranger(slot: Slot, frameworkId: FrameworkId): void {
    const { agents, frameworks } = this.#accounts;
    if (frameworks.has(frameworkId)) return;
    const holds = agents.holders(slot).has(frameworkId);
    this.#strangers.note(frameworkId, agents.idOf(slot), holds);
  }
}
