/**
 * Reports a finished bridge login to Tributary, for the main process of a desktop program, and
 * answers the code that its user types on the web page.
 *
 * No dependencies: it needs a global `fetch`, as Node 20 and Electron's main process have. Nothing
 * here logs, and no error carries a token, a key or a URL.
 */

/** The Matrix session of whoever logged in at the bridge. */
export interface MatrixSession {
  /** The base URL of the homeserver's client-server API. */
  homeserverUrl: string
  /** The full Matrix id, such as `@alice:example.org`. */
  userId: string
  accessToken: string
}

/** Where Tributary is, and the key that says which desktop program is calling. */
export interface TributaryServer {
  url: string
  /** One of `manager.api_key`. It ships in a desktop program, so it proves nothing about a person. */
  managerKey: string
}

/** A login that the bridge has completed. */
export interface FinishedLogin {
  /** `complete.user_login_id` of the bridge's last login step. */
  bridgeUserId: string
  /** `bridges[].id` in Tributary's configuration; its first bridge unless given. */
  bridgeId?: string
  /** The name on the network. Tributary also asks the bridge for it, where it can. */
  remoteName?: string
}

export type ConnectionStatus = "PENDING" | "CONNECTED" | "ERROR" | "DISCONNECTED"

/** What Tributary made of the report. */
export interface Reported {
  connectionId: string
  status: ConnectionStatus
  /** Eight letters and digits, good once; null when the account is linked already. */
  linkCode: string | null
  /** RFC 3339; ten minutes from now. */
  linkCodeExpiresAt: string | null
}

export interface Options {
  /** Ends the report with `aborted`, also between two attempts. */
  signal?: AbortSignal
  /** How often to try before giving up; 6 unless given. */
  attempts?: number
  /** For one request, from the connection to the last byte; 15 seconds unless given. */
  requestTimeoutMs?: number
  /** The pause after the first failure, doubled after each further one; half a second unless given. */
  firstPauseMs?: number
  /** The longest pause that is not the server's wish; 30 seconds unless given. */
  longestPauseMs?: number
  /** Called before each pause. */
  onRetry?: (error: CompanionError, pauseMs: number) => void
}

/** Whom a request went to. */
export type Peer = "homeserver" | "tributary"

/** Why a report failed. */
export class CompanionError extends Error {
  override readonly name = "CompanionError"

  constructor(
    /** Whom it failed with. */
    readonly peer: Peer,
    /**
     * A stable word: Tributary's `code` (`forbidden`, `unauthorized`, `invalid_request`,
     * `rate_limited`, `unavailable`, ...), Matrix's `errcode` (`M_UNKNOWN_TOKEN`, ...), or one of
     * `unreachable`, `timed_out`, `redirected`, `malformed_answer`, `invalid_url`, `aborted`, and
     * `http_<status>` for an answer that neither of the two has written.
     */
    readonly code: string,
    message: string,
    /** The HTTP status, if there was an answer. */
    readonly status: number | null = null,
    /** How long the server wants to be left alone. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(`${peer}: ${message}`)
  }

  /** Whether the same report may succeed later. */
  get isTransient(): boolean {
    if (this.status !== null) return this.status === 429 || this.status >= 500
    return this.code === "unreachable" || this.code === "timed_out"
  }
}

const STATUSES: readonly unknown[] = ["PENDING", "CONNECTED", "ERROR", "DISCONNECTED"]
/** Nobody sits longer than that before a window that shows nothing. */
const LONGEST_RETRY_AFTER_MS = 120_000

type Json = { readonly [key: string]: unknown }

/**
 * Reports a login. Failures that may pass (no network, time-outs, 429, 5xx) are tried again;
 * whatever else is refused is final. The same report may be sent again at any time: each answer
 * replaces the code of the one before.
 *
 * @throws {CompanionError}
 */
export async function reportLogin(
  session: MatrixSession,
  server: TributaryServer,
  login: FinishedLogin,
  options: Options = {},
): Promise<Reported> {
  const attempts = options.attempts ?? 6
  for (let attempt = 1; ; attempt++) {
    try {
      // A token proves one report. An attempt that failed may have spent its own.
      const openIdToken = await requestOpenIdToken(session, options)
      return await sendReport(session, server, login, openIdToken, options)
    } catch (error) {
      if (!(error instanceof CompanionError) || !error.isTransient || attempt >= attempts) throw error
      const pauseMs = pauseAfter(error, attempt, options)
      if (pauseMs === null) throw error
      options.onRetry?.(error, pauseMs)
      await pause(pauseMs, error.peer, options.signal)
    }
  }
}

/** Client-server API, "Request an OpenID 1.0 token". */
async function requestOpenIdToken(session: MatrixSession, options: Options): Promise<Json> {
  const path = `/_matrix/client/v3/user/${encodeURIComponent(session.userId)}/openid/request_token`
  const url = endpoint("homeserver", session.homeserverUrl, path)
  const token = await post("homeserver", url, session.accessToken, {}, options)
  if (typeof token["access_token"] !== "string") throw malformed("homeserver")
  return token
}

async function sendReport(
  session: MatrixSession,
  server: TributaryServer,
  login: FinishedLogin,
  openIdToken: Json,
  options: Options,
): Promise<Reported> {
  const url = endpoint("tributary", server.url, "/api/manager/bridge-login-complete")
  const { bridgeUserId, bridgeId, remoteName } = login
  const report = { matrixUserId: session.userId, bridgeUserId, bridgeId, remoteName, openIdToken }
  const answer = await post("tributary", url, server.managerKey, report, options)
  if (!isReported(answer)) throw malformed("tributary")
  const { connectionId, status, linkCode, linkCodeExpiresAt } = answer
  return { connectionId, status, linkCode, linkCodeExpiresAt }
}

function isReported(answer: Json): answer is Json & Reported {
  const isText = (value: unknown) => typeof value === "string"
  return (
    isText(answer["connectionId"]) &&
    STATUSES.includes(answer["status"]) &&
    [answer["linkCode"], answer["linkCodeExpiresAt"]].every((value) => value === null || isText(value))
  )
}

/** POSTs JSON with a bearer token; answers the JSON object of a 2xx. */
async function post(peer: Peer, url: string, token: string, body: Json, options: Options): Promise<Json> {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json", Accept: "application/json" }
  const { status, retryAfter, text } = await exchange(peer, options, async (signal) => {
    // A redirect would carry the token to wherever it points.
    const init = { method: "POST", headers, body: JSON.stringify(body), redirect: "manual", signal } as const
    const response = await fetch(url, init)
    return { status: response.status, retryAfter: response.headers.get("Retry-After"), text: await response.text() }
  })
  const answer = parse(text)
  if (status >= 200 && status < 300) {
    if (answer === null) throw malformed(peer)
    return answer
  }
  throw refusal(peer, status, answer ?? {}, retryAfter)
}

/** Does a request under its time-out and the caller's signal. */
async function exchange<T>(peer: Peer, options: Options, request: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, requestTimeoutMs = 15_000 } = options
  if (signal?.aborted) throw aborted(peer)
  const controller = new AbortController()
  const abort = () => controller.abort()
  const timer = setTimeout(abort, requestTimeoutMs)
  signal?.addEventListener("abort", abort, { once: true })
  try {
    return await request(controller.signal)
  } catch (error) {
    if (signal?.aborted) throw aborted(peer)
    if (controller.signal.aborted) throw new CompanionError(peer, "timed_out", "no answer in time")
    throw new CompanionError(peer, "unreachable", `it cannot be reached${reason(error)}`)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener("abort", abort)
  }
}

/** The system's word for what went wrong, such as `ECONNREFUSED`. */
function reason(error: unknown): string {
  const cause = (error as { cause?: { code?: unknown } } | null)?.cause
  return typeof cause?.code === "string" ? ` (${cause.code})` : ""
}

function refusal(peer: Peer, status: number, answer: Json, retryAfter: string | null): CompanionError {
  if (status >= 300 && status < 400) {
    return new CompanionError(peer, "redirected", "it redirects; the URL has to be the one that it redirects to", status)
  }
  const word = peer === "tributary" ? answer["code"] : answer["errcode"]
  const code = typeof word === "string" && /^\w{1,64}$/.test(word) ? word : `http_${status}`
  const waits = [millisecondsOf(retryAfter), answer["retry_after_ms"]].filter((wait): wait is number => typeof wait === "number")
  const wait = waits.length > 0 ? Math.max(0, ...waits) : null
  return new CompanionError(peer, code, `it answered ${status} ${code}`, status, wait)
}

/** `Retry-After`, in seconds or as a date, as milliseconds from now. */
function millisecondsOf(header: string | null): number | null {
  if (header === null) return null
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}

/** How long to wait after a failure; null when the server wants more than anybody waits. */
function pauseAfter(error: CompanionError, attempt: number, options: Options): number | null {
  const { firstPauseMs = 500, longestPauseMs = 30_000 } = options
  const most = Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1))
  // Programs that failed together do not come again together.
  const backoff = most * (0.5 + Math.random() / 2)
  const asked = error.retryAfterMs ?? 0
  return asked > LONGEST_RETRY_AFTER_MS ? null : Math.max(backoff, asked)
}

function pause(ms: number, peer: Peer, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      reject(aborted(peer))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end)
      resolve()
    }, ms)
    if (signal?.aborted) end()
    else signal?.addEventListener("abort", end, { once: true })
  })
}

function endpoint(peer: Peer, base: string, path: string): string {
  if (!/^https?:\/\/[^/?#@]+(\/[^?#]*)?$/.test(base)) {
    throw new CompanionError(peer, "invalid_url", "its URL is no http or https base URL")
  }
  return base.replace(/\/+$/, "") + path
}

function parse(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null
  } catch {
    return null
  }
}

function malformed(peer: Peer): CompanionError {
  return new CompanionError(peer, "malformed_answer", "its answer cannot be understood; is the URL right?")
}

function aborted(peer: Peer): CompanionError {
  return new CompanionError(peer, "aborted", "the report was called off")
}
