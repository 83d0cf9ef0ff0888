export class TributaryError extends Error {
    name = "TributaryError";
    status;
    code;
    retryAfter;
    constructor(code, message, more = {}) {
        super(message, more.cause === undefined ? undefined : { cause: more.cause });
        this.code = code;
        this.status = more.status ?? 0;
        this.retryAfter = more.retryAfter;
    }
}
