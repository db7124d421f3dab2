/** Each checker is shown what it says that it looks at. */
import t from "tap";
import type { AnyMessage, Peer } from "#protocol";
import type { Checker } from "../../sim/checkers/checker.ts";
import { Watch } from "../../sim/checkers/watch.ts";

t.test("frames are shown to those whom their kinds concern, and headers to the rest", async (t) => {
  const shown: string[] = [];
  const named = (id: string, kinds?: Checker["kinds"]): Checker => ({
    id,
    statement: id,
    ...(kinds === undefined ? {} : { kinds }),
    on: () => void shown.push(id),
  });
  const watch = new Watch([named("offers", ["OFFERS"]), named("any"), named("word", ["UPDATE"])]);
  const says = (...kinds: string[]): string[] => {
    shown.length = 0;
    const messages = kinds.map((kind) => ({ kind, body: {} }) as AnyMessage);
    const header = { bytes: 1, epoch: 1, session: "s", number: 1, count: kinds.length };
    const frame = { ...header, speaker: "master" as Peer, subject: "s", messages };
    watch.tell({ what: "said", node: { name: "m", life: 1 }, frame });
    return [...shown];
  };
  t.same(says(), ["any"]);
  t.same(says("Beacon"), ["any"]);
  t.same(says("OFFERS", "OFFERS"), ["offers", "any"]);
  t.same(says("UPDATE"), ["any", "word"]);
  t.same(says("Beacon", "UPDATE"), ["offers", "any", "word"], "of several kinds it shows all");
});
