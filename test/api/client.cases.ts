/** Requests that calls make, and errors that answers carry. */
import t from "tap";
import {
  ApiError,
  API_ERRORS,
  pathParameters,
  readAnswer,
  requestOf,
  type Route,
  ROUTES,
} from "#api";

t.test("a call fills its path, escapes it, and leaves out what is undefined", async (t) => {
  const request = requestOf("taskLogs", {
    path: { task: "a/../b" },
    query: { file: "stdout", offset: -5, follow: undefined },
    token: "T",
    accept: "text/event-stream",
  });
  t.same(request, {
    method: "GET",
    target: "/v1/tasks/a%2F..%2Fb/logs?file=stdout&offset=-5",
    headers: { accept: "text/event-stream", authorization: "Bearer T" },
  });
});

t.test("a missing parameter is a fault of the caller, by name", async (t) => {
  t.throws(() => requestOf("showTask"), /needs the parameter task/);
});

t.test("an error keeps code, hint, status and exit code over the wire", async (t) => {
  for (const code of Object.keys(API_ERRORS) as (keyof typeof API_ERRORS)[]) {
    const error = new ApiError(code, "why", "what to do");
    const text = JSON.stringify(error.toBody());
    try {
      readAnswer("status", error.status, text);
      t.fail("an error's answer was taken for a success");
    } catch (read) {
      t.match(read, { code, message: "why", hint: "what to do", exit: API_ERRORS[code].exit });
    }
  }
});

t.test("an answer that is not ours is said to be so", async (t) => {
  t.throws(() => readAnswer("status", 502, "<html>"), /answered 502 without saying why/);
  t.throws(() => readAnswer("status", 200, "<html>"), /is not JSON/);
});

t.test("each route has its own method and path, and answers an object or a stream", async (t) => {
  const routes: Route[] = Object.values(ROUTES);
  const keys = routes.map(({ method, path }) => `${method} ${path}`);
  t.equal(new Set(keys).size, routes.length);
  for (const { path, output, stream } of routes) {
    t.equal((output === undefined) !== (stream === undefined), true, path);
    t.equal(new Set(pathParameters(path)).size, pathParameters(path).length);
  }
});
