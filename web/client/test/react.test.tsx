// @vitest-environment jsdom
import { act, cleanup, configure, renderHook, waitFor } from "@testing-library/react";
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Frame } from "../src/index.js";
import { useMessengerWebSocket, type MessengerWebSocketOptions } from "../src/react.js";
import { FakeSocket } from "./support/fake-socket.js";
import { jwt } from "./support/jwt.js";

// A second is little on a busy machine.
configure({ asyncUtilTimeout: 30_000 });

beforeEach(() => {
  FakeSocket.opened = [];
});
afterEach(cleanup);

const open = () => FakeSocket.opened.filter((socket) => socket.readyState < 2);

function options(more: Partial<MessengerWebSocketOptions> = {}) {
  const got: string[] = [];
  let lists = 0;
  const all: MessengerWebSocketOptions = {
    url: "https://tributary.example",
    userId: "user_a",
    getToken: () => jwt(),
    fetch: async () => Response.json({ items: [], nextCursor: null, cursor: `s${(lists += 1)}` }),
    WebSocket: FakeSocket,
    onSnapshot: ({ cursor }) => void got.push(cursor),
    onFrame: ({ cursor = "" }: Frame) => void got.push(cursor),
    ...more,
  };
  return { all, got };
}

test("follows while it is mounted, once, also in StrictMode", async () => {
  const { all, got } = options();
  const hook = renderHook(() => useMessengerWebSocket(all), { wrapper: StrictMode });
  expect(hook.result.current.state.status).toBe("connecting");
  await waitFor(() => expect(open()).toHaveLength(1));
  act(() => FakeSocket.last.open().message("c1"));
  expect(hook.result.current.state.status).toBe("live");
  // The stream of the first mount may have asked, and never told.
  expect(got).toHaveLength(2);
  expect(got[1]).toBe("c1");
  expect(FakeSocket.opened).toHaveLength(1);
  hook.unmount();
  expect(open()).toHaveLength(0);
  FakeSocket.last.message("c2");
  expect(got).toHaveLength(2);
});

test("calls the newest callbacks, and connects no more often for that", async () => {
  const { all } = options();
  const calls: string[] = [];
  const hook = renderHook(
    ({ name }) =>
      useMessengerWebSocket({ ...all, getToken: () => jwt(), onFrame: ({ cursor }) => void calls.push(`${name} ${cursor}`) }),
    { initialProps: { name: "first" } },
  );
  await waitFor(() => expect(open()).toHaveLength(1));
  const { client } = hook.result.current;
  act(() => FakeSocket.last.open().message("c1"));
  hook.rerender({ name: "second" });
  act(() => FakeSocket.last.message("c2"));
  expect(calls).toEqual(["first c1", "second c2"]);
  expect(FakeSocket.opened).toHaveLength(1);
  expect(hook.result.current.client).toBe(client);
});

test("another user begins anew, and nobody has no stream", async () => {
  const { all, got } = options();
  const hook = renderHook(({ userId }) => useMessengerWebSocket({ ...all, userId }), {
    initialProps: { userId: null as string | null },
  });
  expect(hook.result.current.state.status).toBe("signedOut");
  hook.rerender({ userId: "user_a" });
  await waitFor(() => expect(open()).toHaveLength(1));
  act(() => void FakeSocket.last.open());
  hook.rerender({ userId: "user_b" });
  await waitFor(() => expect(FakeSocket.opened).toHaveLength(2));
  expect(open()).toHaveLength(1);
  expect(got).toEqual(["s1", "s2"]);
  hook.rerender({ userId: null });
  expect(open()).toHaveLength(0);
  expect(hook.result.current.state.status).toBe("signedOut");
});

test("can be told not to wait, and has the rest of the API", async () => {
  const { all } = options();
  const hook = renderHook(() => useMessengerWebSocket(all));
  await waitFor(() => expect(open()).toHaveLength(1));
  act(() => FakeSocket.last.open().drop(4429));
  await waitFor(() => expect(hook.result.current.state.status).toBe("waiting"));
  act(() => hook.result.current.reconnect());
  await waitFor(() => expect(FakeSocket.opened).toHaveLength(2));
  expect(await hook.result.current.client.conversations()).toMatchObject({ cursor: "s2" });
});

test("is rendered on a server without connecting", () => {
  const { all } = options({ url: "/", fetch: vi.fn() });
  const Page = () => <p>{useMessengerWebSocket(all).state.status}</p>;
  expect(renderToString(<Page />)).toBe("<p>connecting</p>");
  expect(FakeSocket.opened).toEqual([]);
});
