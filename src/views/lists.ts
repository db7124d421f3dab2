/** Lists as pages: filtered, sorted by id, cut at a cursor; and objects found by a short id. */
import { ApiError, matches, PAGE_LENGTH_DEFAULT, parseFilter, pick } from "#api";
import { compareText } from "#resources";

export interface ListRequest {
  readonly limit?: number;
  readonly after?: string;
  readonly filter?: string;
  readonly fields?: string;
}

export interface Page {
  readonly items: readonly object[];
  readonly next?: string;
  readonly index: string;
}

/**
 * @param fields names that filters and `fields` may use: those of the object's schema.
 * @throws ApiError invalid, for a field that does not exist.
 */
export function pageOfItems<Item extends { readonly id?: string; readonly name?: string }>(
  items: readonly Item[],
  request: ListRequest,
  fields: readonly string[],
  index: string,
): Page {
  const conditions = parseFilter(request.filter ?? "", fields);
  const keyed = items
    .filter((item) => matches(item as Readonly<Record<string, unknown>>, conditions))
    .map((item) => ({ key: cursorOf(item), item }))
    .sort((a, b) => compareText(a.key, b.key));
  const { after } = request;
  const rest = after === undefined ? keyed : keyed.filter(({ key }) => key > after);
  const limit = request.limit ?? PAGE_LENGTH_DEFAULT;
  const shown = rest.slice(0, limit);
  const last = shown.at(-1);
  const page = {
    items: shown.map(({ item }) =>
      request.fields === undefined
        ? item
        : pick(item as Readonly<Record<string, unknown>>, request.fields, fields),
    ),
    index,
  };
  return rest.length > limit && last !== undefined ? { ...{}, ...page, next: last.key } : page;
}

function cursorOf(item: { readonly id?: string; readonly name?: string }): string {
  const framework = (item as { frameworkId?: string }).frameworkId ?? "";
  return `${item.id ?? item.name ?? ""} ${framework}`;
}

/** Shortest beginning of an id that is looked up. */
export const ID_PREFIX_LENGTH_MIN = 4;

/**
 * The object whose id, name, or unambiguous beginning of an id is `text`.
 * @throws ApiError not-found, or invalid with the candidates.
 */
export function findOne<Item extends { readonly id: string; readonly name?: string }>(
  noun: string,
  text: string,
  items: readonly Item[],
): Item {
  const exact = items.filter((item) => item.id === text);
  const named = exact.length > 0 ? exact : items.filter((item) => item.name === text);
  const short = text.length >= ID_PREFIX_LENGTH_MIN;
  const found =
    named.length > 0 ? named : items.filter((item) => short && item.id.startsWith(text));
  const [first, second] = found;
  if (first === undefined) {
    throw new ApiError("not-found", `there is no ${noun} ${JSON.stringify(text)}`);
  }
  if (second !== undefined) {
    const some = found.slice(0, 5).map((item) => item.id);
    const message = `${JSON.stringify(text)} names ${found.length} ${noun}s`;
    throw new ApiError("invalid", message, `use one of the ids ${some.join(", ")}`);
  }
  return first;
}
