import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

const BOT = "@facebookbot:lab.local";
const SECOND = 1000;

/** Somebody else in every room. */
export const CAROL = "@facebook_2001:lab.local";

/** As much of a homeserver as discovery needs: every room is a portal with the customer and Carol. */
export class Homeserver {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(customer: string): Promise<Homeserver> {
    const server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
      const answer = answerTo(path, customer);
      response.writeHead(answer === undefined ? 404 : 200, { "Content-Type": "application/json" });
      response.end(JSON.stringify(answer ?? { errcode: "M_NOT_FOUND", error: "not here" }));
      request.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Homeserver(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function answerTo(path: string, customer: string): object | undefined {
  if (path === "/_matrix/client/versions") return { versions: ["v1.11"] };
  if (path.endsWith("/ping")) return { duration_ms: 1 };
  if (path.endsWith("/joined_rooms")) return { joined_rooms: [] };
  if (path.endsWith("/messages")) return { start: "t0", chunk: [] };
  const room = /\/rooms\/([^/]+)\/state$/.exec(path)?.[1];
  return room === undefined ? undefined : stateOf(room, customer);
}

function stateOf(roomId: string, customer: string): object[] {
  const event = (type: string, sender: string, stateKey: string, content: object) => ({
    type,
    room_id: roomId,
    event_id: `$${type}-${stateKey}-${roomId}`,
    sender,
    state_key: stateKey,
    origin_server_ts: Date.now() - 60 * SECOND,
    content,
  });
  const portal = {
    bridgebot: BOT,
    protocol: { id: "facebookgo" },
    channel: { id: roomId, "fi.mau.receiver": "1001" },
    "com.beeper.room_type.v2": "dm",
  };
  const people = { [BOT]: "Bridge", [customer]: "Alice", [CAROL]: "Carol" };
  return [
    event("m.room.create", BOT, "", {}),
    event("m.bridge", BOT, "k", portal),
    ...Object.entries(people).map(([id, displayname]) =>
      event("m.room.member", id, id, { membership: "join", displayname }),
    ),
  ];
}
