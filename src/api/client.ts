/**
 * The client's half of the routes, without the network: which request a call makes, and what an
 * answer means. Whoever has a `fetch` (command line, page, tests) puts it between the two.
 */
import { ApiError, readApiError } from "./errors.ts";
import { fillPath, type InputOf, type OutputOf, ROUTES, type RouteName } from "./routes.ts";

export interface HttpRequest {
  readonly method: string;
  /** Path and query, to be put behind the server's address. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type QueryValue = string | number | boolean | undefined;

export interface CallOptions<Name extends RouteName> {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly body?: InputOf<Name>;
  /** Bearer token of the context. */
  readonly token?: string;
  readonly accept?: "application/json" | "text/event-stream" | "application/octet-stream";
}

/** The request that a call of the route makes. */
export function requestOf<Name extends RouteName>(
  name: Name,
  options: CallOptions<Name> = {},
): HttpRequest {
  const route = ROUTES[name];
  const query = Object.entries(options.query ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`);
  const target = fillPath(route.path, options.path ?? {});
  const headers: Record<string, string> = { accept: options.accept ?? "application/json" };
  if (options.token !== undefined) headers["authorization"] = `Bearer ${options.token}`;
  const request = {
    method: route.method,
    target: query.length > 0 ? `${target}?${query.join("&")}` : target,
    headers,
  };
  if (options.body === undefined) return request;
  headers["content-type"] = "application/json";
  return { ...{}, ...request, body: JSON.stringify(options.body) };
}

/**
 * The output of a route from an answer's status and text.
 * @throws ApiError what the server refused and why.
 */
export function readAnswer<Name extends RouteName>(
  _name: Name,
  status: number,
  text: string,
): OutputOf<Name> {
  const body = parseJson(text);
  if (status < 200 || status > 299) throw readApiError(status, body);
  if (body === undefined) throw new ApiError("failed", "the server's answer is not JSON");
  return body as OutputOf<Name>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Not JSON: a proxy's page, or an answer cut short. The caller says so with the status.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
