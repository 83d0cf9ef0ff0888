import { isForPage } from "./frames.js";
import { TributaryError } from "./errors.js";
import { Inbox } from "./inbox.js";
import { afterwards } from "./policy.js";
import { Session } from "./session.js";
import { askForToken } from "./token.js";
import { socketUrl } from "./url.js";
import { Wakers } from "./wakers.js";
const STABLE = 10_000;
const REMEMBERED = 256;
const CLOSED = { kind: "closed", code: 1000, reason: "" };
export function connect(options) {
    return new TributaryStream(options);
}
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
    #failures = 0;
    #liveSince = Infinity;
    #skipCache = false;
    #wake;
    constructor(options) {
        const { url, WebSocket = globalThis.WebSocket } = options;
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
    get cursor() {
        return this.#cursor;
    }
    reconnect() {
        this.#session?.check();
        this.#wake?.(true);
    }
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
    async #rest(cause) {
        const next = afterwards(cause, this.#failures, Math.random());
        this.#skipCache = next.kind !== "retry" || next.skipCache;
        switch (next.kind) {
            case "incompatible":
                return this.#close(new TributaryError("incompatible", "client and server do not understand each other"));
            case "signedOut":
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
        }
    }
}
