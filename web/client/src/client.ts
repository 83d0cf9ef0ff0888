import { TributaryError } from "./errors.js";
import type { Connection, Conversation, ConversationList, FullMessage, Operations, Page_Message, Problem, Statuses } from "./generated.js";
import { frames, type FramesOptions } from "./frames-of.js";
import { connect, type CommonOptions, type Resuming, type TributaryStream } from "./stream.js";
import { askForToken, type GetToken } from "./token.js";
import { baseUrl } from "./url.js";
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

interface Call<K extends keyof Operations> {
  id?: string;
  query?: Operations[K]["query"];
  body?: Operations[K]["body"];
  signal?: AbortSignal | undefined;
}

/** Tributary, as one signed-in user sees it. */
export class TributaryClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** The conversations, those with the newest messages first, and the stream's `cursor` behind them. */
  conversations(paging: Paging = {}, signal?: AbortSignal): Promise<ConversationList> {
    return this.#call("GET /api/conversations", { query: paging, signal });
  }

  /** One conversation, with its participants. */
  conversation(id: string): Promise<Conversation> {
    return this.#call("GET /api/conversations/{id}", { id });
  }

  /** A conversation's messages, the newest first. */
  messages(conversationId: string, paging: Paging = {}): Promise<Page_Message> {
    return this.#call("GET /api/conversations/{id}/messages", { id: conversationId, query: paging });
  }

  /** One message, with its full content and its versions. */
  message(id: string): Promise<FullMessage> {
    return this.#call("GET /api/messages/{id}", { id });
  }

  /** All of a conversation is read. */
  read(conversationId: string): Promise<Conversation> {
    return this.#call("POST /api/conversations/{id}/read", { id: conversationId });
  }

  /** How the user's connections, or one of them, are doing. */
  status(connectionId?: string): Promise<Statuses> {
    return this.#call("GET /api/messenger/status", connectionId === undefined ? {} : { query: { connectionId } });
  }

  /** Makes sure that there is a connection, which waits for its code. */
  connectMessenger(): Promise<Connection> {
    return this.#call("POST /api/messenger/connect", {});
  }

  /** Redeems the code that the desktop companion shows. */
  link(code: string): Promise<Connection> {
    return this.#call("POST /api/messenger/link", { body: { code } });
  }

  /** Ends a connection; `purge` also deletes what no other one holds. */
  disconnectMessenger(connectionId: string, { purge = false } = {}): Promise<undefined> {
    return this.#call("DELETE /api/messenger/connections/{id}", { id: connectionId, query: { purge } });
  }

  /** Erases everything of the user's; whoever may still be signed in begins anew. */
  deleteAccount(): Promise<undefined> {
    return this.#call("DELETE /api/account", {});
  }

  /** The live stream from a cursor on, or from now on. */
  stream(options: Omit<CommonOptions, Given> & Resuming): TributaryStream {
    return connect({ ...options, ...this.#given() });
  }

  /** The conversations and then what happens to them, without gap or repetition. */
  follow({ onSnapshot, limit = 50, ...options }: FollowOptions): TributaryStream {
    const load = async (signal: AbortSignal) => {
      const list = await this.conversations({ limit }, signal);
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

  async #call<K extends keyof Operations>(operation: K, call: Call<K>): Promise<Operations[K]["answer"]> {
    const [method = "", path = ""] = operation.split(" ");
    const url = new URL(path.slice(1).replace("{id}", encodeURIComponent(call.id ?? "")), baseUrl(this.#options.url));
    for (const [key, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    let answer = await this.#send(method, url, call, false);
    // A cached token may have expired on its way.
    if (answer.status === 401) answer = await this.#send(method, url, call, true);
    if (!answer.ok) throw await refusal(answer);
    return (answer.status === 204 ? undefined : await answer.json()) as Operations[K]["answer"];
  }

  async #send(method: string, url: URL, { body, signal }: Call<keyof Operations>, skipCache: boolean): Promise<Response> {
    const { getToken, fetch = globalThis.fetch } = this.#options;
    const token = await askForToken(getToken, skipCache, signal);
    if (token === null) throw new TributaryError("signed_out", "nobody is signed in");
    const headers: Record<string, string> = { Authorization: `Bearer ${token.jwt}` };
    const init: RequestInit = { method, headers, ...(signal && { signal }) };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(body);
    }
    try {
      return await fetch(url, init);
    } catch (cause) {
      throw new TributaryError("network", `${method} ${url.pathname} was not answered`, { cause });
    }
  }
}

async function refusal(answer: Response): Promise<TributaryError> {
  const problem = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  const retryAfter = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  return new TributaryError(problem.code ?? "unknown", problem.detail ?? problem.title ?? `status ${answer.status}`, {
    status: answer.status,
    retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
  });
}
