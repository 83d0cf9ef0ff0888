import { parseFrame } from "./frames.js";
import { askForToken } from "./token.js";
const SUBPROTOCOL = "tributary.v1";
const OPEN = 1;
/** How long it may take until `hello`, in milliseconds. */
const HANDSHAKE = 15_000;
/** How often the clock is looked at. Timers sleep when the machine does, the clock does not. */
const TICK = 5_000;
/** A look at the clock that is so much too late means that the machine slept. */
const SLEPT = 10_000;
/** How long a `pong` may take. */
const PONG = 10_000;
/** A token is renewed when it has so long to live, or in the middle of what is left of its life. */
const MARGIN = 30_000;
/** Between two tries to renew it. */
const RETRY = 5_000;
/** One socket, from the handshake to its end: its heartbeat, and its token's renewal. */
export class Session {
    #options;
    #socket;
    #ended = new AbortController();
    #timer;
    #tickedAt = Date.now();
    #heardAt = Date.now();
    #pingedAt;
    /** How long the other side may be silent; unknown until `hello`. */
    #silence;
    /** Both by the local clock. */
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
        // What happened is only said by the close that follows.
        socket.onerror = () => { };
        this.#timer = setTimeout(() => this.#tick(), TICK);
    }
    /** Whether it is over. */
    get isOver() {
        return this.#ended.signal.aborted;
    }
    /** Makes sure that somebody is still there: the network or the machine was away. */
    check() {
        if (this.isOver || this.#silence === undefined || this.#pingedAt !== undefined)
            return;
        this.#pingedAt = Date.now();
        this.#send({ type: "ping" });
    }
    /** Ends it, for that reason; a second end is none. */
    end(end) {
        if (this.isOver)
            return;
        this.#ended.abort();
        clearTimeout(this.#timer);
        const socket = this.#socket;
        socket.onmessage = socket.onclose = null;
        try {
            // A peer that is gone takes a while to be closed, and nobody waits for it.
            socket.close(1000);
        }
        catch {
            // Then it is closed already.
        }
        this.#options.onEnd(end);
    }
    #closed({ code, reason }) {
        return this.#silence === undefined && code === 1006 ? { kind: "unreachable" } : { kind: "closed", code, reason };
    }
    #tick() {
        const now = Date.now();
        if (now - this.#tickedAt > TICK + SLEPT) {
            // Whatever has been sent meanwhile may be waiting behind this: ask anew.
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
        this.#timer = setTimeout(() => this.#tick(), TICK);
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
    /** Takes note of an expiry by the server's clock, which `frame` tells: the local one may be wrong. */
    #expires(at, frame) {
        const now = Date.now();
        const ahead = Date.parse(frame.at) - now;
        this.#expiresAt = at - (Number.isFinite(ahead) ? ahead : 0);
        const left = Math.max(this.#expiresAt - now, 0);
        this.#renewAt = this.#expiresAt - Math.min(MARGIN, left / 2);
    }
    async #renew() {
        if (this.#isRenewing)
            return;
        this.#isRenewing = true;
        this.#renewAt = Date.now() + RETRY;
        try {
            const token = await this.#newerToken();
            if (this.isOver)
                return;
            if (token === null)
                return this.end({ kind: "signedOut" });
            this.#jwtExpiresAt = token.expiresAt;
            // Until the answer comes, and in case that none does.
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
    /** Whoever caches tokens hands out the one that is about to expire. */
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
