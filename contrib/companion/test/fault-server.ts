/** A homeserver and a Tributary in one, which fail as they are told. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Asked {
  path: string
  authorization: string | undefined
  body: unknown
}

/** How to answer one request; `hang` never does, `cut` closes the connection. */
export type Fault = "hang" | "cut" | { status: number; body?: unknown; headers?: Record<string, string> }

export const REPORTED = {
  connectionId: "0197a3b4-0000-7000-8000-000000000001",
  status: "CONNECTED",
  linkCode: "ABCD2345",
  linkCodeExpiresAt: "2026-01-01T00:10:00.000Z",
}

export class FaultServer {
  readonly asked: Asked[] = []
  /** What to answer to the next reports, the first one first; then all is well. */
  reports: Fault[] = []
  /** The same for OpenID tokens. */
  tokens: Fault[] = []
  reported: unknown = REPORTED
  readonly #http = createServer((request, response) => void this.#answer(request, response))
  #made = 0

  static async start(): Promise<FaultServer> {
    const server = new FaultServer()
    await new Promise<void>((resolve) => server.#http.listen(0, "127.0.0.1", resolve))
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  /** What was asked of Tributary. */
  get sent(): Asked[] {
    return this.asked.filter(({ path }) => path.startsWith("/api/"))
  }

  stop(): void {
    this.#http.closeAllConnections()
    this.#http.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ""
    for await (const chunk of request) text += String(chunk)
    const path = request.url ?? ""
    this.asked.push({ path, authorization: request.headers.authorization, body: JSON.parse(text) })
    const isReport = path.startsWith("/api/")
    const fault = (isReport ? this.reports : this.tokens).shift()
    if (fault === "hang") return
    if (fault === "cut") return void request.socket.destroy()
    const token = { access_token: `token-${++this.#made}`, token_type: "Bearer", matrix_server_name: "lab.local" }
    const { status, body, headers } = fault ?? { status: 200, body: isReport ? this.reported : token }
    response.writeHead(status, { "Content-Type": "application/json", ...headers })
    response.end(typeof body === "string" ? body : JSON.stringify(body ?? {}))
  }
}
