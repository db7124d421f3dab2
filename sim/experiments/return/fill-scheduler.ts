/** A scheduler that puts as many tasks on each offer as fit, which then run until they are killed. */
import type { Driver } from "#actors/framework";
import type { Offer } from "#protocol";
import { type Need, Scheduler, slotsIn } from "../nsdi11/scheduler.ts";

export class FillScheduler extends Scheduler {
  readonly #name: string;
  readonly #need: Need;
  #launched = 0;
  /** In how many epochs it was subscribed. */
  subscriptions = 0;

  constructor(name: string, need: Need) {
    super();
    this.#name = name;
    this.#need = need;
  }

  protected override subscribed(): void {
    this.subscriptions += 1;
  }

  protected override offered(offers: readonly Offer[], driver: Driver): void {
    for (const offer of offers) {
      const count = slotsIn(offer, this.#need);
      if (count < 1) {
        driver.decline([offer.offerId]);
        continue;
      }
      const tasks = Array.from({ length: count }, () => {
        this.#launched += 1;
        return { taskId: `${this.#name}-${this.#launched}`, need: this.#need, ms: undefined };
      });
      this.launch(offer, tasks, driver);
    }
  }

  protected override ended(): void {
    this.lost += 1;
  }
}
