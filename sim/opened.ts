/**
 * Records of the log as checkers read them: each is opened once in a run, however many masters
 * read it and however many checkers look. Opens nothing for the product.
 */
import { type Opened, open } from "#replication";

const OPENED = new WeakMap<Uint8Array, Opened>();

/** What stands in a record; the log hands the same bytes to all that read it. */
export function opened(bytes: Uint8Array): Opened {
  let found = OPENED.get(bytes);
  if (found === undefined) {
    found = open(bytes);
    OPENED.set(bytes, found);
  }
  return found;
}
