import { afterEach, expect, test, vi } from "vitest";
import { TributaryClient, TributaryError, type ClientOptions, type ConversationList } from "../src/index.js";
import { FakeSocket } from "./support/fake-socket.js";
import { jwt } from "./support/jwt.js";

afterEach(() => {
  vi.useRealTimers();
});

interface Asked {
  method: string;
  path: string;
  authorization: string | null;
  body: unknown;
}

/** A client whose calls are answered one after the other. */
function answered(answers: Response[], options: Partial<ClientOptions> = {}) {
  const asked: Asked[] = [];
  const fetch = (async (url: URL, init: RequestInit) => {
    const headers = new Headers(init.headers);
    const body = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
    asked.push({ method: init.method ?? "", path: url.href, authorization: headers.get("Authorization"), body });
    const answer = answers.shift();
    if (answer === undefined) throw new TypeError("fetch failed");
    return answer;
  }) as typeof globalThis.fetch;
  const client = new TributaryClient({ url: "https://x.example/t", getToken: () => "a.b.c", fetch, ...options });
  return { client, asked };
}

const json = (body: object, status = 200) => Response.json(body, { status });
const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: "about:blank", title: "T", status, detail: "in words", code }), {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });
const list = (cursor: string): ConversationList => ({ items: [], nextCursor: null, cursor });

test("every call asks what the server has", async () => {
  const { client, asked } = answered([
    ...Array.from({ length: 8 }, () => json({})),
    new Response(null, { status: 204 }),
    new Response(null, { status: 204 }),
  ]);
  await client.conversations({ limit: 5, cursor: "a&b" });
  await client.conversation("1/2");
  await client.messages("c", { limit: 2 });
  await client.message("m");
  await client.read("c");
  await client.status("k");
  await client.connectMessenger();
  await client.link("ABCD-2345");
  expect(await client.disconnectMessenger("k", { purge: true })).toBeUndefined();
  expect(await client.deleteAccount()).toBeUndefined();
  const base = "https://x.example/t/api";
  expect(asked.map(({ method, path }) => `${method} ${path.replace(base, "")}`)).toEqual([
    "GET /conversations?limit=5&cursor=a%26b",
    "GET /conversations/1%2F2",
    "GET /conversations/c/messages?limit=2",
    "GET /messages/m",
    "POST /conversations/c/read",
    "GET /messenger/status?connectionId=k",
    "POST /messenger/connect",
    "POST /messenger/link",
    "DELETE /messenger/connections/k?purge=true",
    "DELETE /account",
  ]);
  expect(asked.at(-3)?.body).toEqual({ code: "ABCD-2345" });
  expect(new Set(asked.map((each) => each.authorization))).toEqual(new Set(["Bearer a.b.c"]));
});

test("a refusal is an error that says what to do", async () => {
  const { client } = answered([problem(429, "rate_limited", { "Retry-After": "7" }), new Response("<html>", { status: 502 })]);
  const error: unknown = await client.link("x").catch((error: unknown) => error);
  expect(error).toBeInstanceOf(TributaryError);
  expect(error).toMatchObject({ status: 429, code: "rate_limited", retryAfter: 7, message: "in words" });
  await expect(client.status()).rejects.toMatchObject({ status: 502, code: "unknown", retryAfter: undefined });
  await expect(client.status()).rejects.toMatchObject({ status: 0, code: "network" });
});

test("a token that has expired on its way is replaced once", async () => {
  const getToken = vi.fn(({ skipCache }: { skipCache: boolean }) => (skipCache ? "new" : "old"));
  const { client, asked } = answered([problem(401, "unauthorized"), json({}), problem(401, "unauthorized"), problem(401, "unauthorized")], {
    getToken,
  });
  await client.status();
  expect(asked.map((each) => each.authorization)).toEqual(["Bearer old", "Bearer new"]);
  await expect(client.status()).rejects.toMatchObject({ status: 401, code: "unauthorized" });
  expect(asked).toHaveLength(4);
});

test("without a token nothing is asked", async () => {
  const { client, asked } = answered([], { getToken: () => null });
  await expect(client.conversations()).rejects.toMatchObject({ status: 0, code: "signed_out" });
  expect(asked).toEqual([]);
});

test("a page may say where Tributary is by a path", async () => {
  vi.stubGlobal("location", { href: "https://app.example/inbox?x=1" });
  FakeSocket.opened = [];
  const { client, asked } = answered([json({})], { url: "/", WebSocket: FakeSocket });
  await client.status();
  expect(asked[0]?.path).toBe("https://app.example/api/messenger/status");
  const stream = client.stream({ onFrame: () => {}, onResync: () => {}, since: "c" });
  await vi.waitFor(() => expect(FakeSocket.last.url).toBe("wss://app.example/ws?since=c"), { timeout: 30_000 });
  stream.close();
});

test("following loads the list, and goes on from exactly there", async () => {
  vi.useFakeTimers();
  FakeSocket.opened = [];
  const { client, asked } = answered([problem(503, "unavailable", { "Retry-After": "1" }), json(list("s1")), json(list("s2"))], {
    getToken: () => jwt(),
    WebSocket: FakeSocket,
  });
  const got: string[] = [];
  const errors: unknown[] = [];
  const stream = client.follow({
    limit: 7,
    onSnapshot: ({ cursor }) => void got.push(cursor),
    onFrame: ({ cursor = "" }) => void got.push(cursor),
    onError: (error) => errors.push(error),
  });
  await vi.advanceTimersByTimeAsync(900);
  expect([asked.length, got]).toEqual([1, []]);
  await vi.advanceTimersByTimeAsync(200);
  expect(asked.map(({ path }) => new URL(path).search)).toEqual(["?limit=7", "?limit=7"]);
  FakeSocket.last.open({ missed: ["c2"] });
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(1000);
  // Resumed, not loaded again.
  expect(FakeSocket.opened.map((socket) => socket.since)).toEqual(["s1", "c2"]);
  expect(asked).toHaveLength(2);
  FakeSocket.last.open({ live: false }).say({ type: "resync", cursor: "c9", data: { reason: "expired" } });
  await vi.advanceTimersByTimeAsync(4000);
  FakeSocket.last.open({ missed: ["c10"] });
  expect(got).toEqual(["s1", "c2", "s2", "c10"]);
  expect(errors).toHaveLength(1);
  stream.close();
});

test("following ends without another word, also while it loads", async () => {
  let answer: (response: Response) => void = () => {};
  const { client } = answered([], {
    fetch: () => new Promise<Response>((resolve) => (answer = resolve)),
    WebSocket: FakeSocket,
  });
  const onSnapshot = vi.fn();
  const stream = client.follow({ onSnapshot, onFrame: () => {} });
  await new Promise(setImmediate);
  stream.close();
  answer(json(list("s1")));
  await new Promise(setImmediate);
  expect(onSnapshot).not.toHaveBeenCalled();
});

test("a list that is never answered is asked for again", async () => {
  vi.useFakeTimers();
  let asked = 0;
  const { client } = answered([], {
    fetch: (_, init) =>
      new Promise((_resolve, reject) => {
        asked += 1;
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error));
      }),
    getToken: () => jwt(),
    WebSocket: FakeSocket,
  });
  const errors: unknown[] = [];
  const stream = client.follow({ onSnapshot: () => {}, onFrame: () => {}, onError: (error) => errors.push(error) });
  await vi.advanceTimersByTimeAsync(29_000);
  expect([asked, errors.length]).toEqual([1, 0]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect([asked, errors.length]).toEqual([2, 1]);
  stream.close();
});

test("nobody who is signed out loads anything", async () => {
  const { client, asked } = answered([], { getToken: () => null, WebSocket: FakeSocket });
  const stream = client.follow({ onSnapshot: () => {}, onFrame: () => {} });
  await vi.waitFor(() => expect(stream.state.status).toBe("signedOut"), { timeout: 30_000 });
  expect(asked).toEqual([]);
  stream.close();
});
