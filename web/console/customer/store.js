// What the page knows. Frames and pages come in here in any order that the network
// makes of them, and the newest state of each thing stays.

/** Messages as they are read: by time, then by event. */
const inOrder = (a, b) =>
  a.timestamp === b.timestamp ? (a.matrixEventId < b.matrixEventId ? -1 : 1) : a.timestamp < b.timestamp ? -1 : 1;

/** The messages of one conversation, as far as they have been loaded. */
export class Thread {
  messages = new Map();
  /** What loads the ones before; null at the beginning, undefined before the first page. */
  older = undefined;
  state = "new";
  error = undefined;
  isLoadingOlder = false;
  /** What frames said since each page was asked for: the page may be older than that. */
  #fresher = new Set();

  /** Takes in a page that `load` answers. */
  async page(load) {
    const fresher = new Set();
    this.#fresher.add(fresher);
    try {
      const page = await load();
      for (const message of page.items) if (!fresher.has(message.id)) this.messages.set(message.id, message);
      return page;
    } finally {
      this.#fresher.delete(fresher);
    }
  }

  /** A message that is new. */
  add(message) {
    this.#says(message);
    this.messages.set(message.id, message);
  }

  /** A message that has changed; of one that was never loaded nothing is wanted. */
  change(message) {
    this.#says(message);
    if (this.messages.has(message.id)) this.messages.set(message.id, message);
  }

  #says(message) {
    for (const fresher of this.#fresher) fresher.add(message.id);
  }

  get all() {
    return [...this.messages.values()].sort(inOrder);
  }
}

/** All of it. */
export class Store {
  conversations = new Map();
  /** Whether the list is in. */
  isLoaded = false;
  /** What loads the rest of the list. */
  more = null;
  connections = undefined;
  threads = new Map();
  /** Who types, per conversation: `{ ids, until }`. */
  typing = new Map();
  /** Up to which message others have read, per conversation. */
  reads = new Map();
  /** How history comes in, per conversation. */
  backfills = new Map();
  stream = { status: "connecting" };
  #listeners = new Set();

  subscribe(listener) {
    this.#listeners.add(listener);
  }

  changed() {
    for (const listener of this.#listeners) listener();
  }

  /** The conversations, the liveliest first. */
  get list() {
    const place = ({ lastEventAt, createdAt }) => lastEventAt ?? createdAt;
    return [...this.conversations.values()].sort((a, b) => (place(a) < place(b) ? 1 : place(a) > place(b) ? -1 : a.id < b.id ? 1 : -1));
  }

  get unread() {
    return [...this.conversations.values()].reduce((sum, { unreadCount }) => sum + unreadCount, 0);
  }

  thread(id) {
    let thread = this.threads.get(id);
    if (thread === undefined) this.threads.set(id, (thread = new Thread()));
    return thread;
  }

  /** Everything anew: what was known may have missed something. */
  replace({ items, nextCursor }) {
    const known = this.conversations;
    this.conversations = new Map(items.map((item) => [item.id, { ...item, participants: item.participants ?? known.get(item.id)?.participants }]));
    this.more = nextCursor;
    this.isLoaded = true;
    this.threads.clear();
    this.typing.clear();
    this.backfills.clear();
    this.changed();
  }

  extend({ items, nextCursor }) {
    for (const item of items) if (!this.conversations.has(item.id)) this.conversations.set(item.id, item);
    this.more = nextCursor;
    this.changed();
  }

  put(conversation) {
    const known = this.conversations.get(conversation.id);
    this.conversations.set(conversation.id, { ...known, ...conversation });
    this.changed();
  }

  remove(id) {
    for (const map of [this.conversations, this.threads, this.typing, this.reads, this.backfills]) map.delete(id);
    this.changed();
  }

  /** Takes in a frame. */
  take({ type, data }) {
    const id = data.conversationId;
    switch (type) {
      case "message.created":
        this.#created(id, data);
        break;
      case "message.updated":
        this.threads.get(id)?.change(data.message);
        this.#shows(id, data.message, false);
        break;
      case "conversation.updated":
        return this.put(data.conversation);
      case "conversation.removed":
        return this.remove(id);
      case "connection.status":
        this.connections = this.connections?.map((known) =>
          known.id === data.connectionId ? { ...known, status: data.status, error: data.error ?? null } : known);
        break;
      case "backfill.progress":
        this.backfills.set(id, data);
        break;
      case "typing":
        this.typing.set(id, { ids: data.participantIds, until: Date.now() + 30_000 });
        break;
      case "receipt":
        this.reads.set(id, new Map(this.reads.get(id)).set(data.participantId, data.messageId));
        break;
    }
    this.changed();
  }

  #created(id, { message, unreadCount }) {
    const thread = this.threads.get(id);
    if (thread?.state === "ready" || thread?.state === "loading") thread.add(message);
    const typing = this.typing.get(id);
    if (typing) typing.ids = typing.ids.filter((one) => one !== message.sender.id);
    this.#shows(id, message, true);
    const conversation = this.conversations.get(id);
    if (conversation) this.conversations.set(id, { ...conversation, unreadCount });
  }

  /** The list shows the last message. */
  #shows(id, message, isNew) {
    const conversation = this.conversations.get(id);
    if (conversation === undefined) return;
    const last = conversation.lastMessage;
    const isLast = last?.id === message.id || (isNew && (!last || inOrder(last, message) < 0));
    if (!isLast) return;
    const lastEventAt = conversation.lastEventAt > message.timestamp ? conversation.lastEventAt : message.timestamp;
    this.conversations.set(id, { ...conversation, lastMessage: message, lastEventAt });
  }
}
