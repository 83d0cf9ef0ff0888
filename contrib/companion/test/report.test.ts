import assert from "node:assert/strict"
import { afterEach, beforeEach, test } from "node:test"
import { inspect } from "node:util"

import { CompanionError, reportLogin, type FinishedLogin, type Options } from "../src/index.js"
import { FaultServer, REPORTED, type Fault } from "./fault-server.js"

const ACCESS_TOKEN = "syt_the_matrix_session"
const MANAGER_KEY = "the-manager-key"
const LOGIN = { bridgeUserId: "77", bridgeId: "meta", remoteName: "Alice" }
const QUICK = { firstPauseMs: 1 }

let server: FaultServer
beforeEach(async () => (server = await FaultServer.start()))
afterEach(() => server.stop())

function report(options: Options = {}, login: FinishedLogin = LOGIN) {
  const session = { homeserverUrl: server.url, userId: "@a/b:lab.local", accessToken: ACCESS_TOKEN }
  return reportLogin(session, { url: `${server.url}/`, managerKey: MANAGER_KEY }, login, { ...QUICK, ...options })
}

async function failure(promise: Promise<unknown>): Promise<CompanionError> {
  const error: unknown = await promise.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof CompanionError, String(error))
  return error
}

const problem = (status: number, code: string, headers = {}): Fault => ({ status, body: { status, code }, headers })

test("a login is proven, reported, and answered with a code", async () => {
  assert.deepEqual(await report(), REPORTED)
  const [asked, sent] = server.asked
  assert.deepEqual(asked, {
    path: "/_matrix/client/v3/user/%40a%2Fb%3Alab.local/openid/request_token",
    authorization: `Bearer ${ACCESS_TOKEN}`,
    body: {},
  })
  const openIdToken = { access_token: "token-1", token_type: "Bearer", matrix_server_name: "lab.local" }
  assert.deepEqual(sent, {
    path: "/api/manager/bridge-login-complete",
    authorization: `Bearer ${MANAGER_KEY}`,
    body: { matrixUserId: "@a/b:lab.local", ...LOGIN, openIdToken },
  })
})

test("what is not known is not said", async () => {
  server.reported = { ...REPORTED, linkCode: null, linkCodeExpiresAt: null, somethingNew: 1 }
  const reported = await report({}, { bridgeUserId: "77" })
  assert.deepEqual(reported, { ...REPORTED, linkCode: null, linkCodeExpiresAt: null })
  const body = server.sent[0]?.body as object
  assert.deepEqual(Object.keys(body).sort(), ["bridgeUserId", "matrixUserId", "openIdToken"])
})

test("what may pass is tried again, each time with a fresh token", async () => {
  server.tokens = ["cut", { status: 502, body: "<html>" }]
  server.reports = [problem(503, "unavailable"), "hang", problem(500, "internal")]
  const failures: string[] = []
  const onRetry = ({ peer, code }: CompanionError) => failures.push(`${peer} ${code}`)
  // Long enough for every answer that does come, on a machine that is busy with something else.
  assert.deepEqual(await report({ onRetry, requestTimeoutMs: 5_000 }), REPORTED)
  assert.deepEqual(failures, [
    "homeserver unreachable",
    "homeserver http_502",
    "tributary unavailable",
    "tributary timed_out",
    "tributary internal",
  ])
  const tokens = server.sent.map(({ body }) => (body as { openIdToken: { access_token: string } }).openIdToken.access_token)
  assert.equal(new Set(tokens).size, 4)
})

test("a refusal is final", async () => {
  for (const [status, code] of [
    [400, "invalid_request"],
    [401, "unauthorized"],
    [403, "forbidden"],
    [404, "not_found"],
    [409, "conflict"],
    [413, "payload_too_large"],
  ] as const) {
    server.asked.length = 0
    server.reports = [problem(status, code)]
    const error = await failure(report())
    assert.deepEqual([error.peer, error.code, error.status, error.isTransient], ["tributary", code, status, false])
    assert.equal(server.sent.length, 1)
  }
})

test("the homeserver's refusal is final, and nothing is reported", async () => {
  server.tokens = [{ status: 401, body: { errcode: "M_UNKNOWN_TOKEN", error: "…" } }]
  const error = await failure(report())
  assert.deepEqual([error.peer, error.code, error.status], ["homeserver", "M_UNKNOWN_TOKEN", 401])
  assert.equal(server.sent.length, 0)
})

test("a server that names its time is given it", async () => {
  server.tokens = [{ status: 429, body: { errcode: "M_LIMIT_EXCEEDED", retry_after_ms: 30 } }]
  server.reports = [problem(429, "rate_limited", { "Retry-After": "1" })]
  const pauses: number[] = []
  assert.deepEqual(await report({ onRetry: (_, ms) => pauses.push(ms) }), REPORTED)
  assert.deepEqual(pauses, [30, 1000])
  server.reports = [problem(429, "rate_limited", { "Retry-After": new Date(Date.now() + 3_600_000).toUTCString() })]
  const error = await failure(report())
  assert.equal(error.code, "rate_limited")
  assert.ok(error.retryAfterMs !== null && error.retryAfterMs > 3_500_000, "an hour is not waited for")
})

test("the pauses grow, with jitter, up to the longest", async () => {
  server.reports = Array.from({ length: 9 }, () => problem(503, "unavailable"))
  const pauses: number[] = []
  const options = { attempts: 9, firstPauseMs: 2, longestPauseMs: 16, onRetry: (_: unknown, ms: number) => pauses.push(ms) }
  assert.equal((await failure(report(options))).code, "unavailable")
  assert.equal(pauses.length, 8)
  for (const [at, most] of [2, 4, 8, 16, 16, 16, 16, 16].entries()) {
    const pause = pauses[at] ?? NaN
    assert.ok(pause >= most / 2 && pause <= most, `${pause} of ${most}`)
  }
  assert.ok(new Set(pauses).size > 5, "they are not all alike")
})

test("it ends when it is called off, in a request or between two", async () => {
  const called = new AbortController()
  called.abort()
  assert.equal((await failure(report({ signal: called.signal }))).code, "aborted")
  assert.equal(server.asked.length, 0)

  const during = new AbortController()
  server.reports = ["hang"]
  const hanging = failure(report({ signal: during.signal, requestTimeoutMs: 60_000 }))
  while (server.sent.length === 0) await new Promise((resolve) => setImmediate(resolve))
  during.abort()
  assert.equal((await hanging).code, "aborted")

  const between = new AbortController()
  server.reports = [problem(503, "unavailable")]
  const pausing = report({ signal: between.signal, firstPauseMs: 60_000, longestPauseMs: 60_000, onRetry: () => setImmediate(() => between.abort()) })
  assert.equal((await failure(pausing)).code, "aborted")
})

test("a redirect is not followed", async () => {
  const elsewhere = await FaultServer.start()
  try {
    for (const status of [301, 302, 307, 308]) {
      server.reports = [{ status, headers: { Location: `${elsewhere.url}/api/manager/bridge-login-complete` } }]
      assert.equal((await failure(report())).code, "redirected")
    }
    assert.equal(elsewhere.asked.length, 0)
  } finally {
    elsewhere.stop()
  }
})

test("an answer that is none is final", async () => {
  for (const body of ["<html>", "[]", { ...REPORTED, status: "FINE" }, { ...REPORTED, linkCode: 5 }, {}]) {
    server.reports = [{ status: 200, body }]
    assert.equal((await failure(report())).code, "malformed_answer")
  }
  server.tokens = [{ status: 200, body: { access_token: null } }]
  const error = await failure(report())
  assert.deepEqual([error.peer, error.code], ["homeserver", "malformed_answer"])
})

test("a URL has to be one", async () => {
  const session = { homeserverUrl: server.url, userId: "@a:lab.local", accessToken: ACCESS_TOKEN }
  for (const url of ["", "tributary.example.org", "ftp://a", "http://", "http://key@a/", "http://a/?x", "http://a/#x"]) {
    const error = await failure(reportLogin(session, { url, managerKey: MANAGER_KEY }, LOGIN, QUICK))
    assert.equal(error.code, "invalid_url", url)
  }
})

test("no error tells a secret", async () => {
  const secrets = [ACCESS_TOKEN, MANAGER_KEY, "token-1", "token-2"]
  server.reports = [problem(403, "forbidden"), "cut", problem(500, `bad code ${MANAGER_KEY}`)]
  for (const attempts of [1, 1, 1]) {
    const shown = inspect(await failure(report({ attempts })), { depth: null })
    for (const secret of secrets) assert.ok(!shown.includes(secret), shown)
  }
})
