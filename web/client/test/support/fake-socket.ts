import type { WebSocketLike } from "../../src/index.js";
import { claims } from "./jwt.js";

/** Sockets without a network, for tests that own the clock: each one made is in `opened`. */
export class FakeSocket implements WebSocketLike {
  static opened: FakeSocket[] = [];

  static get last(): FakeSocket {
    const last = this.opened.at(-1);
    if (last === undefined) throw new Error("no socket was opened");
    return last;
  }

  readyState = 0;
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  onerror: ((event: any) => void) | null = null;
  readonly sent: Array<{ type: string; token?: string }> = [];
  closedWith: number | undefined;
  /** Whether it answers, as the server does. */
  answers = true;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.opened.push(this);
  }

  get since(): string | null {
    return new URL(this.url).searchParams.get("since");
  }

  get token(): string {
    return this.protocols[1]?.replace("bearer.", "") ?? "";
  }

  /** The server lets it in, and plays what was missed. */
  open(more: { cursor?: string; heartbeatSeconds?: number; ahead?: number; missed?: string[]; live?: boolean } = {}): this {
    this.readyState = 1;
    this.onopen?.({});
    const { cursor = this.since ?? "c0", heartbeatSeconds = 25, ahead = 0, missed = [], live = true } = more;
    const at = new Date(Date.now() + ahead).toISOString();
    const data = { sessionId: "sess_a", heartbeatSeconds, resumed: this.since !== null };
    this.say({ type: "hello", cursor, at, data });
    for (const each of missed) this.message(each);
    if (live) this.say({ type: "live", cursor: missed.at(-1) ?? cursor, data: {} });
    return this;
  }

  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify({ at: new Date().toISOString(), ...frame }) });
  }

  message(cursor: string): void {
    this.say({ type: "message.created", cursor, data: { conversationId: "c", message: { id: cursor }, unreadCount: 1 } });
  }

  /** The server closes it, or the network does. */
  drop(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code, reason: "" });
  }

  send(text: string): void {
    const frame = JSON.parse(text) as { type: string; token?: string };
    this.sent.push(frame);
    if (!this.answers) return;
    const answer =
      frame.type === "ping"
        ? { type: "pong", data: {} }
        : { type: "authed", data: { expiresAt: new Date(claims(frame.token ?? "").exp * 1000).toISOString() } };
    queueMicrotask(() => this.say(answer));
  }

  close(code = 1000): void {
    this.closedWith = code;
    this.readyState = 3;
  }
}
