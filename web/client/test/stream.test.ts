import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { connect } from "../src/index.js";
import { FakeSocket } from "./support/fake-socket.js";
import { settle, watched } from "./support/stream.js";

beforeEach(() => {
  vi.useFakeTimers();
  // The longest delays that the jitter allows.
  vi.spyOn(Math, "random").mockReturnValue(0.999);
});
afterEach(() => {
  vi.useRealTimers();
});

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);
const names = (states: Array<{ status: string }>) => states.map((state) => state.status);

describe("a stream", () => {
  test("offers its token as a browser has to, and begins where it is told", async () => {
    const { stream } = await watched({ since: "c+0" });
    expect(FakeSocket.last.url).toBe("wss://tributary.example/ws?since=c%2B0");
    expect(FakeSocket.last.protocols[0]).toBe("tributary.v1");
    expect(FakeSocket.last.protocols[1]).toMatch(/^bearer\.[\w-]+\.[\w-]+\.[\w-]+$/);
    stream.close();
  });

  test("says what it is doing", async () => {
    const { stream, states } = await watched({ since: "c0" });
    expect(stream.state.status).toBe("connecting");
    FakeSocket.last.open({ live: false });
    expect(stream.state.status).toBe("replaying");
    FakeSocket.last.say({ type: "live", cursor: "c0", data: {} });
    expect(stream.state.status).toBe("live");
    FakeSocket.last.drop();
    await settle();
    expect(stream.state).toMatchObject({ status: "waiting", cause: { code: 1006 } });
    await seconds(1);
    expect(stream.state.status).toBe("connecting");
    stream.close();
    expect(names(states)).toEqual(["connecting", "replaying", "live", "waiting", "connecting", "closed"]);
  });

  test("resumes after the last frame that was handled, and hands nothing over twice", async () => {
    const { stream, seen } = await watched();
    expect(FakeSocket.last.since).toBeNull();
    FakeSocket.last.open({ cursor: "c0" });
    FakeSocket.last.message("c1");
    FakeSocket.last.message("c2");
    FakeSocket.last.say({ type: "typing", data: { conversationId: "c", participantIds: [] } });
    FakeSocket.last.drop();
    await seconds(1);
    expect(FakeSocket.last.since).toBe("c2");
    // A server that repeats itself.
    FakeSocket.last.open({ missed: ["c1", "c2", "c3"] });
    expect(seen).toEqual(["c1", "c2", "typing", "c3"]);
    expect(stream.cursor).toBe("c3");
    stream.close();
  });

  test("loses nothing when it had got nothing but a hello", async () => {
    const { stream } = await watched();
    FakeSocket.last.open({ cursor: "c7", live: false });
    FakeSocket.last.drop();
    await seconds(1);
    expect(FakeSocket.last.since).toBe("c7");
    stream.close();
  });

  test("a slow handler gets one frame after the other, and decides where to resume", async () => {
    let release = () => {};
    const begun: string[] = [];
    const { stream } = await watched({
      onFrame: async (frame) => {
        begun.push(frame.cursor ?? "");
        await new Promise<void>((resolve) => (release = resolve));
      },
    });
    const first = FakeSocket.last.open();
    first.message("c1");
    first.message("c2");
    expect(begun).toEqual(["c1"]);
    expect(stream.cursor).toBe("c0");
    first.drop();
    await seconds(60);
    expect(FakeSocket.opened).toHaveLength(1);
    release();
    await settle();
    expect(begun).toEqual(["c1", "c2"]);
    release();
    await seconds(1);
    expect(FakeSocket.last.since).toBe("c2");
    stream.close();
  });

  test("what it keeps for a handler is bounded", async () => {
    const gate: Array<() => void> = [];
    const begun: string[] = [];
    const { stream } = await watched({
      maxQueue: 10,
      onFrame: (frame) => {
        begun.push(frame.cursor ?? "");
        return new Promise<void>((resolve) => gate.push(resolve));
      },
    });
    const first = FakeSocket.last.open();
    for (let nth = 1; nth <= 100; nth += 1) first.message(`c${nth}`);
    expect(first.closedWith).toBe(1000);
    while (FakeSocket.opened.length === 1) {
      gate.shift()?.();
      await settle();
    }
    expect(begun.at(-1)).toBe("c11");
    expect(FakeSocket.last.since).toBe("c11");
    expect(stream.state.status).toBe("connecting");
    stream.close();
  });

  test("a handler that throws stops nothing, and somebody hears of it", async () => {
    const { stream, errors } = await watched({
      onFrame: (frame) => {
        if (frame.cursor === "c1") throw new Error("no");
        return frame.cursor === "c2" ? Promise.reject(new Error("nor this")) : undefined;
      },
    });
    FakeSocket.last.open();
    for (const cursor of ["c1", "c2", "c3"]) FakeSocket.last.message(cursor);
    await settle();
    expect(stream.cursor).toBe("c3");
    expect(errors.map(String)).toEqual(["Error: no", "Error: nor this"]);
    stream.close();
  });

  test("passes by what a later server sends, and what is no frame at all", async () => {
    const { stream, seen } = await watched();
    FakeSocket.last.open();
    FakeSocket.last.say({ type: "call.started", cursor: "c1", data: {} });
    expect(stream.cursor).toBe("c1");
    FakeSocket.last.onmessage?.({ data: "{" });
    FakeSocket.last.onmessage?.({ data: "[]" });
    FakeSocket.last.onmessage?.({ data: new ArrayBuffer(1) });
    FakeSocket.last.message("c2");
    expect(seen).toEqual(["c2"]);
    expect(stream.state.status).toBe("live");
    stream.close();
  });

  test("an old socket has no share in it", async () => {
    const { stream, seen } = await watched();
    const first = FakeSocket.last.open();
    first.drop();
    await seconds(1);
    FakeSocket.last.open();
    first.message("c9");
    expect(seen).toEqual([]);
    stream.close();
  });
});

describe("a resync", () => {
  const resync = { type: "resync", cursor: "c50", data: { reason: "expired" } };

  test("holds everything back until all is loaded, and goes on from its cursor", async () => {
    let loaded = () => {};
    const reasons: string[] = [];
    const { stream, seen } = await watched({
      since: "c1",
      onResync: ({ data }) => {
        reasons.push(data.reason);
        return new Promise<void>((resolve) => (loaded = resolve));
      },
    });
    FakeSocket.last.open({ live: false });
    FakeSocket.last.say(resync);
    FakeSocket.last.say({ type: "live", cursor: "c50", data: {} });
    FakeSocket.last.message("c51");
    await settle();
    expect([reasons, seen, stream.cursor, stream.state.status]).toEqual([["expired"], [], "c1", "replaying"]);
    loaded();
    await settle();
    expect([seen, stream.cursor, stream.state.status]).toEqual([["c51"], "c51", "live"]);
    stream.close();
  });

  test("that could not be loaded is asked for again", async () => {
    const onResync = vi.fn(() => Promise.reject(new Error("503")));
    const { stream, seen, errors } = await watched({ since: "c1", onResync });
    FakeSocket.last.open({ live: false });
    FakeSocket.last.say(resync);
    FakeSocket.last.message("c51");
    await seconds(1);
    expect(FakeSocket.opened).toHaveLength(2);
    expect(FakeSocket.last.since).toBe("c1");
    expect(seen).toEqual([]);
    expect(errors).toHaveLength(1);
    onResync.mockResolvedValue(undefined as never);
    FakeSocket.last.open({ live: false });
    FakeSocket.last.say(resync);
    FakeSocket.last.message("c51");
    await settle();
    expect(seen).toEqual(["c51"]);
    stream.close();
  });

  test("of a stream with a snapshot takes a new one, and begins behind that", async () => {
    let taken = 0;
    const { stream, seen } = await watched({
      load: () => Promise.resolve(`s${(taken += 1)}`),
    });
    expect(FakeSocket.last.since).toBe("s1");
    FakeSocket.last.open({ live: false });
    FakeSocket.last.say(resync);
    FakeSocket.last.message("c51");
    await settle();
    expect(FakeSocket.opened).toHaveLength(2);
    expect(FakeSocket.last.since).toBe("s2");
    FakeSocket.last.open({ missed: ["c52"] });
    expect(seen).toEqual(["c52"]);
    stream.close();
  });
});

describe("the end of a socket", () => {
  test("of which other tabs are the reason is not fought over", async () => {
    const { stream } = await watched();
    FakeSocket.last.open().drop(4429);
    await seconds(59);
    expect(FakeSocket.opened).toHaveLength(1);
    expect(stream.state).toMatchObject({ status: "waiting", cause: { code: 4429 } });
    stream.reconnect();
    await settle();
    expect(FakeSocket.opened).toHaveLength(2);
    stream.close();
  });

  test("that is a restart is followed within a second", async () => {
    const { stream } = await watched();
    FakeSocket.last.open().drop(1012);
    await seconds(1);
    expect(FakeSocket.opened).toHaveLength(2);
    stream.close();
  });

  test("that finds the client malformed is the last one", async () => {
    const { stream } = await watched();
    FakeSocket.last.open().drop(1008);
    await seconds(3600);
    expect(FakeSocket.opened).toHaveLength(1);
    expect(stream.state).toMatchObject({ status: "closed", error: { code: "incompatible" } });
  });

  test("while nobody answers is followed more and more rarely", async () => {
    const { stream } = await watched();
    for (let minute = 0; minute < 10; minute += 1) {
      for (let second = 0; second < 60; second += 1) {
        FakeSocket.last.drop();
        await seconds(1);
      }
    }
    // 0.5, 1, 2, 4, 8, 16 and then every 30 seconds: about 25 in ten minutes.
    expect(FakeSocket.opened.length).toBeGreaterThan(20);
    expect(FakeSocket.opened.length).toBeLessThan(30);
    stream.close();
  });

  test("right after each beginning is no stable connection", async () => {
    const { stream } = await watched();
    for (let nth = 0; nth < 300; nth += 1) {
      if (FakeSocket.last.readyState === 0) FakeSocket.last.open().drop(4408);
      await seconds(1);
    }
    expect(FakeSocket.opened.length).toBeLessThan(20);
    stream.close();
  });

  test("after a while of being live is forgotten", async () => {
    const { stream } = await watched();
    for (let nth = 0; nth < 10; nth += 1) {
      FakeSocket.last.drop();
      await seconds(31);
    }
    FakeSocket.last.open();
    await seconds(11);
    const before = FakeSocket.opened.length;
    FakeSocket.last.drop();
    await seconds(0.5);
    expect(FakeSocket.opened).toHaveLength(before + 1);
    stream.close();
  });
});

describe("closing", () => {
  test("is idempotent, and leaves nothing behind, at whatever moment", async () => {
    const moments: Array<[string, (socket: FakeSocket) => void]> = [
      ["connecting", () => {}],
      ["replaying", (socket) => void socket.open({ live: false })],
      ["live", (socket) => void socket.open()],
      ["waiting", (socket) => socket.drop()],
    ];
    for (const [status, until] of moments) {
      const { stream, states, seen } = await watched();
      const socket = FakeSocket.last;
      until(socket);
      await settle();
      expect(stream.state.status).toBe(status);
      stream.close();
      stream.close();
      stream.reconnect();
      await settle();
      expect(vi.getTimerCount(), status).toBe(0);
      expect(names(states).filter((name) => name === "closed")).toEqual(["closed"]);
      socket.message("c1");
      expect(seen).toEqual([]);
      expect(FakeSocket.opened).toHaveLength(1);
    }
  });

  test("does not wait for getToken, nor for what is being loaded", async () => {
    for (const options of [{ getToken: () => new Promise<null>(() => {}) }, { load: () => new Promise<string>(() => {}) }]) {
      const { stream } = await watched(options);
      stream.close();
      await settle();
      expect(vi.getTimerCount()).toBe(0);
      expect(stream.state.status).toBe("closed");
      expect(FakeSocket.opened).toHaveLength(0);
    }
  });

  test("from within a handler delivers nothing more", async () => {
    const seen: string[] = [];
    const { stream } = await watched({
      onFrame: (frame) => {
        seen.push(frame.cursor ?? "");
        stream.close();
      },
    });
    const socket = FakeSocket.last.open();
    socket.message("c1");
    socket.message("c2");
    await settle();
    expect(seen).toEqual(["c1"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("comes with a signal, also before the beginning", async () => {
    const controller = new AbortController();
    const { stream } = await watched({ signal: controller.signal });
    controller.abort();
    expect(stream.state.status).toBe("closed");
    const { stream: never } = await watched({ signal: controller.signal });
    await seconds(60);
    expect(never.state.status).toBe("closed");
    expect(FakeSocket.opened).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a mistake in the options is thrown where it was made", () => {
  const options = { getToken: () => null, onFrame: () => {}, onResync: () => {} };
  expect(() => connect({ ...options, url: "nonsense", WebSocket: FakeSocket })).toThrow(TypeError);
  vi.stubGlobal("WebSocket", undefined);
  expect(() => connect({ ...options, url: "https://tributary.example" })).toThrow("there is no WebSocket");
});
