/** A real server on loopback: who gets in, what is refused, how slow readers are cut. */
import t from "tap";
import { ApiError } from "#api";
import { HTTP_BODY_BYTES_MAX, type HttpRoute, startHttp, streamResponse, tokensOf } from "#http";

const echo: HttpRoute = {
  method: "POST",
  path: "/echo/{name}",
  open: false,
  stream: false,
  async handle(call) {
    return Response.json({ name: call.path["name"], body: await call.json() });
  },
};

async function serverWith(t: { teardown(end: () => unknown): void }, routes: readonly HttpRoute[]) {
  const reported: unknown[] = [];
  const server = await startHttp({
    host: "127.0.0.1",
    port: 0,
    tokens: tokensOf([
      ["secret", { principal: "owner", may: "operate" }],
      ["look", { principal: "reader", may: "read" }],
    ]),
    routes,
    report: (error) => reported.push(error),
  });
  t.teardown(() => server.close());
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}${path}`, {
      ...init,
      headers: { authorization: "Bearer secret", ...init.headers },
    });
  return { server, ask, reported };
}

const json = { "content-type": "application/json" };

t.test("nobody gets in without the token, and nobody is told which part was wrong", async (t) => {
  const { ask } = await serverWith(t, [echo]);
  for (const authorization of ["", "Bearer wrong", "Basic c2VjcmV0", "Bearer  secret"]) {
    const headers = { ...json, authorization };
    const response = await ask("/echo/a", { method: "POST", body: "1", headers });
    t.equal(response.status, 401, authorization);
    t.match(await response.json(), { error: { code: "unauthenticated" } });
  }
  const response = await ask("/echo/a", { method: "POST", body: "[1]", headers: json });
  t.same(await response.json(), { name: "a", body: [1] });
});

t.test(
  "a token opens what it may, and no route that says nothing is open to readers",
  async (t) => {
    const { ask } = await serverWith(t, [
      echo,
      { ...echo, path: "/seen/{name}", permission: "read" },
    ]);
    const headers = { ...json, authorization: "Bearer look" };
    const seen = await ask("/seen/a", { method: "POST", body: "1", headers });
    t.equal(seen.status, 200);
    const refused = await ask("/echo/a", { method: "POST", body: "1", headers });
    t.equal(refused.status, 403);
    t.match(await refused.json(), {
      error: {
        code: "not-allowed",
        message: "reader may read, and this needs a token that may operate",
      },
    });
  },
);

t.test("wrong methods, paths, types, bodies and sizes each get their own answer", async (t) => {
  const { ask, reported } = await serverWith(t, [echo]);
  const codeOf = async (path: string, init: RequestInit): Promise<string> =>
    ((await (await ask(path, init)).json()) as { error: { code: string } }).error.code;
  t.equal(await codeOf("/echo/a", { method: "PUT" }), "method-not-allowed");
  t.equal(await codeOf("/nothing", {}), "not-found");
  t.equal(await codeOf("/echo/a", { method: "POST", body: "1" }), "media-type");
  t.equal(await codeOf("/echo/a", { method: "POST", body: "{", headers: json }), "invalid");
  const body = `"${"x".repeat(HTTP_BODY_BYTES_MAX)}"`;
  t.equal(await codeOf("/echo/a", { method: "POST", body, headers: json }), "too-large");
  t.equal(await codeOf(`/echo/${"a".repeat(9000)}`, { method: "POST" }), "too-large");
  t.same(reported, [], "the caller's faults are not ours");
});

t.test("a fault of ours tells nothing of our insides, and is reported", async (t) => {
  const broken = { ...echo, handle: () => Promise.reject(new Error("password=hunter2")) };
  const { ask, reported } = await serverWith(t, [broken]);
  const response = await ask("/echo/a", { method: "POST" });
  t.equal(response.status, 500);
  t.notMatch(await response.text(), /hunter2/);
  t.match(reported, [/hunter2/]);
});

t.test("an error with a code keeps it", async (t) => {
  const handle = (): never => {
    throw new ApiError("no-leader", "nobody leads");
  };
  const { ask } = await serverWith(t, [{ ...echo, handle }]);
  t.equal((await ask("/echo/a", { method: "POST" })).status, 503);
});

t.test("a reader who takes nothing is cut instead of filling the memory", async (t) => {
  let accepted = 0;
  let stopped = false;
  const chunk = new Uint8Array(256 * 1024);
  const flood: HttpRoute = {
    ...echo,
    method: "GET",
    path: "/flood",
    stream: true,
    handle: () =>
      streamResponse({}, false, (writer) => {
        while (accepted < 1000 && writer.write(chunk)) accepted += 1;
        return () => {
          stopped = true;
        };
      }),
  };
  const { ask } = await serverWith(t, [flood]);
  await t.rejects(async () => (await ask("/flood")).arrayBuffer());
  t.equal(stopped, true);
  t.equal(accepted < 20, true, `${accepted} chunks were kept`);
});
