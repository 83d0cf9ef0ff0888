import { createApi, type Api } from "./api.js";
import type { Connection, Conversation, ConversationList, FullMessage, MediaTickets, MessagePage, Statuses } from "./generated.js";
import { frames, type FramesOptions } from "./frames-of.js";
import { connect, type CommonOptions, type Resuming, type TributaryStream } from "./stream.js";
import type { GetToken } from "./token.js";
import type { WebSocketConstructor } from "./session.js";

/** What a client needs. */
export interface ClientOptions {
  /** Where Tributary is: `https://tributary.example`; in a page also a path, such as `/`. */
  url: string | URL;
  getToken: GetToken;
  fetch?: typeof fetch | undefined;
  /** In Node before 22, the one of `ws`. */
  WebSocket?: WebSocketConstructor | undefined;
}

/** How long the list may take, in milliseconds. */
const LIST_PATIENCE = 30_000;

type Given = "url" | "getToken" | "WebSocket";

/** What `follow` needs. */
export interface FollowOptions extends Omit<CommonOptions, Given> {
  /** Gets the newest conversations, to replace all that was known; also when a replay is no longer possible. */
  onSnapshot: (list: ConversationList) => void | Promise<void>;
  /** How many conversations; 50 unless given. */
  limit?: number | undefined;
}

/** Page of a list: how many, and after which `nextCursor`. */
export interface Paging {
  limit?: number;
  cursor?: string;
}

/** Tributary, as one signed-in user sees it. */
export class TributaryClient {
  /** All that there is, by its path; what follows are shorter names for some of it. */
  readonly api: Api;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    const { url, getToken, fetch } = options;
    this.#options = options;
    this.api = createApi({ baseUrl: url, getToken, fetch });
  }

  /** The conversations, those with the newest messages first, and the stream's `cursor` behind them. */
  conversations(paging: Paging = {}, signal?: AbortSignal): Promise<ConversationList> {
    return this.api.get("/api/conversations", { query: paging, signal });
  }

  /** One conversation, with its participants. */
  conversation(id: string): Promise<Conversation> {
    return this.api.get("/api/conversations/{id}", { path: { id } });
  }

  /** A conversation's messages, the newest first. */
  messages(conversationId: string, paging: Paging = {}): Promise<MessagePage> {
    return this.api.get("/api/conversations/{id}/messages", { path: { id: conversationId }, query: paging });
  }

  /** One message, with its full content and its versions. */
  message(id: string): Promise<FullMessage> {
    return this.api.get("/api/messages/{id}", { path: { id } });
  }

  /** All of a conversation is read. */
  read(conversationId: string): Promise<Conversation> {
    return this.api.post("/api/conversations/{id}/read", { path: { id: conversationId } });
  }

  /** Tickets by which an `<img>` may show these files for five minutes: `/api/media/{id}?ticket=`. */
  mediaTickets(ids: string[]): Promise<MediaTickets> {
    return this.api.post("/api/media/tickets", { body: { ids } });
  }

  /** How the user's connections, or one of them, are doing. */
  status(connectionId?: string): Promise<Statuses> {
    return this.api.get("/api/messenger/status", connectionId === undefined ? {} : { query: { connectionId } });
  }

  /** Makes sure that there is a connection, which waits for its code. */
  connectMessenger(): Promise<Connection> {
    return this.api.post("/api/messenger/connect");
  }

  /** Redeems the code that the desktop companion shows. */
  link(code: string): Promise<Connection> {
    return this.api.post("/api/messenger/link", { body: { code } });
  }

  /** Ends a connection; `purge` also deletes what no other one holds. */
  disconnectMessenger(connectionId: string, { purge = false } = {}): Promise<undefined> {
    return this.api.delete("/api/messenger/connections/{id}", { path: { id: connectionId }, query: { purge } });
  }

  /** Erases everything of the user's; whoever may still be signed in begins anew. */
  deleteAccount(): Promise<undefined> {
    return this.api.delete("/api/account");
  }

  /** The live stream from a cursor on, or from now on. */
  stream(options: Omit<CommonOptions, Given> & Resuming): TributaryStream {
    return connect({ ...options, ...this.#given() });
  }

  /** The conversations and then what happens to them, without gap or repetition. */
  follow({ onSnapshot, limit = 50, ...options }: FollowOptions): TributaryStream {
    const load = async (signal: AbortSignal) => {
      const list = await inTime(signal, (until) => this.conversations({ limit }, until));
      signal.throwIfAborted();
      await onSnapshot(list);
      return list.cursor;
    };
    return connect({ ...options, ...this.#given(), load });
  }

  /** The live stream to be iterated. */
  frames(options: Omit<FramesOptions, Given> = {}): ReturnType<typeof frames> {
    return frames({ ...options, ...this.#given() });
  }

  #given(): Pick<ClientOptions, Given> {
    const { url, getToken, WebSocket } = this.#options;
    return { url, getToken, WebSocket };
  }
}

/** Gives up after a while what a silent server would keep waiting, so that it is asked again. */
async function inTime<T>(signal: AbortSignal, ask: (until: AbortSignal) => Promise<T>): Promise<T> {
  const until = new AbortController();
  const abort = () => until.abort(signal.reason);
  const timer = setTimeout(() => until.abort(new Error("the list takes too long")), LIST_PATIENCE);
  signal.addEventListener("abort", abort);
  try {
    return await ask(until.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
