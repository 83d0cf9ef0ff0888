import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { frames } from "../src/index.js";
import { FakeSocket } from "./support/fake-socket.js";
import { jwt } from "./support/jwt.js";

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.opened = [];
});
afterEach(() => {
  vi.useRealTimers();
});

const options = { url: "https://tributary.example", getToken: () => jwt(), WebSocket: FakeSocket };

test("a loop gets one frame after the other, a resync in its place", async () => {
  const iterator = frames({ ...options, since: "c0" });
  const first = iterator.next();
  await vi.advanceTimersByTimeAsync(0);
  const socket = FakeSocket.last.open({ live: false });
  socket.say({ type: "resync", cursor: "c5", data: { reason: "foreign" } });
  socket.message("c6");
  const got = [await first, await iterator.next()].map(({ value }) => value && `${value.type} ${value.cursor}`);
  expect(got).toEqual(["resync c5", "message.created c6"]);
  // Not yet behind the cursor: the loop has not come back.
  socket.drop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.opened).toHaveLength(1);
  const next = iterator.next();
  await vi.advanceTimersByTimeAsync(1000);
  expect(FakeSocket.last.since).toBe("c6");
  FakeSocket.last.open().message("c7");
  expect((await next).value?.cursor).toBe("c7");
  await iterator.return();
  expect(FakeSocket.last.closedWith).toBe(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test("a loop ends with its signal, and fails when there is no understanding", async () => {
  const controller = new AbortController();
  const ended = frames({ ...options, signal: controller.signal }).next();
  await vi.advanceTimersByTimeAsync(0);
  controller.abort();
  expect(await ended).toEqual({ value: undefined, done: true });

  const failed = frames(options).next();
  const caught = failed.catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.open().drop(1008);
  await vi.advanceTimersByTimeAsync(0);
  expect(await caught).toMatchObject({ code: "incompatible" });
  expect(vi.getTimerCount()).toBe(0);
});

test("leaving a loop closes the stream", async () => {
  const seen: Array<string | undefined> = [];
  const loop = (async () => {
    for await (const frame of frames(options)) {
      seen.push(frame.cursor);
      if (seen.length === 2) break;
    }
  })();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.open();
  for (const cursor of ["c1", "c2", "c3"]) FakeSocket.last.message(cursor);
  await loop;
  expect(seen).toEqual(["c1", "c2"]);
  expect(FakeSocket.last.closedWith).toBe(1000);
});
