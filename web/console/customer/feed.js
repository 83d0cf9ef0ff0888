// Between the client of the live stream and the store: what is loaded when.

import { TributaryClient } from "../client/index.js";

const PAGE = 50;
/** While history comes in, it is looked at so often, in milliseconds. */
const LOOK = 1_000;

/** Follows a session's stream into a store. */
export class Feed {
  #client;
  #store;
  #stream;
  #meter;
  #onMessage;
  #looks = new Map();

  constructor({ session, store, meter, onMessage }) {
    this.#client = new TributaryClient({ url: "/", getToken: session.getToken });
    this.#store = store;
    this.#meter = meter;
    this.#onMessage = onMessage;
  }

  start() {
    const store = this.#store;
    this.#stream = this.#client.follow({
      limit: 200,
      onSnapshot: (list) => {
        store.replace(list);
        this.#later("status", () => this.accounts(), 0);
      },
      onFrame: (frame) => this.#take(frame),
      onState: (state) => {
        this.#meter.state(state);
        store.stream = state;
        // What could not be loaded while nobody was there.
        if (state.status === "live") for (const thread of store.threads.values()) if (thread.state === "failed") thread.state = "new";
        store.changed();
      },
      onError: (error) => console.warn("the live stream:", error instanceof Error ? error.message : error),
    });
  }

  reconnect() {
    this.#stream.reconnect();
  }

  get cursor() {
    return this.#stream.cursor;
  }

  #take(frame) {
    const store = this.#store;
    this.#meter.frame(frame, store.stream.status === "live");
    const id = frame.data.conversationId;
    store.take(frame);
    if (frame.type === "message.created") {
      if (!store.conversations.has(id)) this.#later(id, () => this.conversation(id), 0);
      this.#onMessage(frame.data.message);
    }
    if (frame.type === "connection.status" || frame.type === "backfill.progress" || frame.type === "conversation.removed") {
      this.#later("status", () => this.accounts(), LOOK);
    }
    if (frame.type === "backfill.progress" && store.threads.has(id)) {
      this.#later(`history of ${id}`, () => this.history(id), LOOK);
    }
  }

  /** Does it once within the time, however often it is asked for. */
  #later(name, work, delay) {
    if (this.#looks.has(name)) return;
    this.#looks.set(name, setTimeout(() => {
      this.#looks.delete(name);
      // The next frame, or the page's own button, tries again.
      work().catch((error) => console.warn(`${name}:`, error.message));
    }, delay));
  }

  /** The rest of the list. */
  async more() {
    this.#store.extend(await this.#client.conversations({ limit: 200, cursor: this.#store.more }));
  }

  async conversation(id) {
    this.#store.put(await this.#client.conversation(id));
  }

  /** Opens a conversation: its people and its newest messages. */
  async open(id) {
    const store = this.#store;
    const thread = store.thread(id);
    if (thread.state === "loading" || thread.state === "ready") return;
    thread.state = "loading";
    store.changed();
    try {
      const [{ nextCursor }] = await Promise.all([thread.page(() => this.#client.messages(id, { limit: PAGE })), this.conversation(id)]);
      thread.older = nextCursor;
      thread.state = "ready";
      thread.error = undefined;
    } catch (error) {
      thread.state = "failed";
      thread.error = error;
    }
    store.changed();
  }

  /** The messages before those that are there. */
  async older(id) {
    const thread = this.#store.thread(id);
    if (thread.state !== "ready" || !thread.older || thread.isLoadingOlder) return;
    thread.isLoadingOlder = true;
    this.#store.changed();
    try {
      const { nextCursor } = await thread.page(() => this.#client.messages(id, { limit: PAGE, cursor: thread.older }));
      thread.older = nextCursor;
    } finally {
      thread.isLoadingOlder = false;
      this.#store.changed();
    }
  }

  /** What history has brought: from the newest back to the oldest that was known. */
  async history(id) {
    const thread = this.#store.threads.get(id);
    if (thread?.state !== "ready") return;
    const oldest = thread.all[0]?.timestamp ?? "";
    let cursor;
    for (let pages = 0; pages < 10; pages += 1) {
      const { items, nextCursor } = await thread.page(() => this.#client.messages(id, { limit: 200, cursor }));
      cursor = nextCursor ?? undefined;
      if (!cursor || (items.at(-1)?.timestamp ?? "") <= oldest) break;
    }
    thread.older = cursor ?? null;
    this.#store.changed();
  }

  read(id) {
    return this.#client.read(id).then((conversation) => this.#store.put(conversation));
  }

  /** A message with its versions. */
  message(id) {
    return this.#client.message(id);
  }

  /** Tickets for files, by their ids. */
  tickets(ids) {
    return this.#client.mediaTickets(ids);
  }

  async accounts() {
    this.#store.connections = (await this.#client.status()).connections;
    this.#store.changed();
  }

  async link(code) {
    const connection = await this.#client.link(code);
    await this.accounts();
    return connection;
  }

  /** Of the user, everything. */
  async erase() {
    await this.#client.deleteAccount();
    await this.accounts();
  }

  async disconnect(id, purge) {
    await this.#client.disconnectMessenger(id, { purge });
    await this.accounts();
  }
}
