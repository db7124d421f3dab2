/**
 * An HTTP server with our bounds: sizes, times, identity before anything else. Knows nothing of
 * Meseta's objects; whoever starts it gives the routes.
 */
import type { AddressInfo } from "node:net";
import { type HttpBindings, serve } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { ApiError, type Permission } from "#api";
import { allow, type Identity, identify, type Tokens } from "./identify.ts";
import {
  HTTP_BODY_BYTES_MAX,
  HTTP_HEADERS_MS_MAX,
  HTTP_REQUEST_MS_MAX,
  HTTP_STREAMS_MAX,
  HTTP_TARGET_LENGTH_MAX,
} from "./limits.ts";
import { problemOf } from "./problem.ts";

export interface HttpCall {
  readonly identity: Identity | undefined;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  header(name: string): string | undefined;
  /** The JSON body. @throws ApiError for another media type, bad JSON, or too much of it. */
  json(): Promise<unknown>;
}

export interface HttpRoute {
  readonly method: string;
  /** Parts in braces are parameters. */
  readonly path: string;
  /** Without identity: health checks only. */
  readonly open: boolean;
  /** What a caller must at least be allowed to; `operate` where nothing is said. */
  readonly permission?: Permission;
  readonly stream: boolean;
  handle(call: HttpCall): Promise<Response> | Response;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tokens: Tokens;
  readonly routes: readonly HttpRoute[];
  /** Told of errors that are not the caller's. */
  report(error: unknown): void;
}

export interface RunningHttp {
  readonly host: string;
  readonly port: number;
  /** Requests answered, by status. */
  readonly answered: ReadonlyMap<number, number>;
  close(): Promise<void>;
}

type Bound = Context<{ Bindings: HttpBindings }>;

/** @throws when the address cannot be listened on; the message names host and port. */
export async function startHttp(options: HttpServerOptions): Promise<RunningHttp> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const answered = new Map<number, number>();
  let streams = 0;
  app.use(async (context, next) => {
    if (context.req.url.length > HTTP_TARGET_LENGTH_MAX) {
      throw new ApiError("too-large", `the address is longer than ${HTTP_TARGET_LENGTH_MAX}`);
    }
    await next();
    answered.set(context.res.status, (answered.get(context.res.status) ?? 0) + 1);
  });
  for (const route of options.routes) {
    const path = route.path.replace(/\{([a-z]+)\}/g, ":$1");
    app.on(route.method, path, async (context) => {
      const call = callOf(context, route, options.tokens);
      if (!route.stream) return await route.handle(call);
      if (streams >= HTTP_STREAMS_MAX) {
        const message = `${HTTP_STREAMS_MAX} streams are open, which is the limit`;
        throw new ApiError("busy", message, "close one, or ask another master");
      }
      streams += 1;
      context.env.outgoing.once("close", () => {
        streams -= 1;
      });
      return await route.handle(call);
    });
  }
  app.notFound((context) => {
    const there = options.routes.some((route) => matchesPath(route.path, context.req.path));
    const error = there
      ? new ApiError("method-not-allowed", `${context.req.method} is not for this path`)
      : new ApiError("not-found", `there is no route ${context.req.path}`, "see /openapi.json");
    return problemOf(error, options.report);
  });
  app.onError((error) => problemOf(error, options.report));
  return await listen(app, options, answered);
}

function callOf(context: Bound, route: HttpRoute, tokens: Tokens): HttpCall {
  const header = (name: string): string | undefined => context.req.header(name);
  const identity = route.open ? undefined : identify(header("authorization"), tokens);
  if (identity !== undefined) allow(identity, route.permission ?? "operate");
  return {
    identity,
    path: context.req.param() as Record<string, string>,
    query: context.req.query(),
    header,
    json: () => readJson(context),
  };
}

async function readJson(context: Bound): Promise<unknown> {
  const type = context.req.header("content-type") ?? "";
  if (!/^application\/json(;|$)/.test(type)) {
    const message = `the body's type is ${JSON.stringify(type)}, not application/json`;
    throw new ApiError("media-type", message);
  }
  let length = 0;
  const chunks: Uint8Array[] = [];
  for await (const chunk of context.env.incoming) {
    length += chunk.length;
    if (length > HTTP_BODY_BYTES_MAX) {
      throw new ApiError("too-large", `the body is larger than ${HTTP_BODY_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError("invalid", `the body is not JSON: ${(error as Error).message}`);
  }
}

function matchesPath(pattern: string, path: string): boolean {
  const expression = pattern.replace(/\{[a-z]+\}/g, "[^/]+");
  return new RegExp(`^${expression}$`).test(path);
}

function listen(
  app: Hono<{ Bindings: HttpBindings }>,
  { host, port }: HttpServerOptions,
  answered: ReadonlyMap<number, number>,
): Promise<RunningHttp> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: host, port }, (info: AddressInfo) => {
      resolve({
        host,
        port: info.port,
        answered,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            if ("closeAllConnections" in server) server.closeAllConnections();
          }),
      });
    });
    if ("headersTimeout" in server) {
      server.headersTimeout = HTTP_HEADERS_MS_MAX;
      server.requestTimeout = HTTP_REQUEST_MS_MAX;
    }
    server.once("error", (error: NodeJS.ErrnoException) => {
      const mend = error.code === "EADDRINUSE" ? "; choose another with --port" : "";
      reject(new Error(`cannot listen on ${host}:${port}: ${error.message}${mend}`));
    });
  });
}
