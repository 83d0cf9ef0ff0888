/** A call that was not answered as it should be. */
export class TributaryError extends Error {
    name = "TributaryError";
    /** The HTTP status; 0 when there was no answer. */
    status;
    /**
     * The server's `code`, such as `not_found` or `rate_limited`; `network` when there was no answer,
     * `signed_out` when there is no token, `incompatible` when client and server do not understand each other.
     */
    code;
    /** Seconds after which it may be tried again, if the server said so. */
    retryAfter;
    constructor(code, message, more = {}) {
        super(message, more.cause === undefined ? undefined : { cause: more.cause });
        this.code = code;
        this.status = more.status ?? 0;
        this.retryAfter = more.retryAfter;
    }
}
