/** Chance from the system's own source; good enough for names that nobody may guess. */
import { randomInt, randomUUID } from "node:crypto";
import { asId } from "#protocol";
import type { Random } from "#runtime";

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const LETTERS_AND_DIGITS = `${LETTERS}0123456789`;

export function systemRandom(): Random {
  const oneOf = (letters: string): string => letters.charAt(randomInt(letters.length));
  return {
    below: (bound) => randomInt(bound),
    uuid: () => asId(randomUUID()),
    token(length) {
      let text = oneOf(LETTERS);
      while (text.length < length) text += oneOf(LETTERS_AND_DIGITS);
      return text;
    },
  };
}
