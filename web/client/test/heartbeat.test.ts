// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeSocket } from "./support/fake-socket.js";
import { jwt } from "./support/jwt.js";
import { settle, watched } from "./support/stream.js";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.999);
});
afterEach(() => {
  vi.useRealTimers();
});

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);
/** Tokens that need no renewal, so that only heartbeats are heard. */
const getToken = () => jwt(36_000);
const pings = (socket: FakeSocket) => socket.sent.filter((frame) => frame.type === "ping").length;

/** The machine sleeps: the clock goes on, timers do not. */
function sleep(time: number): void {
  vi.setSystemTime(Date.now() + time * 1000);
}

function setVisible(visible: boolean): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(visible ? "visible" : "hidden");
  document.dispatchEvent(new Event("visibilitychange"));
}

describe("a connection", () => {
  test("that is quiet is asked, and stays while it answers", async () => {
    const { stream } = await watched({ getToken });
    const socket = FakeSocket.last.open({ heartbeatSeconds: 25 });
    await seconds(49);
    expect(pings(socket)).toBe(0);
    await seconds(3600);
    expect(pings(socket)).toBeGreaterThan(50);
    expect(pings(socket)).toBeLessThan(75);
    expect(FakeSocket.opened).toHaveLength(1);
    stream.close();
  });

  test("on which something happens is not asked", async () => {
    const { stream } = await watched({ getToken });
    const socket = FakeSocket.last.open();
    for (let nth = 0; nth < 60; nth += 1) {
      socket.message(`c${nth}`);
      await seconds(40);
    }
    expect(pings(socket)).toBe(0);
    stream.close();
  });

  test("that is dead is found out, and replaced", async () => {
    const { stream, seen } = await watched({ getToken });
    const dead = FakeSocket.last.open({ heartbeatSeconds: 25 });
    dead.message("c1");
    dead.answers = false;
    await seconds(50 + 10 + 10);
    expect(FakeSocket.opened).toHaveLength(2);
    expect(FakeSocket.last.since).toBe("c1");
    FakeSocket.last.open();
    // What the network held back all the time.
    dead.message("c2");
    expect(seen).toEqual(["c1"]);
    stream.close();
  });

  test("that never comes about is given up", async () => {
    const { stream } = await watched({ getToken });
    const first = FakeSocket.last;
    await seconds(16);
    expect(first.closedWith).toBe(1000);
    FakeSocket.last.readyState = 1;
    const opened = FakeSocket.opened.length;
    expect(opened).toBe(2);
    // Open, but whoever answers is not Tributary.
    await seconds(17);
    expect(FakeSocket.opened).toHaveLength(3);
    stream.close();
  });

  test("is checked when the machine has slept", async () => {
    const { stream } = await watched({ getToken });
    const socket = FakeSocket.last.open();
    await seconds(7);
    socket.answers = false;
    // Shorter than it may be silent.
    sleep(30);
    await seconds(5);
    expect(pings(socket)).toBe(1);
    await seconds(10);
    expect(FakeSocket.opened).toHaveLength(2);
    stream.close();
  });

  test("that was asked before the machine slept may answer when it is awake", async () => {
    const { stream } = await watched({ getToken });
    const socket = FakeSocket.last.open({ heartbeatSeconds: 25 });
    socket.answers = false;
    await seconds(52);
    expect(pings(socket)).toBe(1);
    sleep(3000);
    await seconds(5);
    socket.say({ type: "pong", data: {} });
    await seconds(30);
    expect(FakeSocket.opened).toHaveLength(1);
    stream.close();
  });

  test("survives a sleep when it is still there", async () => {
    const { stream } = await watched({ getToken: () => jwt(60) });
    const socket = FakeSocket.last.open();
    await seconds(7);
    sleep(45);
    await seconds(60);
    expect(FakeSocket.opened).toHaveLength(1);
    expect(socket.sent.map((frame) => frame.type)).toContain("auth");
    stream.close();
  });

  test("is checked when the network is back, and not waited for", async () => {
    const { stream } = await watched({ getToken });
    const socket = FakeSocket.last.open();
    window.dispatchEvent(new Event("online"));
    expect(pings(socket)).toBe(1);
    await settle();
    for (let nth = 0; nth < 6; nth += 1) {
      FakeSocket.last.drop();
      await seconds(nth < 5 ? 30 : 1);
    }
    expect(stream.state.status).toBe("waiting");
    const before = FakeSocket.opened.length;
    window.dispatchEvent(new Event("online"));
    await settle();
    expect(FakeSocket.opened).toHaveLength(before + 1);
    stream.close();
  });

  test("that other tabs took comes back with whoever looks at this one", async () => {
    const { stream } = await watched({ getToken });
    FakeSocket.last.open().drop(4429);
    await settle();
    window.dispatchEvent(new Event("online"));
    setVisible(false);
    await seconds(30);
    expect(FakeSocket.opened).toHaveLength(1);
    setVisible(true);
    await settle();
    expect(FakeSocket.opened).toHaveLength(2);
    stream.close();
  });

  test("that was closed listens to nothing any more", async () => {
    const { stream } = await watched({ getToken });
    FakeSocket.last.open().drop(4408);
    await settle();
    stream.close();
    const look = vi.spyOn(document, "visibilityState", "get");
    document.dispatchEvent(new Event("visibilitychange"));
    window.dispatchEvent(new Event("online"));
    await seconds(60);
    expect(look).not.toHaveBeenCalled();
    expect(FakeSocket.opened).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
