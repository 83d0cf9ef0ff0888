import { isForPage, type Frame, type FrameOf, type ResyncFrame } from "./frames.js";
import type { ServerFrame } from "./generated.js";
import { TributaryError } from "./errors.js";
import { Inbox } from "./inbox.js";
import { afterwards, type End } from "./policy.js";
import { Session, type WebSocketConstructor } from "./session.js";
import { askForToken, type GetToken } from "./token.js";
import { socketUrl } from "./url.js";
import { Wakers } from "./wakers.js";

/** How a stream is doing. */
export type StreamState =
  /** On the way to the server, or loading what comes before the stream. */
  | { readonly status: "connecting" }
  /** What was missed is coming in. */
  | { readonly status: "replaying" }
  /** What happens comes as it happens. */
  | { readonly status: "live" }
  /** Tries again at `retryAt`, in milliseconds since 1970, because of `cause`. */
  | { readonly status: "waiting"; readonly retryAt: number; readonly cause: End }
  /** `getToken` answered null: nothing is tried until `reconnect()`. */
  | { readonly status: "signedOut" }
  /** For good: by `close()`, or because client and server do not understand each other. */
  | { readonly status: "closed"; readonly error?: TributaryError };

/** What a stream may be given. */
export interface CommonOptions {
  /** Where Tributary is: `https://tributary.example`; in a page also a path, such as `/`. */
  url: string | URL;
  getToken: GetToken;
  /**
   * Gets every frame once, in order, each when what it returned for the one before is done. A frame
   * whose handler throws counts as handled, and `onError` hears of it.
   */
  onFrame: (frame: Frame) => void | Promise<void>;
  onState?: ((state: StreamState) => void) | undefined;
  /** Hears what went wrong and was not the end: handlers and `getToken` that failed. */
  onError?: ((error: unknown) => void) | undefined;
  /** Frames that may wait for the handler. With more the socket is given up, and taken up again once they are done. */
  maxQueue?: number | undefined;
  /** In Node before 22, the one of `ws`. */
  WebSocket?: WebSocketConstructor | undefined;
  /** Ends it, as `close()` does. */
  signal?: AbortSignal | undefined;
}

/** Where a stream begins, and who loads what no replay can give. */
export type StreamOptions = CommonOptions & (Resuming | Loading);

/** A stream that begins at a cursor. */
export interface Resuming {
  /** The cursor after which to begin; without it, with what comes next. */
  since?: string | undefined;
  /** Has to load everything again. The stream goes on when that is done; if it fails, it is called again. */
  onResync: (frame: ResyncFrame) => void | Promise<void>;
}

/** A stream that begins with a snapshot. */
export interface Loading {
  /**
   * Loads everything and answers the cursor behind it; at the beginning, and for every resync. When
   * `signal` is aborted, nobody wants it any more.
   */
  load: (signal: AbortSignal) => Promise<string>;
}

/** How long it has to be live to be stable, in milliseconds: who falls over sooner backs off. */
const STABLE = 10_000;
/** Cursors that are remembered, so that whatever comes twice is handed over once. */
const REMEMBERED = 256;
/** The end that was asked for. */
const CLOSED: End = { kind: "closed", code: 1000, reason: "" };

/** Opens a stream. */
export function connect(options: StreamOptions): TributaryStream {
  return new TributaryStream(options);
}

/** A live stream that reconnects, resumes and renews its token by itself. */
export class TributaryStream {
  readonly #options: StreamOptions;
  readonly #WebSocket: WebSocketConstructor;
  readonly #inbox: Inbox<{ session: Session; frame: ServerFrame }>;
  readonly #closing = new AbortController();
  readonly #wakers: Wakers;
  readonly #seen = new Set<string>();
  #state: StreamState = { status: "connecting" };
  #cursor: string | undefined;
  #session: Session | undefined;
  /** Ends since it was last stable. */
  #failures = 0;
  #liveSince = Infinity;
  #skipCache = false;
  /** Ends the present wait; what is patient is only woken by a person. */
  #wake: ((isPerson: boolean) => void) | undefined;

  constructor(options: StreamOptions) {
    const { url, WebSocket = globalThis.WebSocket } = options;
    // Here, where whoever made the mistake sees it.
    if (typeof WebSocket !== "function") throw new TypeError("there is no WebSocket: give one in the options");
    socketUrl(url, undefined);
    this.#options = options;
    this.#WebSocket = WebSocket;
    this.#cursor = "since" in options ? options.since : undefined;
    this.#inbox = new Inbox((item) => this.#handle(item.session, item.frame), options.maxQueue ?? 1024);
    this.#wakers = new Wakers((isPerson) => {
      this.#session?.check();
      if (this.#state.status === "waiting") this.#wake?.(isPerson);
    });
    options.signal?.addEventListener("abort", this.#onAbort);
    if (options.signal?.aborted) this.close();
    else void this.#run();
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Everything up to here was handled: `since` for another stream of the same user. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Does not wait any longer: somebody has signed in, or asks for it. */
  reconnect(): void {
    this.#session?.check();
    this.#wake?.(true);
  }

  /** Ends it for good; again has no effect. */
  close(): void {
    this.#close();
  }

  readonly #onAbort = () => this.#close();

  #close(error?: TributaryError): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#wakers.stop();
    this.#inbox.clear();
    this.#session?.end(CLOSED);
    this.#wake?.(true);
    this.#become(error ? { status: "closed", error } : { status: "closed" });
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#become({ status: "connecting" });
      // Only then is it known after what to go on.
      await this.#inbox.drained();
      if (this.#isClosed) return;
      const end = await this.#attempt();
      this.#session = undefined;
      if (this.#isClosed) return;
      if (Date.now() - this.#liveSince >= STABLE) this.#failures = 0;
      this.#liveSince = Infinity;
      await this.#rest(end);
      if (end.kind !== "full") this.#failures += 1;
    }
  }

  /** One socket, until it ends; or why there is none. */
  async #attempt(): Promise<End> {
    const { getToken, url } = this.#options;
    const { signal } = this.#closing;
    try {
      if ("load" in this.#options) this.#cursor ??= await this.#options.load(signal);
      const token = await askForToken(getToken, this.#skipCache, signal);
      if (this.#isClosed) return CLOSED;
      if (token === null) return { kind: "signedOut" };
      return await new Promise((onEnd) => {
        this.#session = new Session({
          url: socketUrl(url, this.#cursor),
          token,
          getToken,
          WebSocket: this.#WebSocket,
          onFrame: (session, frame) => {
            if (!this.#inbox.push({ session, frame })) session.end({ kind: "full" });
          },
          onEnd,
          onError: (error) => this.#report(error),
        });
      });
    } catch (error) {
      if (error instanceof TributaryError && error.code === "signed_out") return { kind: "signedOut" };
      this.#report(error);
      const retryAfter = error instanceof TributaryError ? error.retryAfter : undefined;
      return retryAfter === undefined ? { kind: "failed", error } : { kind: "failed", error, retryAfter };
    }
  }

  /** What lies between two sockets. */
  async #rest(cause: End): Promise<void> {
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
        if (next.delay === 0) return;
        this.#become({ status: "waiting", retryAt: Date.now() + next.delay, cause });
        return this.#sleep(next.delay, next.isPatient);
    }
  }

  /** Until the delay is over, or somebody wakes it. */
  #sleep(delay: number, isPatient: boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = delay === Infinity ? undefined : setTimeout(() => this.#wake?.(true), delay);
      this.#wake = (isPerson) => {
        if (isPatient && !isPerson) return;
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #handle(session: Session, frame: ServerFrame): void | Promise<void> {
    switch (frame.type) {
      case "hello":
        if (!session.isOver) this.#become({ status: "replaying" });
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
    if (!isForPage(frame)) return this.#advance(frame);
    if (frame.cursor !== undefined && this.#seen.has(frame.cursor)) return;
    return this.#deliver(frame);
  }

  #deliver(frame: Frame): void | Promise<void> {
    try {
      const handled = this.#options.onFrame(frame);
      if (handled !== undefined) {
        return Promise.resolve(handled)
          .catch((error: unknown) => this.#report(error))
          .then(() => this.#advance(frame));
      }
    } catch (error) {
      this.#report(error);
    }
    this.#advance(frame);
  }

  async #resync(session: Session, frame: FrameOf<"resync">): Promise<void> {
    if ("load" in this.#options) {
      this.#cursor = undefined;
      this.#inbox.clear();
      return session.end({ kind: "reload" });
    }
    try {
      await this.#options.onResync(frame);
      this.#advance(frame);
    } catch (error) {
      // Without what was to be loaded nothing that follows makes sense.
      this.#report(error);
      this.#inbox.clear();
      session.end({ kind: "failed", error });
    }
  }

  #advance({ cursor }: ServerFrame): void {
    if (cursor === undefined) return;
    this.#cursor = cursor;
    this.#seen.add(cursor);
    if (this.#seen.size <= REMEMBERED) return;
    const [oldest = ""] = this.#seen;
    this.#seen.delete(oldest);
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #become(state: StreamState): void {
    if (this.#isClosed && state.status !== "closed") return;
    this.#state = state;
    try {
      this.#options.onState?.(state);
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    if (this.#isClosed) return;
    try {
      this.#options.onError?.(error);
    } catch {
      // Whoever cannot hear of an error cannot hear of that one.
    }
  }
}
