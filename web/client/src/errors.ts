import type { Problem } from "./generated.js";

/**
 * The server's `code`, such as `not_found` or `rate_limited`, of a newer server also another one; `network` when there
 * was no answer, `signed_out` when there is no token, `incompatible` when client and server do not understand each
 * other, `unknown` when whoever answered was not the server.
 */
export type ErrorCode = Problem["code"] | "network" | "signed_out" | "incompatible" | "unknown" | (string & {});

/** A call that was not answered as it should be. */
export class TributaryError extends Error {
  override readonly name = "TributaryError";
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly code: ErrorCode;
  /** Seconds after which it may be tried again, if the server said so. */
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, more: { status?: number; retryAfter?: number | undefined; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.status = more.status ?? 0;
    this.retryAfter = more.retryAfter;
  }
}
