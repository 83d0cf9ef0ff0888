import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import Ws, { WebSocketServer, type WebSocket as Peer } from "ws";
import { connect, type StreamState, type TributaryStream, type WebSocketConstructor } from "../src/index.js";
import { jwt } from "./support/jwt.js";

/** A server over real sockets that holds a history, and does to each socket what it is told. */
class FaultServer {
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "tributary.v1" });
  readonly #raw = new Set<Socket>();
  /** How many sockets were asked for. */
  asked = 0;
  onUpgrade: (socket: Socket, proceed: () => void) => void = (_, proceed) => proceed();
  onPeer: (peer: Peer, since: number) => void = () => {};

  constructor() {
    this.#http = createServer();
    this.#http.on("connection", (socket) => this.#raw.add(socket));
    this.#http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.asked += 1;
      const since = new URL(request.url ?? "", "http://x").searchParams.get("since") ?? "c0";
      const proceed = () =>
        this.#sockets.handleUpgrade(request, socket, head, (peer) => {
          const data = { sessionId: "sess_a", heartbeatSeconds: 25, resumed: true };
          peer.send(JSON.stringify({ type: "hello", cursor: since, at: new Date().toISOString(), data }));
          this.onPeer(peer, Number(since.slice(1)));
        });
      this.onUpgrade(socket, proceed);
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#raw) socket.destroy();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

const message = (nth: number) =>
  JSON.stringify({
    type: "message.created",
    cursor: `c${nth}`,
    at: new Date().toISOString(),
    data: { conversationId: "c", message: { id: `m${nth}`, body: "x".repeat(200) }, unreadCount: 1 },
  });
/** Real sockets on a machine that may be busy with something else. */
const PATIENCE = { timeout: 30_000 };
const LIVE = JSON.stringify({ type: "live", at: new Date().toISOString(), data: {} });

const kinds: Array<[string, WebSocketConstructor]> = [
  ["of ws", Ws],
  ["of the platform", globalThis.WebSocket],
];

describe.each(kinds)("the WebSocket %s", (_, WebSocket) => {
  let server: FaultServer;
  let url: string;
  let streams: TributaryStream[];

  beforeEach(async () => {
    // No need to wait between two tries.
    vi.spyOn(Math, "random").mockReturnValue(0);
    streams = [];
    server = new FaultServer();
    url = await server.start();
  });
  afterEach(async () => {
    for (const stream of streams) stream.close();
    await server.stop();
  });

  function watch(onFrame: (nth: number) => void | Promise<void>, getToken = (_: { skipCache: boolean }) => jwt()) {
    const states: StreamState[] = [];
    const stream = connect({
      url,
      getToken,
      since: "c0",
      WebSocket,
      maxQueue: 64,
      onFrame: ({ cursor = "c0" }) => onFrame(Number(cursor.slice(1))),
      onResync: () => {},
      onState: (state) => states.push(state),
    });
    streams.push(stream);
    return { stream, states };
  }

  test("brings 3,000 frames once and in order, however it is broken off", async () => {
    const total = 3000;
    let dice = 1;
    // The same each time.
    const roll = (sides: number) => (dice = (dice * 48_271) % 2_147_483_647) % sides;
    server.onPeer = (peer, since) => {
      const until = Math.min(total, since + 1 + roll(200));
      for (let nth = since + 1; nth <= until; nth += 1) peer.send(message(nth));
      if (until === total) return peer.send(LIVE);
      const raw = (peer as unknown as { _socket: Socket })._socket;
      const ways = [
        () => peer.close(1012),
        () => peer.close(4408, "too slow"),
        () => peer.terminate(),
        // In the middle of a frame: its head says 126 bytes.
        () => raw.end(Buffer.from([0x81, 126, 0, 126, 0x7b])),
        // Nothing that WebSockets know.
        () => raw.end("HTTP/1.1 500 Nonsense\r\n\r\n"),
      ];
      return ways[roll(ways.length)]?.();
    };
    const seen: number[] = [];
    const { stream } = watch((nth) => {
      seen.push(nth);
      // Now and then it takes its time, so that frames wait.
      return nth % 50 === 0 ? new Promise((resolve) => setTimeout(resolve, 2)) : undefined;
    });
    await vi.waitFor(() => expect(stream.state.status).toBe("live"), PATIENCE);
    expect(seen).toEqual(Array.from({ length: total }, (_, nth) => nth + 1));
    expect(server.asked).toBeGreaterThan(20);
  });

  test("that is refused asks for another token, and comes back", async () => {
    const refusals = ["401 Unauthorized", "429 Too Many Requests", "503 Service Unavailable"];
    server.onUpgrade = (socket, proceed) => {
      const refusal = refusals.shift();
      if (refusal === undefined) return proceed();
      socket.end(`HTTP/1.1 ${refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    };
    server.onPeer = (peer) => peer.send(LIVE);
    const asked: boolean[] = [];
    const { stream } = watch(
      () => {},
      ({ skipCache }) => {
        asked.push(skipCache);
        return jwt();
      },
    );
    await vi.waitFor(() => expect(stream.state.status).toBe("live"), PATIENCE);
    expect(asked).toEqual([false, true, true, true]);
  });

  test("that nobody answers can be closed at once", async () => {
    server.onUpgrade = () => {};
    const { stream, states } = watch(() => {});
    await vi.waitFor(() => expect(server.asked).toBe(1), PATIENCE);
    stream.close();
    expect(states.map(({ status }) => status)).toEqual(["connecting", "closed"]);
  });

  test("that is closed says so to the server", async () => {
    const code = new Promise<number>((resolve) => {
      server.onPeer = (peer) => {
        peer.on("close", resolve);
        peer.send(LIVE);
      };
    });
    const { stream } = watch(() => {});
    await vi.waitFor(() => expect(stream.state.status).toBe("live"), PATIENCE);
    stream.close();
    expect(await code).toBe(1000);
  });
});
