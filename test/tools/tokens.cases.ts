/**
 * The reader of sources: nothing inside of a comment, a string, a template or a regular expression is ever a name.
 */
import fc from "fast-check";
import t from "tap";
import { tokenize } from "../../tools/tidy/tokens.ts";

const names = (text: string): string[] =>
  tokenize(text)
    .tokens.filter(({ kind }) => kind === "name")
    .map(({ text: name }) => name);

const TABLE: readonly (readonly [string, readonly string[]])[] = [
  ["a // b\nc", ["a", "c"]],
  ["a /* b\n */ c", ["a", "c"]],
  ["a = 'b\\'c'; d", ["a", "d"]],
  ['a = "// b"; c', ["a", "c"]],
  ["`a ${b} c ${`d ${e}`} f`; g", ["b", "e", "g"]],
  ["`a ${{ b: { c: 1 } }} d`; e", ["b", "c", "e"]],
  ["`\\${a}`; b", ["b"]],
  ["a = /b[/]c\\/d/u; e", ["a", "u", "e"]],
  ["a = b / c / d", ["a", "b", "c", "d"]],
  ["return /a/.test(b)", ["return", "test", "b"]],
  ["f(a) / b / c", ["f", "a", "b", "c"]],
  ["#!/usr/bin/env node\na", ["a"]],
  ["this.#a + 1e3 + 0xff", ["this", "#a"]],
];

t.test("names are found outside of text only", async (t) => {
  for (const [text, wanted] of TABLE) t.same(names(text), wanted, text);
});

t.test("lines are counted through comments, templates and strings", async (t) => {
  const { tokens } = tokenize("/*\n*/ `\n${\na}\n`\n; b");
  t.equal(tokens.find(({ text }) => text === "a")?.line, 4);
  t.equal(tokens.find(({ text }) => text === "b")?.line, 6);
});

t.test(
  "whatever stands in a string, it hides nothing behind it and shows nothing inside",
  async (t) => {
    const property = fc.property(fc.string(), (text) => {
      const source = `before(${JSON.stringify(text)}); after`;
      return names(source).join() === "before,after";
    });
    fc.assert(property);
    t.pass("a hundred strings");
  },
);

t.test("any text at all is read to its end", async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => tokenize(text).tokens.length >= 0),
  );
  t.pass("a hundred texts");
});
