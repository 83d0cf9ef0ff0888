import { generateKeyPairSync, randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CAROL, Homeserver } from "./homeserver.js";
import { eventually, given, Program, sql } from "./program.js";

const USER = "user_alice";
const MATRIX_USER = "@alice:lab.local";
const ADMIN_KEY = "the-operators-key";

/** The program, on a port and a database of its own, beside a homeserver that is none. */
export class Tributary {
  readonly url: string;
  readonly #folder: string;
  readonly #database: string;
  readonly #homeserver: Homeserver;
  readonly #program: Program;
  #transactions = 0;
  #events = 0;

  private constructor(folder: string, database: string, homeserver: Homeserver, url: string) {
    this.url = url;
    this.#folder = folder;
    this.#database = database;
    this.#homeserver = homeserver;
    this.#program = new Program(url, join(folder, "log"), { TRIBUTARY_CONFIG: join(folder, "config.yaml") });
  }

  /** Starts it, with the customer linked; `settings` are keys of its configuration. */
  static async start(settings: Record<string, object> = {}): Promise<Tributary> {
    const database = `client_${randomBytes(8).toString("hex")}`;
    await sql(databaseUrl(), `CREATE DATABASE ${database} TEMPLATE template0 LOCALE 'C.UTF-8'`);
    const folder = mkdtempSync(join(tmpdir(), "tributary-client-"));
    const homeserver = await Homeserver.start(MATRIX_USER);
    const bind = `127.0.0.1:${await freePort()}`;
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(join(folder, "dev.key"), privateKey.export({ type: "pkcs8", format: "pem" }));
    const config = {
      server: { bind, public_url: `http://${bind}` },
      homeserver: { url: homeserver.url, server_name: "lab.local" },
      bridges: [
        { id: "meta", network: "facebook", bot: "@facebookbot:lab.local", ghosts: "@facebook_(?<id>.+):lab\\.local" },
      ],
      database: { url: databaseUrl(database) },
      clerk: { development_key_file: "dev.key", clock_skew_seconds: 1 },
      admin: { api_key: ADMIN_KEY },
      ...settings,
    };
    // YAML, as all JSON is.
    writeFileSync(join(folder, "config.yaml"), JSON.stringify(config));
    const tributary = new Tributary(folder, database, homeserver, `http://${bind}`);
    await tributary.#program.run("generate-registration");
    await tributary.restart();
    await tributary.#link();
    return tributary;
  }

  /** Starts it again where it was. */
  restart(): Promise<void> {
    return this.#program.start();
  }

  /** Ends the process. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    return this.#program.end(signal);
  }

  /** Ends it and leaves nothing behind. */
  async stop(): Promise<void> {
    await this.end("SIGTERM");
    this.#homeserver.stop();
    rmSync(this.#folder, { recursive: true });
    await sql(databaseUrl(), `DROP DATABASE ${this.#database} WITH (FORCE)`);
  }

  /** A session token of the customer's, from the command that makes them. */
  token(seconds = 60): Promise<string> {
    return this.#program.run("dev-token", "--user", USER, "--ttl", String(seconds));
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
    const registration = readFileSync(join(this.#folder, "registration.yaml"), "utf8");
    const key = /^hs_token: (\S+)$/m.exec(registration)?.[1] ?? "";
    await eventually("a transaction is taken", async () => (await this.#send("PUT", path, key, { events }))?.ok);
  }

  async #link(): Promise<void> {
    const body = { userId: USER, matrixUserId: MATRIX_USER, bridgeUserId: "1001" };
    const answer = await this.#send("POST", "/api/admin/connections", ADMIN_KEY, body);
    if (answer?.status !== 200) throw new Error(`not linked: ${answer?.status} ${await answer?.text()}`);
  }

  async #send(method: string, path: string, key: string, body: object): Promise<Response | undefined> {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    return fetch(this.url + path, { method, headers, body: JSON.stringify(body) }).catch(() => undefined);
  }
}

function databaseUrl(database?: string): string {
  const url = new URL(given("TRIBUTARY_TEST_POSTGRES"));
  if (database !== undefined) url.pathname = database;
  return url.href;
}

/** A port that is free now and below the range that outgoing connections take theirs from. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
