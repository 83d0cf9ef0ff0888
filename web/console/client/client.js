import { createApi } from "./api.js";
import { frames } from "./frames-of.js";
import { connect } from "./stream.js";
const LIST_PATIENCE = 30_000;
export class TributaryClient {
    api;
    #options;
    constructor(options) {
        const { url, getToken, fetch } = options;
        this.#options = options;
        this.api = createApi({ baseUrl: url, getToken, fetch });
    }
    conversations(paging = {}, signal) {
        return this.api.get("/api/conversations", { query: paging, signal });
    }
    conversation(id) {
        return this.api.get("/api/conversations/{id}", { path: { id } });
    }
    messages(conversationId, paging = {}) {
        return this.api.get("/api/conversations/{id}/messages", { path: { id: conversationId }, query: paging });
    }
    message(id) {
        return this.api.get("/api/messages/{id}", { path: { id } });
    }
    read(conversationId) {
        return this.api.post("/api/conversations/{id}/read", { path: { id: conversationId } });
    }
    mediaTickets(ids) {
        return this.api.post("/api/media/tickets", { body: { ids } });
    }
    status(connectionId) {
        return this.api.get("/api/messenger/status", connectionId === undefined ? {} : { query: { connectionId } });
    }
    connectMessenger() {
        return this.api.post("/api/messenger/connect");
    }
    link(code) {
        return this.api.post("/api/messenger/link", { body: { code } });
    }
    disconnectMessenger(connectionId, { purge = false } = {}) {
        return this.api.delete("/api/messenger/connections/{id}", { path: { id: connectionId }, query: { purge } });
    }
    deleteAccount() {
        return this.api.delete("/api/account");
    }
    stream(options) {
        return connect({ ...options, ...this.#given() });
    }
    follow({ onSnapshot, limit = 50, ...options }) {
        const load = async (signal) => {
            const list = await inTime(signal, (until) => this.conversations({ limit }, until));
            signal.throwIfAborted();
            await onSnapshot(list);
            return list.cursor;
        };
        return connect({ ...options, ...this.#given(), load });
    }
    frames(options = {}) {
        return frames({ ...options, ...this.#given() });
    }
    #given() {
        const { url, getToken, WebSocket } = this.#options;
        return { url, getToken, WebSocket };
    }
}
async function inTime(signal, ask) {
    const until = new AbortController();
    const abort = () => until.abort(signal.reason);
    const timer = setTimeout(() => until.abort(new Error("the list takes too long")), LIST_PATIENCE);
    signal.addEventListener("abort", abort);
    try {
        return await ask(until.signal);
    }
    finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
    }
}
