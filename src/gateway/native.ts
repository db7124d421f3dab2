/**
 * Walks the table of routes and binds each row to its handler: reads query and body by the
 * row's schemas, says what is wrong with them, answers JSON. There is no route outside the table.
 */
import type { Static, TObject, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { ApiError, type FileQuery, type Route, ROUTES, type RouteName } from "#api";
import type { HttpCall, HttpRoute } from "#http";
import type { GatewayContext } from "./context.ts";
import { EVENT_STREAM_TOPICS, eventStream } from "./native/events.ts";
import { fileHandlers, fileStream } from "./native/files.ts";
import type { Handlers } from "./native/handlers.ts";
import { logStream } from "./native/logs.ts";
import { agentHandlers } from "./native/agents.ts";
import { maintenanceHandlers } from "./native/maintenance.ts";
import { objectHandlers } from "./native/objects.ts";
import { roleHandlers } from "./native/roles.ts";
import { runHandlers } from "./native/runs.ts";
import { whyHandlers } from "./native/why.ts";

const HANDLERS: Handlers = {
  ...{},
  ...objectHandlers,
  ...fileHandlers,
  ...agentHandlers,
  ...maintenanceHandlers,
  ...roleHandlers,
  ...runHandlers,
  ...whyHandlers,
};

export function nativeRoutes(context: GatewayContext): HttpRoute[] {
  return (Object.keys(ROUTES) as RouteName[]).map((name) => {
    const route: Route = ROUTES[name];
    const { method, path, permission } = route;
    const base = { method, path, permission, open: false };
    if (name === "events") {
      return { ...{}, ...base, stream: true, handle: (call) => events(context, route, call) };
    }
    if (name === "taskFile") {
      return { ...{}, ...base, stream: true, handle: (call) => file(context, route, call) };
    }
    if (name === "taskLogs") {
      return { ...{}, ...base, stream: true, handle: (call) => logs(context, route, call) };
    }
    // The rows and the handlers have the same names; each handler takes what its row's schemas
    // let through, which the compiler cannot follow through a loop.
    const handler = HANDLERS[name] as (
      context: GatewayContext,
      asked: { path: object; query: unknown; body: unknown },
    ) => object | Promise<object>;
    return {
      ...{},
      ...base,
      stream: false,
      async handle(call) {
        const query = readQuery(route.query, call.query);
        const body = route.body === undefined ? undefined : await readBody(route.body, call);
        return json(await handler(context, { path: call.path, query, body }));
      },
    };
  });
}

function json(body: object): Response {
  return new Response(JSON.stringify(body), {
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });
}

/** Text of a query as the schema's types. @throws ApiError naming field, value and limit. */
function readQuery(schema: TObject | undefined, query: Readonly<Record<string, string>>): unknown {
  const known = Object.keys(schema?.properties ?? {});
  const unknown = Object.keys(query).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const hint = known.length > 0 ? `parameters are ${known.join(", ")}` : "it takes none";
    throw new ApiError("invalid", `there is no parameter ${JSON.stringify(unknown)}`, hint);
  }
  if (schema === undefined) return {};
  return checked(schema, Value.Convert(schema, { ...query }), "parameter");
}

async function readBody(schema: TSchema, call: HttpCall): Promise<unknown> {
  return checked(schema, await call.json(), "field");
}

function checked(schema: TSchema, value: unknown, noun: string): unknown {
  const fault = Value.Errors(schema, value).First();
  if (fault === undefined) return value;
  const field = fault.path === "" ? "the body" : `${noun} ${fault.path.slice(1)}`;
  const shown = JSON.stringify(fault.value) ?? "nothing";
  const limits = limitsOf(fault.schema);
  throw new ApiError("invalid", `${field}: ${shown.slice(0, 100)}: ${fault.message}${limits}`);
}

function limitsOf(schema: TSchema): string {
  const allowed = (schema["anyOf"] as { const?: unknown }[] | undefined)
    ?.map((one) => one.const)
    .filter((value) => value !== undefined);
  return allowed === undefined || allowed.length === 0 ? "" : `; one of ${allowed.join(", ")}`;
}

function events(context: GatewayContext, route: Route, call: HttpCall): Response {
  const query = readQuery(route.query, call.query) as { topics?: string; after?: string };
  const after = call.header("last-event-id") ?? query.after;
  const named = query.topics?.split(",").filter((topic) => topic.length > 0);
  const wrong = named?.find((topic) => !EVENT_STREAM_TOPICS.includes(topic));
  if (wrong !== undefined) {
    const hint = `topics are ${EVENT_STREAM_TOPICS.join(", ")}`;
    throw new ApiError("invalid", `there is no topic ${JSON.stringify(wrong)}`, hint);
  }
  return eventStream(context, {
    ...{},
    ...(after === undefined ? {} : { after }),
    ...(named === undefined ? {} : { topics: new Set(named) }),
  });
}

function file(context: GatewayContext, route: Route, call: HttpCall): Promise<Response> {
  const query = readQuery(route.query, call.query) as Static<typeof FileQuery>;
  const { path, offset = 0, length } = query;
  return fileStream(context, {
    task: call.path["task"] ?? "",
    path,
    offset,
    length: length ?? Number.POSITIVE_INFINITY,
    asEvents: (call.header("accept") ?? "").includes("text/event-stream"),
  });
}

function logs(context: GatewayContext, route: Route, call: HttpCall): Response {
  const query = readQuery(route.query, call.query) as {
    file?: "stdout" | "stderr";
    offset?: number;
    follow?: boolean;
  };
  const seen = Number(call.header("last-event-id") ?? Number.NaN);
  const range = /^bytes=(\d+)-$/.exec(call.header("range") ?? "")?.[1];
  return logStream(context, {
    task: call.path["task"] ?? "",
    file: query.file ?? "stdout",
    offset: Number.isSafeInteger(seen) ? seen : Number(range ?? query.offset ?? 0),
    follow: query.follow ?? false,
    asEvents: (call.header("accept") ?? "").includes("text/event-stream"),
  });
}
