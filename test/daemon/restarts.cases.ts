/** When a process that died is started again. */
import t from "tap";
import { RESTART_DEATHS_MAX, RESTARTS, Restarts, restartText } from "#daemon";

/** Dies at once whenever it was started. */
function dyingAtOnce(times: number): { readonly restarts: Restarts; readonly atMs: number } {
  const restarts = new Restarts();
  let atMs = 1_000_000;
  for (let n = 0; n < times; n++) atMs += restarts.died(atMs).inMs;
  return { restarts, atMs };
}

t.test("pauses double up to a bound, then become rare, and never end", async (test) => {
  const restarts = new Restarts();
  let atMs = 1_000_000;
  const pauses = Array.from({ length: 40 }, () => {
    const { inMs } = restarts.died(atMs);
    atMs += inMs;
    return inMs;
  });
  test.same(pauses.slice(0, 9), [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
  test.ok(pauses.slice(RESTART_DEATHS_MAX - 1).every((inMs) => inMs === RESTARTS.rareMs));
});

t.test("a process that lived for a while dies a first time again", async (test) => {
  const { restarts, atMs } = dyingAtOnce(15);
  const soon = restarts.died(atMs + RESTARTS.calmMs - 1);
  test.match(soon, { deaths: 16, isRare: true });
  const later = restarts.died(atMs + RESTARTS.calmMs - 1 + soon.inMs + RESTARTS.calmMs);
  test.match(later, { deaths: 1, isRare: false, inMs: RESTARTS.backoffFirstMs });
});

t.test("what people are told names the reason of a long pause", async (test) => {
  test.equal(restartText({ inMs: 200, deaths: 2, isRare: false }), "another starts in 200 ms");
  test.equal(
    restartText({ inMs: 30_000, deaths: 12, isRare: true }),
    "it died 12 times in a row, so another starts in 30 s; tasks run on",
  );
});
