/** Equal bags are one bag, and what is remembered of two bags is what they come to. */
import fc from "fast-check";
import t from "tap";
import { Resources } from "#resources";

t.test("equal small bags are one, whatever they were made of", async (t) => {
  const whole = Resources.of("cpus:4;mem:512;ports:[1-9]");
  t.equal(Resources.of("cpus:4;mem:512;ports:[1-9]"), whole);
  t.equal(Resources.of("cpus:1;mem:512").add(Resources.of("cpus:3;ports:[1-9]")), whole);
  t.equal(
    Resources.of("cpus:5;mem:512;ports:[1-20]").subtract(Resources.of("cpus:1;ports:[10-20]")),
    whole,
  );
  t.not(Resources.of("cpus:4;mem:512;ports:[1-8]"), whole);
  t.not(Resources.of("cpus(a):4;mem:512;ports:[1-9]"), whole);
});

t.test("a bag of more objects than are compared is still equal to its like", async (t) => {
  const text = Array.from({ length: 17 }, (_, i) => `r${i}:1`).join(";");
  const [one, other] = [Resources.of(text), Resources.of(text)];
  t.not(one, other);
  t.ok(one.equals(other));
  t.ok(one.subtract(other).isEmpty);
  t.equal(one.add(other).get("r16"), 2000);
});

/** Far more different bags than are remembered, so that places are taken over again and again. */
t.test("what is forgotten is computed anew, and comes to the same", async () => {
  const amount = fc.integer({ min: 1, max: 50_000 });
  fc.assert(
    fc.property(fc.array(fc.tuple(amount, amount), { minLength: 50, maxLength: 200 }), (pairs) => {
      for (const [left, right] of [...pairs, ...pairs]) {
        const [a, b] = [Resources.of(`cpus:${left}`), Resources.of(`cpus:${right}`)];
        if (a.add(b).cpusMilli !== 1000 * (left + right)) return false;
        if (a.subtract(b).cpusMilli !== 1000 * Math.max(0, left - right)) return false;
      }
      return true;
    }),
    { numRuns: 100 },
  );
});

t.test("what is written does not hang on who said it first", async (t) => {
  const scalar = { milli: 7_777_000 };
  const stack = { role: "first", type: "STATIC" } as const;
  const [, ours] = [
    Resources.fromWire([{ reservations: [stack], scalar, type: "SCALAR", name: "cpus" }]),
    Resources.of("cpus(first):7777"),
  ];
  const written =
    '[{"name":"cpus","type":"SCALAR","reservations":[{"type":"STATIC","role":"first"}],"scalar":{"milli":7777000}}]';
  t.equal(JSON.stringify(ours.toWire()), written);
});
