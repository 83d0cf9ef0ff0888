import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeSocket } from "./support/fake-socket.js";
import { claims, jwt } from "./support/jwt.js";
import { settle, watched } from "./support/stream.js";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.999);
});
afterEach(() => {
  vi.useRealTimers();
});

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);

/** The shortest life that a token had left when it was replaced, over what the socket was told. */
function tightest(socket: FakeSocket, renewals: number[]): number {
  let expires = claims(socket.token).exp * 1000;
  let left = Infinity;
  socket.sent
    .filter((frame) => frame.type === "auth")
    .forEach((frame, nth) => {
      left = Math.min(left, expires - (renewals[nth] ?? 0));
      expires = claims(frame.token ?? "").exp * 1000;
    });
  return left / 1000;
}

describe("a token", () => {
  test.each([0, 300_000, -300_000])("of a minute is renewed for an hour, with a clock that is %i ms off", async (ahead) => {
    const renewals: number[] = [];
    const { stream, states, errors } = await watched({
      // Signed by the server's clock.
      getToken: () => {
        renewals.push(Date.now() + ahead);
        return jwt(60, Date.now() + ahead);
      },
    });
    const socket = FakeSocket.last.open({ ahead });
    socket.answers = false;
    const send = socket.send.bind(socket);
    socket.send = (text) => {
      send(text);
      const { token } = JSON.parse(text) as { token?: string };
      const expiresAt = new Date(claims(token ?? "").exp * 1000).toISOString();
      socket.say({ type: "authed", at: new Date(Date.now() + ahead).toISOString(), data: { expiresAt } });
    };
    await seconds(3600);
    expect(FakeSocket.opened).toHaveLength(1);
    expect(states.map((state) => state.status)).toEqual(["connecting", "replaying", "live"]);
    expect(errors).toEqual([]);
    expect(tightest(socket, renewals.slice(1))).toBeGreaterThan(20);
    // Every half a minute, more or less.
    expect(socket.sent.length).toBeGreaterThan(100);
    expect(socket.sent.length).toBeLessThan(150);
    stream.close();
  });

  test("that the cache still has is not taken for a new one", async () => {
    let cached = jwt();
    const asked: boolean[] = [];
    const { stream } = await watched({
      getToken: ({ skipCache }) => {
        asked.push(skipCache);
        return (cached = skipCache ? jwt() : cached);
      },
    });
    const socket = FakeSocket.last.open();
    await seconds(40);
    expect(asked).toEqual([false, false, true]);
    expect(socket.sent.map((frame) => frame.token)).toEqual([cached]);
    stream.close();
  });

  test("that could not be had is asked for again, while the socket lives on", async () => {
    let fails = true;
    let asked = 0;
    const { stream, errors } = await watched({
      getToken: () => {
        asked += 1;
        return fails && asked > 1 ? Promise.reject(new Error("offline")) : jwt();
      },
    });
    const socket = FakeSocket.last.open();
    await seconds(50);
    expect(errors.length).toBeGreaterThan(2);
    const renewals = () => socket.sent.filter((frame) => frame.type === "auth").length;
    expect(renewals()).toBe(0);
    fails = false;
    await seconds(6);
    expect(renewals()).toBe(1);
    expect(FakeSocket.opened).toHaveLength(1);
    stream.close();
  });

  test("whose renewal nobody answers is sent again", async () => {
    const { stream } = await watched();
    const socket = FakeSocket.last.open();
    // Clerk's keys are away: the server keeps the socket and says nothing.
    socket.answers = false;
    await seconds(36);
    expect(socket.sent.filter((frame) => frame.type === "auth").length).toBeGreaterThan(1);
    stream.close();
  });

  test("of which nobody knows until when it is good is renewed now and then", async () => {
    const { stream } = await watched();
    const socket = FakeSocket.last.open();
    socket.say({ type: "authed", data: { expiresAt: "soon" } });
    const timers = vi.spyOn(globalThis, "setTimeout");
    await seconds(29);
    expect(timers.mock.calls.length).toBeLessThan(20);
    expect(socket.sent).toEqual([]);
    await seconds(5);
    expect(socket.sent).toHaveLength(1);
    stream.close();
  });

  test("that hangs when it is renewed is not asked for all the time", async () => {
    const getToken = vi.fn(() => (getToken.mock.calls.length === 1 ? jwt() : new Promise<null>(() => {})));
    const { stream, errors } = await watched({ getToken });
    FakeSocket.last.open();
    const timers = vi.spyOn(globalThis, "setTimeout");
    await seconds(90);
    expect(timers.mock.calls.length).toBeLessThan(100);
    expect(errors.length).toBeGreaterThan(3);
    expect(getToken.mock.calls.length).toBeLessThan(10);
    expect(FakeSocket.opened).toHaveLength(1);
    stream.close();
    await settle();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that takes too long is a failure, and comes too late", async () => {
    let answer: (token: string) => void = () => {};
    const getToken = vi.fn(() => new Promise<string>((resolve) => (answer = resolve)));
    const { stream, errors } = await watched({ getToken });
    await seconds(10);
    expect(errors.map(String)).toEqual(["Error: getToken takes too long"]);
    expect(stream.state).toMatchObject({ status: "waiting", cause: { kind: "failed" } });
    answer(jwt());
    await settle();
    expect(FakeSocket.opened).toHaveLength(0);
    await seconds(1);
    expect(getToken).toHaveBeenCalledTimes(2);
    answer(jwt());
    await settle();
    expect(FakeSocket.opened).toHaveLength(1);
    stream.close();
  });

  test("that is none ends a socket at once, until somebody signs in", async () => {
    let token: string | null = jwt();
    const { stream, seen } = await watched({ getToken: () => token });
    const socket = FakeSocket.last.open();
    socket.message("c1");
    token = null;
    await seconds(3600);
    expect(socket.closedWith).toBe(1000);
    expect(stream.state.status).toBe("signedOut");
    expect(vi.getTimerCount()).toBe(0);
    token = jwt();
    stream.reconnect();
    await settle();
    expect(FakeSocket.last.since).toBe("c1");
    FakeSocket.last.open({ missed: ["c2"] });
    expect(seen).toEqual(["c1", "c2"]);
    stream.close();
  });

  test("that the server will not have any more is replaced by a new one, and that at once", async () => {
    const asked: boolean[] = [];
    const { stream } = await watched({
      getToken: ({ skipCache }) => {
        asked.push(skipCache);
        return jwt();
      },
    });
    FakeSocket.last.open().drop(4401);
    await settle();
    expect(FakeSocket.opened).toHaveLength(2);
    expect(asked).toEqual([false, true]);
    // A session that was revoked: new tokens are no better, and not asked for all the time.
    for (let nth = 0; nth < 60; nth += 1) {
      if (FakeSocket.last.readyState === 0) FakeSocket.last.drop();
      await seconds(1);
    }
    expect(asked.length).toBeLessThan(10);
    stream.close();
  });

  test("of a session that has ended ends the stream", async () => {
    let token: string | null = jwt();
    const { stream } = await watched({ getToken: () => token });
    token = null;
    FakeSocket.last.open().drop(4401);
    await seconds(600);
    expect(stream.state.status).toBe("signedOut");
    expect(FakeSocket.opened).toHaveLength(1);
    stream.close();
  });

  test("that nobody here can read is still renewed", async () => {
    const { stream } = await watched({ getToken: ({ skipCache }) => (skipCache ? "also-opaque" : "opaque") });
    const socket = FakeSocket.last.open();
    socket.answers = false;
    await seconds(40);
    expect(socket.sent[0]).toEqual({ type: "auth", token: "opaque" });
    stream.close();
  });
});
