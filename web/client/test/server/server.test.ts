import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { TributaryClient, type GetToken, type TributaryStream } from "../../src/index.js";
import { gate } from "./gate.js";
import { follow, numbered, type Page } from "./page.js";
import { eventually } from "./program.js";
import { Tributary } from "./tributary.js";

/** Seconds: each token comes from a process, which a busy machine may not start at once. */
const GRACE = 10;
const running: Tributary[] = [];
const streams: TributaryStream[] = [];
let server: Tributary;
let rooms = 0;

beforeAll(async () => {
  server = await Tributary.start();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  for (const each of running.splice(0)) await each.stop();
});

/** One that is configured otherwise. */
async function another(settings: Record<string, object>): Promise<Tributary> {
  const started = await Tributary.start(settings);
  running.push(started);
  return started;
}

function page(server: Tributary, getToken: GetToken = () => server.token()): Page {
  const tab = follow(server.url, getToken);
  streams.push(tab.stream);
  return tab;
}

/** A room that Tributary knows, and its conversation. */
async function discovered(server: Tributary, { conversations, bodies }: Page) {
  const room = `!room${(rooms += 1)}:lab.local`;
  await server.says(room, "the first one, which is history");
  const found = () => conversations.find(({ matrixRoomId }) => matrixRoomId === room);
  const { id } = await eventually("the room is mapped", found);
  // Whether it came before or after the mapping, it is none of those that are counted.
  bodies.splice(0);
  return { id, room };
}

describe("the real server", () => {
  test("answers what the types of its description say", async () => {
    const tab = page(server);
    await tab.live();
    const { id, room } = await discovered(server, tab);
    for (const body of numbered(0, 7)) await server.says(room, body);
    await tab.has(7);
    const { api } = tab.client;
    const bodies: string[] = [];
    const messages = api.items("/api/conversations/{id}/messages", { path: { id }, query: { limit: 2 } });
    for await (const { body } of messages) bodies.push(body);
    expect(bodies.slice(0, 7).sort()).toEqual(numbered(0, 7));
    expect(await api.get("/api/conversations/{id}", { path: { id } })).toMatchObject({ id, matrixRoomId: room });
    const nobodys = api.get("/api/messages/{id}", { path: { id } });
    await expect(nobodys).rejects.toMatchObject({ code: "not_found", status: 404 });
    const query = { query: { limit: 201 } };
    await expect(api.get("/api/conversations", query)).rejects.toMatchObject({ code: "invalid_request" });
  });

  test("loses and doubles nothing when it is killed, whoever is away meanwhile", async () => {
    const tab = page(server);
    const { client, stream, sockets, bodies, states, live, has } = tab;
    await live();
    const { id, room } = await discovered(server, tab);

    for (const body of numbered(0, 20)) await server.says(room, body);
    await has(20);
    for (let nth = 1; nth <= 3; nth += 1) {
      // Killed while somebody writes: what is not answered comes again.
      const writing = (async () => {
        for (const body of numbered(nth * 100, nth * 100 + 40)) await server.says(room, body);
      })();
      await has(bodies.length + 5);
      sockets.isShut = true;
      await server.end("SIGKILL");
      await eventually("the page notices", () => stream.state.status === "waiting");
      await server.restart();
      await writing;
      // All of this happens while the page cannot come back.
      await server.says(room, ...numbered(nth * 100 + 40, nth * 100 + 60));
      sockets.isShut = false;
      const before = states.length;
      stream.reconnect();
      await live();
      expect(states.slice(before).map((state) => state.status)).toContain("replaying");
      await has(20 + nth * 60);
    }
    const expected = [0, 100, 200, 300].flatMap((from) => numbered(from, from === 0 ? 20 : from + 60));
    expect(bodies).toEqual(expected);
    expect(tab.snapshots()).toBe(1);

    const kept: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page = await client.messages(id, { limit: 70, ...(cursor && { cursor }) });
      kept.push(...page.items.map(({ body }) => body));
      cursor = page.nextCursor;
    }
    expect(kept.reverse().filter((body) => body.startsWith("message "))).toEqual(expected);
  });

  test("is followed through a restart within seconds", async () => {
    const tab = page(server);
    const { live, states, has, bodies } = tab;
    await live();
    const { room } = await discovered(server, tab);
    const before = states.length;
    await server.end("SIGTERM");
    await eventually("the page notices", () => states.length > before);
    // By now it may be on its way back already.
    expect(states[before]).toMatchObject({ status: "waiting", cause: { kind: "closed", code: 1012 } });
    await server.restart();
    await server.says(room, "after the restart");
    await has(1);
    expect(bodies).toEqual(["after the restart"]);
  });

  test("keeps one socket while its tokens live for three seconds", async () => {
    const strict = await another({ websocket: { auth_grace_seconds: GRACE } });
    const tokens: string[] = [];
    const tab = page(strict, async () => {
      const token = await strict.token(3);
      tokens.push(token);
      return token;
    });
    const { live, sockets, has, bodies, states } = tab;
    await live();
    const begun = Date.now();
    const { room } = await discovered(strict, tab);
    // Longer than a token, the skew and the grace together: it has been renewed more than once.
    const whole = (3 + 1 + GRACE) * 1000;
    await eventually("four tokens more", () => tokens.length >= 7 && Date.now() > begun + whole);
    await strict.says(room, "still here");
    await has(1);
    expect(bodies).toEqual(["still here"]);
    expect(sockets.opened).toBe(1);
    expect(states.map((state) => state.status)).toEqual(["connecting", "replaying", "live"]);
  });

  test("refuses an expired token, and the next one is asked for anew", async () => {
    const old = await server.token(1);
    await eventually("it has expired", async () => {
      const headers = { Authorization: `Bearer ${old}` };
      if ((await fetch(`${server.url}/api/messenger/status`, { headers })).status === 401) return true;
      // Asked as fast as it answers, it would leave nothing for the page's own calls (limits.per_user_per_second).
      await new Promise((resolve) => setTimeout(resolve, 100));
      return false;
    });
    const asked: boolean[] = [];
    const { live, states } = page(server, ({ skipCache }) => {
      asked.push(skipCache);
      return skipCache ? server.token() : old;
    });
    await live();
    expect(asked).toContain(true);
    // The call for the list was refused and repeated; so was the handshake, of which nobody says why.
    expect(states.map(({ status }) => status)).toEqual(["connecting", "waiting", "connecting", "replaying", "live"]);
  });

  test("ends the stream of whoever signs out", async () => {
    let isSignedIn = true;
    const { live, stream, sockets } = page(server, () => (isSignedIn ? server.token(3) : null));
    await live();
    isSignedIn = false;
    await eventually("it has noticed", () => stream.state.status === "signedOut");
    isSignedIn = true;
    stream.reconnect();
    await live();
    expect(sockets.opened).toBe(2);
  });

  test("gives the seats to the newest tabs, and the others leave them in peace", async () => {
    const crowded = await another({ limits: { sockets_per_user: 2 } });
    const tabs = [page(crowded)];
    await tabs[0]?.live();
    for (let nth = 0; nth < 2; nth += 1) {
      const tab = page(crowded);
      await tab.live();
      tabs.push(tab);
    }
    await eventually("the first gives way", () => tabs[0]?.stream.state.status === "waiting");
    expect(tabs[0]?.states.at(-1)).toMatchObject({ cause: { kind: "closed", code: 4429 } });
    expect(tabs.map((tab) => tab.sockets.opened)).toEqual([1, 1, 1]);
  });

  test("says when a cursor is none of its own, and all is loaded again", async () => {
    const client = new TributaryClient({ url: server.url, getToken: () => server.token(), WebSocket: gate().WebSocket });
    const reasons: string[] = [];
    const stream = client.stream({
      since: "nonsense",
      onFrame: () => {},
      onResync: ({ data }) => void reasons.push(data.reason),
    });
    streams.push(stream);
    await eventually("it is live", () => stream.state.status === "live");
    expect(reasons).toEqual(["unknown"]);
    expect(stream.cursor).not.toBe("nonsense");
  });

  test("answers what the API promises", async () => {
    const tab = page(server);
    const { client, frames, live } = tab;
    await live();
    const { id, room } = await discovered(server, tab);
    await server.says(room, "hello");
    const created = await eventually("it came", () => frames.find((frame) => frame.type === "message.created" && frame.data.message.body === "hello"));
    if (created.type !== "message.created") throw new Error(created.type);
    const { message } = created.data;
    expect(message.sender).toMatchObject({ displayName: "Carol", isSelf: false, externalId: "2001" });
    expect((await client.message(message.id)).content).toMatchObject({ body: "hello" });
    expect((await client.read(id)).unreadCount).toBe(0);
    expect((await client.conversation(id)).participants).toHaveLength(2);
    const status = await client.status();
    expect(status).toMatchObject({ status: "CONNECTED", connections: [{ matrixUserId: "@alice:lab.local" }] });
    await expect(client.link("AAAA-2222")).rejects.toMatchObject({ status: 404, code: "not_found" });
    await expect(client.conversation(message.id)).rejects.toMatchObject({ status: 404, code: "not_found" });
    expect((await client.connectMessenger()).id).toBe(status.connectionId);
    await client.disconnectMessenger(status.connectionId ?? "", { purge: true });
    expect((await client.conversations()).items).toEqual([]);
    await eventually("the stream says so", () => frames.find((frame) => frame.type === "conversation.removed"));
  });
});
