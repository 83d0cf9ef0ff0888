import { expect, expectTypeOf, test } from "vitest";
import { createApi, TributaryError, type components, type Conversation, type Message } from "../src/index.js";

interface Asked {
  method: string;
  path: string;
  authorization: string | null;
  body: unknown;
}

/** An API whose calls are answered one after the other. */
function answered(...answers: Response[]) {
  const asked: Asked[] = [];
  const fetch = (async (url: URL, { method = "", headers, body }: RequestInit) => {
    const path = url.href.replace("https://x.example", "");
    asked.push({ method, path, authorization: new Headers(headers).get("Authorization"), body });
    return answers.shift() ?? Promise.reject(new TypeError("fetch failed"));
  }) as typeof globalThis.fetch;
  const getToken = ({ skipCache }: { skipCache: boolean }) => (skipCache ? "new" : "old");
  return { asked, api: createApi({ baseUrl: "https://x.example", getToken, fetch }) };
}

const page = (items: unknown[], nextCursor: string | null) => Response.json({ items, nextCursor });

test("a call has the method, the path, the query and the body of its operation", async () => {
  const { api, asked } = answered(page([], null), Response.json({ id: "c" }), Response.json({}, { status: 202 }));
  await api.get("/api/conversations/{id}/messages", { path: { id: "a/b" }, query: { limit: 2, cursor: undefined } });
  await api.post("/api/messenger/link", { body: { code: "ABCD-2345" } });
  await api.patch("/api/admin/rooms/{roomId}", { path: { roomId: "!r:x" }, body: { enabled: false } });
  expect(asked).toEqual([
    { method: "GET", path: "/api/conversations/a%2Fb/messages?limit=2", authorization: "Bearer old", body: undefined },
    { method: "POST", path: "/api/messenger/link", authorization: "Bearer old", body: '{"code":"ABCD-2345"}' },
    { method: "PATCH", path: "/api/admin/rooms/!r%3Ax", authorization: "Bearer old", body: '{"enabled":false}' },
  ]);
});

test("the types are those of the description", async () => {
  const { api } = answered();
  const listed = () => api.get("/api/conversations", { query: { limit: 1 } });
  expectTypeOf(listed).returns.resolves.toExtend<{ items: Conversation[]; cursor: string }>();
  expectTypeOf(() => api.delete("/api/account")).returns.resolves.toBeUndefined();
  const messages = () => api.items("/api/conversations/{id}/messages", { path: { id: "c" } });
  expectTypeOf<Awaited<ReturnType<ReturnType<typeof messages>["next"]>>["value"]>().toEqualTypeOf<
    components["schemas"]["Message"] | void
  >();
  // Both generators say the same.
  expectTypeOf<components["schemas"]["Message"]>().toExtend<Message>();
  expectTypeOf<Message>().toExtend<components["schemas"]["Message"]>();
  // @ts-expect-error there is no such path
  void (() => api.get("/api/nothing"));
  // @ts-expect-error it has another method
  void (() => api.post("/api/conversations"));
  // @ts-expect-error an id is wanted
  void (() => api.get("/api/messages/{id}"));
  // @ts-expect-error the parameter is a number
  void (() => api.get("/api/conversations", { query: { limit: "1" } }));
  // @ts-expect-error the body is wanted
  void (() => api.post("/api/messenger/link"));
  // @ts-expect-error it is no list
  void (() => api.items("/api/messenger/status"));
});

test("a list is read to its end, and no further than it is wanted", async () => {
  const { api, asked } = answered(page([1, 2], "x"), page([], "y"), page([3], null));
  const all: unknown[] = [];
  for await (const item of api.items("/api/admin/audit", { query: { action: "a", limit: 2 } })) all.push(item);
  expect(all).toEqual([1, 2, 3]);
  expect(asked.map(({ path }) => path.replace("/api/admin/audit", ""))).toEqual([
    "?action=a&limit=2",
    "?action=a&limit=2&cursor=x",
    "?action=a&limit=2&cursor=y",
  ]);
  const one = answered(page([1, 2], "x"));
  for await (const _ of one.api.items("/api/conversations")) break;
  expect(one.asked).toHaveLength(1);
});

test("a token that has just expired is renewed once", async () => {
  const refused = () => Response.json({ code: "unauthorized", detail: "exp" }, { status: 401 });
  const { api, asked } = answered(refused(), new Response(null, { status: 204 }), refused(), refused());
  expect(await api.delete("/api/account")).toBeUndefined();
  expect(asked.map(({ authorization }) => authorization)).toEqual(["Bearer old", "Bearer new"]);
  await expect(api.delete("/api/account")).rejects.toMatchObject({ status: 401, code: "unauthorized" });
});

test("what is no JSON is handed over as it is", async () => {
  const lines = new Response("{}\n{}\n", { headers: { "Content-Type": "application/x-ndjson" } });
  const { api } = answered(lines);
  expect(await api.get("/livez")).toBe(lines);
});

test("what goes wrong is an error with a code", async () => {
  const { api } = answered(Response.json({ code: "not_found", detail: "no such thing" }, { status: 404 }));
  const error: unknown = await api.get("/api/messages/{id}", { path: { id: "m" } }).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(TributaryError);
  expect(error).toMatchObject({ code: "not_found", status: 404, message: "no such thing" });
  await expect(api.get("/livez")).rejects.toMatchObject({ code: "network", status: 0 });
});
