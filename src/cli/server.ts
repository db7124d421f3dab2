/** The way to a master's HTTP API: one request per call, and streams of events. */
import { type CallOptions, ApiError, type OutputOf, readAnswer, readApiError } from "#api";
import { requestOf, type RouteName, type SseEvent, SseReader } from "#api";
import type { Config } from "#config";
import { pickContext } from "./contexts.ts";

export class Server {
  /** Of masters of one cluster; each answers for whoever leads. */
  #addresses: readonly string[];
  readonly #token: string;
  readonly #timeoutMs: number;

  constructor(address: string, token: string, timeoutMs: number) {
    this.#addresses = address.split(",").map((one) => one.trim().replace(/\/$/, ""));
    this.#token = token;
    this.#timeoutMs = timeoutMs;
  }

  /** From the settings: --server and --token, else the context. */
  static of(config: Config): Server {
    const server = config.text("server");
    const token = config.text("token");
    const timeoutMs = config.durationMs("timeout");
    if (server !== undefined && token !== undefined) return new Server(server, token, timeoutMs);
    const context = pickContext(config.text("context"));
    return new Server(server ?? context.server, token ?? context.token, timeoutMs);
  }

  /** @throws ApiError what the server refused, unreachable, timeout. */
  async call<Name extends RouteName>(
    name: Name,
    options: Omit<CallOptions<Name>, "token"> = {},
  ): Promise<OutputOf<Name>> {
    const response = await this.#fetch(name, options, AbortSignal.timeout(this.#timeoutMs));
    return readAnswer(name, response.status, await response.text());
  }

  /** Events of a stream until it ends or `signal` ends it. */
  async *stream<Name extends RouteName>(
    name: Name,
    options: Omit<CallOptions<Name>, "token">,
    signal: AbortSignal,
  ): AsyncGenerator<SseEvent> {
    const response = await this.#fetch(name, { ...options, accept: "text/event-stream" }, signal);
    if (!response.ok || response.body === null) {
      const text = await response.text();
      let body: unknown;
      try {
        body = JSON.parse(text);
      } catch (error) {
        throw new ApiError("failed", `the server answered ${response.status}: ${String(error)}`);
      }
      throw readApiError(response.status, body);
    }
    const reader = new SseReader();
    const decoder = new TextDecoder();
    for await (const bytes of response.body) {
      yield* reader.push(decoder.decode(bytes as Uint8Array, { stream: true }));
    }
  }

  async #fetch<Name extends RouteName>(
    name: Name,
    options: Omit<CallOptions<Name>, "token">,
    signal: AbortSignal,
  ): Promise<Response> {
    const { target, ...request } = requestOf(name, {
      ...options,
      token: this.#token,
    } as CallOptions<Name>);
    let why: unknown;
    for (const address of this.#addresses) {
      try {
        const response = await fetch(`${address}${target}`, { ...request, signal });
        // The one that answers is asked first from now on.
        const others = this.#addresses.filter((each) => each !== address);
        this.#addresses = [address, ...others];
        return response;
      } catch (error) {
        why ??= unreachable(address, error, this.#timeoutMs);
        if (!isRefused(error)) throw unreachable(address, error, this.#timeoutMs);
      }
    }
    throw why;
  }
}

/** Nobody listens there: nothing was asked, so another may be asked the same. */
function isRefused(error: unknown): boolean {
  return (error as { cause?: { code?: string } }).cause?.code === "ECONNREFUSED";
}

function unreachable(address: string, error: unknown, timeoutMs: number): Error {
  const { name, cause } = error as Error & { cause?: { code?: string } };
  if (name === "AbortError") return error as Error;
  if (name === "TimeoutError") {
    const hint = "is the master busy? --timeout 2m waits longer";
    return new ApiError("timeout", `${address} did not answer within ${timeoutMs} ms`, hint);
  }
  const why = cause?.code ?? (error as Error).message;
  const hint = "is it running? meseta up starts a cluster, meseta status looks at it";
  return new ApiError("unreachable", `cannot reach ${address}: ${why}`, hint);
}
