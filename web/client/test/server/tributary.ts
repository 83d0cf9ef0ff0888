import { execFile, spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client as Postgres } from "pg";
import { CAROL, Homeserver } from "./homeserver.js";

/** The customer: with Clerk, and in Matrix. */
export const USER = "user_alice";
const MATRIX_USER = "@alice:lab.local";
const ADMIN_KEY = "the-operators-key";

const BUILT = new URL("../../../../target/debug/tributary", import.meta.url);
const PROGRAM = process.env["TRIBUTARY_TEST_PROGRAM"] ?? fileURLToPath(BUILT);
const run = promisify(execFile);

/** The program, on a port and a database of its own, beside a homeserver that is none. */
export class Tributary {
  readonly #folder: string;
  readonly #database: string;
  readonly #homeserver: Homeserver;
  readonly #hsToken: string;
  readonly url: string;
  #program: ChildProcess | undefined;
  #transactions = 0;
  #events = 0;

  private constructor(folder: string, database: string, homeserver: Homeserver, url: string) {
    this.#folder = folder;
    this.#database = database;
    this.#homeserver = homeserver;
    this.url = url;
    const registration = readFileSync(join(folder, "registration.yaml"), "utf8");
    this.#hsToken = /^hs_token: (\S+)$/m.exec(registration)?.[1] ?? "";
  }

  /** Starts it, with the customer linked; `settings` are keys of its configuration. */
  static async start(settings: Record<string, object> = {}): Promise<Tributary> {
    const database = `client_${randomBytes(8).toString("hex")}`;
    await sql(`CREATE DATABASE ${database} TEMPLATE template0 LOCALE 'C.UTF-8'`);
    const folder = mkdtempSync(join(tmpdir(), "tributary-client-"));
    const homeserver = await Homeserver.start(MATRIX_USER);
    const bind = `127.0.0.1:${await freePort()}`;
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(join(folder, "dev.key"), privateKey.export({ type: "pkcs8", format: "pem" }));
    const config = {
      homeserver: { url: homeserver.url, server_name: "lab.local" },
      bridges: [
        { id: "meta", network: "facebook", bot: "@facebookbot:lab.local", ghosts: "@facebook_(?<id>.+):lab\\.local" },
      ],
      database: { url: databaseUrl(database) },
      clerk: { development_key_file: "dev.key", clock_skew_seconds: 1 },
      admin: { api_key: ADMIN_KEY },
      ...settings,
      server: { bind, public_url: `http://${bind}`, ...settings["server"] },
    };
    // YAML, as all JSON is.
    writeFileSync(join(folder, "config.yaml"), JSON.stringify(config));
    await run(PROGRAM, ["generate-registration"], { cwd: folder });
    const tributary = new Tributary(folder, database, homeserver, `http://${bind}`);
    await tributary.restart();
    await tributary.#link();
    return tributary;
  }

  /** Starts it again where it was. */
  async restart(): Promise<void> {
    const log = openSync(join(this.#folder, "log"), "a");
    const program = spawn(PROGRAM, ["run"], { cwd: this.#folder, stdio: ["ignore", log, log] });
    this.#program = program;
    await eventually("Tributary is ready", async () => {
      if (program.exitCode !== null) throw new Error(readFileSync(join(this.#folder, "log"), "utf8"));
      return (await fetch(`${this.url}/readyz`).catch(() => undefined))?.ok;
    });
  }

  /** Ends the process: with SIGKILL it has no time for anything. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    if (program === undefined || program.exitCode !== null) return;
    const gone = once(program, "exit");
    program.kill(signal);
    await gone;
  }

  /** Ends it and leaves nothing behind. */
  async stop(): Promise<void> {
    await this.end("SIGTERM");
    this.#homeserver.stop();
    rmSync(this.#folder, { recursive: true });
    await sql(`DROP DATABASE ${this.#database} WITH (FORCE)`);
  }

  /** A session token of the customer's, from the command that makes them. */
  async token(seconds = 60): Promise<string> {
    const arguments_ = ["dev-token", "--user", USER, "--ttl", String(seconds)];
    return (await run(PROGRAM, arguments_, { cwd: this.#folder })).stdout.trim();
  }

  /** Carol says something; it is repeated until it is taken, as a homeserver does. */
  async says(roomId: string, ...bodies: string[]): Promise<void> {
    const events = bodies.map((body) => {
      this.#events += 1;
      return {
        type: "m.room.message",
        room_id: roomId,
        event_id: `$event${this.#events}`,
        sender: CAROL,
        origin_server_ts: Date.now(),
        content: { msgtype: "m.text", body },
        unsigned: { age: 1 },
      };
    });
    this.#transactions += 1;
    const path = `/_matrix/app/v1/transactions/${this.#transactions}`;
    await eventually("a transaction is taken", async () => (await this.#send("PUT", path, this.#hsToken, { events }))?.ok);
  }

  async #link(): Promise<void> {
    const body = { userId: USER, matrixUserId: MATRIX_USER, bridgeUserId: "1001" };
    const answer = await this.#send("POST", "/api/admin/connections", ADMIN_KEY, body);
    if (answer?.status !== 201) throw new Error(`not linked: ${answer?.status} ${await answer?.text()}`);
  }

  async #send(method: string, path: string, key: string, body: object): Promise<Response | undefined> {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    return fetch(this.url + path, { method, headers, body: JSON.stringify(body) }).catch(() => undefined);
  }
}

/** Asks until the answer is yes, and fails when it is not in time. */
export async function eventually<T>(what: string, ask: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function databaseUrl(database?: string): string {
  const postgres = process.env["TRIBUTARY_TEST_POSTGRES"];
  if (postgres === undefined) throw new Error("TRIBUTARY_TEST_POSTGRES is not set: run the tests with scripts/test");
  const url = new URL(postgres);
  if (database !== undefined) url.pathname = database;
  return url.href;
}

async function sql(statement: string): Promise<void> {
  const postgres = new Postgres({ connectionString: databaseUrl() });
  await postgres.connect();
  await postgres.query(statement).finally(() => postgres.end());
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
