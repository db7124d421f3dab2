/** The routes as an OpenAPI document, assembled from the same table that the server binds. */
import { API_ERRORS, pathParameters, type Route, ROUTES } from "#api";

export function openApi(build: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [name, route] of Object.entries(ROUTES) as [string, Route][]) {
    paths[route.path] ??= {};
    const methods = paths[route.path];
    if (methods !== undefined) methods[route.method.toLowerCase()] = operation(name, route);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Meseta", version: build },
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    security: [{ token: [] }],
    paths,
  };
}

function operation(name: string, route: Route): object {
  const query = Object.entries(route.query?.properties ?? {}).map(([key, schema]) => ({
    name: key,
    in: "query",
    required: route.query?.required?.includes(key) ?? false,
    schema,
  }));
  const path = pathParameters(route.path).map((key) => ({
    name: key,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const success =
    route.output === undefined
      ? { "text/event-stream": { schema: { type: "string" } } }
      : { "application/json": { schema: route.output } };
  return {
    operationId: name,
    summary: route.summary,
    "x-permission": route.permission,
    parameters: [...path, ...query],
    ...(route.body === undefined
      ? {}
      : { requestBody: { content: { "application/json": { schema: route.body } } } }),
    responses: {
      "200": { description: route.summary, content: success },
      default: { description: `An error: ${Object.keys(API_ERRORS).join(", ")}` },
    },
  };
}
