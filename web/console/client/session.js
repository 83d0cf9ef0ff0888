import { parseFrame } from "./frames.js";
import { askForToken } from "./token.js";
const SUBPROTOCOL = "tributary.v1";
const OPEN = 1;
const HANDSHAKE = 15_000;
const TICK = 5_000;
const SLEPT = 10_000;
const PONG = 10_000;
const MARGIN = 30_000;
const SOON = 1_000;
const RETRY = 5_000;
export class Session {
    #options;
    #socket;
    #ended = new AbortController();
    #timer;
    #tickedAt = Date.now();
    #heardAt = Date.now();
    #pingedAt;
    #silence;
    #expiresAt;
    #renewAt = Infinity;
    #jwtExpiresAt;
    #isRenewing = false;
    constructor(options) {
        this.#options = options;
        this.#jwtExpiresAt = this.#expiresAt = options.token.expiresAt;
        const socket = new options.WebSocket(options.url, [SUBPROTOCOL, `bearer.${options.token.jwt}`]);
        this.#socket = socket;
        socket.onmessage = (event) => this.#hear(event.data);
        socket.onclose = (event) => this.end(this.#closed(event));
        socket.onerror = () => {
            if (this.#silence === undefined)
                this.end({ kind: "unreachable" });
        };
        this.#schedule();
    }
    get isOver() {
        return this.#ended.signal.aborted;
    }
    check() {
        if (this.isOver || this.#silence === undefined || this.#pingedAt !== undefined)
            return;
        this.#pingedAt = Date.now();
        this.#send({ type: "ping" });
    }
    end(end) {
        if (this.isOver)
            return;
        this.#ended.abort();
        clearTimeout(this.#timer);
        const socket = this.#socket;
        socket.onmessage = socket.onclose = null;
        try {
            socket.close(1000);
        }
        catch {
        }
        this.#options.onEnd(end);
    }
    #closed({ code, reason }) {
        return this.#silence === undefined && code === 1006 ? { kind: "unreachable" } : { kind: "closed", code, reason };
    }
    #tick() {
        const now = Date.now();
        if (now - this.#tickedAt > TICK + SLEPT) {
            this.#pingedAt = undefined;
            this.check();
        }
        this.#tickedAt = now;
        if (this.#silence === undefined) {
            if (now - this.#heardAt >= HANDSHAKE)
                this.end({ kind: "unreachable" });
        }
        else if (this.#pingedAt !== undefined) {
            if (now - this.#pingedAt >= PONG)
                this.end({ kind: "dead" });
        }
        else if (now - this.#heardAt >= this.#silence) {
            this.check();
        }
        if (this.isOver)
            return;
        if (now >= this.#renewAt)
            void this.#renew();
        this.#schedule();
    }
    #hear(data) {
        this.#heardAt = Date.now();
        this.#pingedAt = undefined;
        const frame = parseFrame(data);
        if (frame === undefined)
            return;
        if (frame.type === "pong")
            return;
        if (frame.type === "authed")
            return this.#expires(Date.parse(frame.data.expiresAt), frame);
        if (frame.type === "hello") {
            this.#silence = 2_000 * Math.max(frame.data.heartbeatSeconds, 1);
            this.#expires(this.#jwtExpiresAt, frame);
        }
        this.#options.onFrame(this, frame);
    }
    #expires(at, frame) {
        const now = Date.now();
        const ahead = Date.parse(frame.at) - now;
        this.#expiresAt = at - (Number.isFinite(ahead) ? ahead : 0);
        const left = this.#expiresAt - now;
        this.#renewAt = now + (Math.max(left - MARGIN, left / 2, SOON) || MARGIN);
        this.#schedule();
    }
    #schedule() {
        clearTimeout(this.#timer);
        const left = Math.max(this.#renewAt - Date.now(), 0);
        this.#timer = setTimeout(() => this.#tick(), Math.min(TICK, left));
    }
    async #renew() {
        this.#renewAt = Date.now() + RETRY;
        if (this.#isRenewing)
            return;
        this.#isRenewing = true;
        try {
            const token = await this.#newerToken();
            if (this.isOver)
                return;
            if (token === null)
                return this.end({ kind: "signedOut" });
            this.#jwtExpiresAt = token.expiresAt;
            this.#renewAt = Date.now() + RETRY;
            this.#send({ type: "auth", token: token.jwt });
        }
        catch (error) {
            if (!this.isOver)
                this.#options.onError(error);
        }
        finally {
            this.#isRenewing = false;
        }
    }
    async #newerToken() {
        const { getToken } = this.#options;
        const token = await askForToken(getToken, false, this.#ended.signal);
        if (token === null || token.expiresAt > this.#jwtExpiresAt)
            return token;
        return askForToken(getToken, true, this.#ended.signal);
    }
    #send(frame) {
        if (this.#socket.readyState === OPEN)
            this.#socket.send(JSON.stringify(frame));
    }
}
