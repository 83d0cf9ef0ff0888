import { isForPage } from "./frames.js";
import { TributaryError } from "./errors.js";
import { Inbox } from "./inbox.js";
import { afterwards } from "./policy.js";
import { Session } from "./session.js";
import { askForToken } from "./token.js";
import { socketUrl } from "./url.js";
import { Wakers } from "./wakers.js";
/** How long it has to be live to be stable, in milliseconds: who falls over sooner backs off. */
const STABLE = 10_000;
/** Cursors that are remembered, so that whatever comes twice is handed over once. */
const REMEMBERED = 256;
/** The end that was asked for. */
const CLOSED = { kind: "closed", code: 1000, reason: "" };
/** Opens a stream. */
export function connect(options) {
    return new TributaryStream(options);
}
/** A live stream that reconnects, resumes and renews its token by itself. */
export class TributaryStream {
    #options;
    #WebSocket;
    #inbox;
    #closing = new AbortController();
    #wakers;
    #seen = new Set();
    #state = { status: "connecting" };
    #cursor;
    #session;
    /** Ends since it was last stable. */
    #failures = 0;
    #liveSince = Infinity;
    #skipCache = false;
    /** Ends the present wait; what is patient is only woken by a person. */
    #wake;
    constructor(options) {
        const { url, WebSocket = globalThis.WebSocket } = options;
        // Here, where whoever made the mistake sees it.
        if (typeof WebSocket !== "function")
            throw new TypeError("there is no WebSocket: give one in the options");
        socketUrl(url, undefined);
        this.#options = options;
        this.#WebSocket = WebSocket;
        this.#cursor = "since" in options ? options.since : undefined;
        this.#inbox = new Inbox((item) => this.#handle(item.session, item.frame), options.maxQueue ?? 1024);
        this.#wakers = new Wakers((isPerson) => {
            this.#session?.check();
            if (this.#state.status === "waiting")
                this.#wake?.(isPerson);
        });
        options.signal?.addEventListener("abort", this.#onAbort);
        if (options.signal?.aborted)
            this.close();
        else
            void this.#run();
    }
    get state() {
        return this.#state;
    }
    /** Everything up to here was handled: `since` for another stream of the same user. */
    get cursor() {
        return this.#cursor;
    }
    /** Does not wait any longer: somebody has signed in, or asks for it. */
    reconnect() {
        this.#session?.check();
        this.#wake?.(true);
    }
    /** Ends it for good; again has no effect. */
    close() {
        this.#close();
    }
    #onAbort = () => this.#close();
    #close(error) {
        if (this.#closing.signal.aborted)
            return;
        this.#closing.abort();
        this.#options.signal?.removeEventListener("abort", this.#onAbort);
        this.#wakers.stop();
        this.#inbox.clear();
        this.#session?.end(CLOSED);
        this.#wake?.(true);
        this.#become(error ? { status: "closed", error } : { status: "closed" });
    }
    async #run() {
        while (!this.#isClosed) {
            this.#become({ status: "connecting" });
            // Only then is it known after what to go on.
            await this.#inbox.drained();
            if (this.#isClosed)
                return;
            const end = await this.#attempt();
            this.#session = undefined;
            if (this.#isClosed)
                return;
            if (Date.now() - this.#liveSince >= STABLE)
                this.#failures = 0;
            this.#liveSince = Infinity;
            await this.#rest(end);
            if (end.kind !== "full")
                this.#failures += 1;
        }
    }
    /** One socket, until it ends; or why there is none. */
    async #attempt() {
        const { getToken, url } = this.#options;
        const { signal } = this.#closing;
        try {
            if ("load" in this.#options)
                this.#cursor ??= await this.#options.load(signal);
            const token = await askForToken(getToken, this.#skipCache, signal);
            if (this.#isClosed)
                return CLOSED;
            if (token === null)
                return { kind: "signedOut" };
            return await new Promise((onEnd) => {
                this.#session = new Session({
                    url: socketUrl(url, this.#cursor),
                    token,
                    getToken,
                    WebSocket: this.#WebSocket,
                    onFrame: (session, frame) => {
                        if (!this.#inbox.push({ session, frame }))
                            session.end({ kind: "full" });
                    },
                    onEnd,
                    onError: (error) => this.#report(error),
                });
            });
        }
        catch (error) {
            if (error instanceof TributaryError && error.code === "signed_out")
                return { kind: "signedOut" };
            this.#report(error);
            const retryAfter = error instanceof TributaryError ? error.retryAfter : undefined;
            return retryAfter === undefined ? { kind: "failed", error } : { kind: "failed", error, retryAfter };
        }
    }
    /** What lies between two sockets. */
    async #rest(cause) {
        const next = afterwards(cause, this.#failures, Math.random());
        this.#skipCache = next.kind !== "retry" || next.skipCache;
        switch (next.kind) {
            case "incompatible":
                return this.#close(new TributaryError("incompatible", "client and server do not understand each other"));
            case "signedOut":
                // What is left is not for whoever sits there now.
                this.#inbox.clear();
                this.#failures = 0;
                this.#become({ status: "signedOut" });
                return this.#sleep(Infinity, true);
            case "retry":
                if (next.delay === 0)
                    return;
                this.#become({ status: "waiting", retryAt: Date.now() + next.delay, cause });
                return this.#sleep(next.delay, next.isPatient);
        }
    }
    /** Until the delay is over, or somebody wakes it. */
    #sleep(delay, isPatient) {
        return new Promise((resolve) => {
            const timer = delay === Infinity ? undefined : setTimeout(() => this.#wake?.(true), delay);
            this.#wake = (isPerson) => {
                if (isPatient && !isPerson)
                    return;
                clearTimeout(timer);
                this.#wake = undefined;
                resolve();
            };
        });
    }
    #handle(session, frame) {
        if (this.#isClosed)
            return;
        switch (frame.type) {
            case "hello":
                if (!session.isOver)
                    this.#become({ status: "replaying" });
                return this.#advance(frame);
            case "live":
                if (!session.isOver) {
                    this.#liveSince = Date.now();
                    this.#become({ status: "live" });
                }
                return this.#advance(frame);
            case "resync":
                return this.#resync(session, frame);
        }
        // What a later server sends is passed by, so that it does not come again and again.
        if (!isForPage(frame))
            return this.#advance(frame);
        if (frame.cursor !== undefined && this.#seen.has(frame.cursor))
            return;
        return this.#deliver(frame);
    }
    #deliver(frame) {
        try {
            const handled = this.#options.onFrame(frame);
            if (handled !== undefined) {
                return Promise.resolve(handled)
                    .catch((error) => this.#report(error))
                    .then(() => this.#advance(frame));
            }
        }
        catch (error) {
            this.#report(error);
        }
        this.#advance(frame);
    }
    async #resync(session, frame) {
        if ("load" in this.#options) {
            this.#cursor = undefined;
            this.#inbox.clear();
            return session.end({ kind: "reload" });
        }
        try {
            await this.#options.onResync(frame);
            this.#advance(frame);
        }
        catch (error) {
            // Without what was to be loaded nothing that follows makes sense.
            this.#report(error);
            this.#inbox.clear();
            session.end({ kind: "failed", error });
        }
    }
    #advance({ cursor }) {
        if (cursor === undefined)
            return;
        this.#cursor = cursor;
        this.#seen.add(cursor);
        if (this.#seen.size <= REMEMBERED)
            return;
        const [oldest = ""] = this.#seen;
        this.#seen.delete(oldest);
    }
    get #isClosed() {
        return this.#closing.signal.aborted;
    }
    #become(state) {
        if (this.#isClosed && state.status !== "closed")
            return;
        this.#state = state;
        try {
            this.#options.onState?.(state);
        }
        catch (error) {
            this.#report(error);
        }
    }
    #report(error) {
        if (this.#isClosed)
            return;
        try {
            this.#options.onError?.(error);
        }
        catch {
            // Whoever cannot hear of an error cannot hear of that one.
        }
    }
}
