import { TributaryError } from "./errors.js";
import { frames } from "./frames-of.js";
import { connect } from "./stream.js";
import { askForToken } from "./token.js";
import { baseUrl } from "./url.js";
export class TributaryClient {
    #options;
    constructor(options) {
        this.#options = options;
    }
    conversations(paging = {}, signal) {
        return this.#call("GET /api/conversations", { query: paging, signal });
    }
    conversation(id) {
        return this.#call("GET /api/conversations/{id}", { id });
    }
    messages(conversationId, paging = {}) {
        return this.#call("GET /api/conversations/{id}/messages", { id: conversationId, query: paging });
    }
    message(id) {
        return this.#call("GET /api/messages/{id}", { id });
    }
    read(conversationId) {
        return this.#call("POST /api/conversations/{id}/read", { id: conversationId });
    }
    status(connectionId) {
        return this.#call("GET /api/messenger/status", connectionId === undefined ? {} : { query: { connectionId } });
    }
    connectMessenger() {
        return this.#call("POST /api/messenger/connect", {});
    }
    link(code) {
        return this.#call("POST /api/messenger/link", { body: { code } });
    }
    disconnectMessenger(connectionId, { purge = false } = {}) {
        return this.#call("DELETE /api/messenger/connections/{id}", { id: connectionId, query: { purge } });
    }
    deleteAccount() {
        return this.#call("DELETE /api/account", {});
    }
    stream(options) {
        return connect({ ...options, ...this.#given() });
    }
    follow({ onSnapshot, limit = 50, ...options }) {
        const load = async (signal) => {
            const list = await this.conversations({ limit }, signal);
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
    async #call(operation, call) {
        const [method = "", path = ""] = operation.split(" ");
        const url = new URL(path.slice(1).replace("{id}", encodeURIComponent(call.id ?? "")), baseUrl(this.#options.url));
        for (const [key, value] of Object.entries(call.query ?? {})) {
            if (value !== undefined)
                url.searchParams.set(key, String(value));
        }
        let answer = await this.#send(method, url, call, false);
        if (answer.status === 401)
            answer = await this.#send(method, url, call, true);
        if (!answer.ok)
            throw await refusal(answer);
        return (answer.status === 204 ? undefined : await answer.json());
    }
    async #send(method, url, { body, signal }, skipCache) {
        const { getToken, fetch = globalThis.fetch } = this.#options;
        const token = await askForToken(getToken, skipCache, signal);
        if (token === null)
            throw new TributaryError("signed_out", "nobody is signed in");
        const headers = { Authorization: `Bearer ${token.jwt}` };
        const init = { method, headers, ...(signal && { signal }) };
        if (body !== undefined) {
            headers["Content-Type"] = "application/json";
            init.body = JSON.stringify(body);
        }
        try {
            return await fetch(url, init);
        }
        catch (cause) {
            throw new TributaryError("network", `${method} ${url.pathname} was not answered`, { cause });
        }
    }
}
async function refusal(answer) {
    const problem = (await answer.json().catch(() => ({})));
    const retryAfter = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    return new TributaryError(problem.code ?? "unknown", problem.detail ?? problem.title ?? `status ${answer.status}`, {
        status: answer.status,
        retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
    });
}
