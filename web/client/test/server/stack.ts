import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { given, Program, sql } from "./program.js";

const SCRIPT = fileURLToPath(new URL("../../../../tests/stack/stack.py", import.meta.url));
const execute = promisify(execFile);

/** `stack.json`, as far as it is needed. */
interface Facts {
  synapse_url: string;
  manager_api_key: string;
  postgres: { admin_url: string; database_url: string };
  bridge: { control_url: string };
  switch: { control_url: string };
  tributary: { url: string; config: string };
}

/** The stack's Synapse and bridge, and a Tributary of its own behind the switch. */
export class Stack {
  readonly #folder: string;
  readonly #facts: Facts;
  readonly #database: string;
  readonly program: Program;

  private constructor(folder: string, facts: Facts, database: string) {
    this.#folder = folder;
    this.#facts = facts;
    this.#database = database;
    const url = new URL(facts.postgres.database_url);
    url.pathname = database;
    this.program = new Program(facts.tributary.url, join(folder, "logs", "client-test.log"), {
      TRIBUTARY_CONFIG: facts.tributary.config,
      TRIBUTARY__DATABASE__URL: url.href,
    });
  }

  /** Starts Tributary on a new database, and the bridge if it does not run. */
  static async start(): Promise<Stack> {
    const folder = given("TRIBUTARY_TEST_STACK");
    const facts = JSON.parse(readFileSync(join(folder, "stack.json"), "utf8")) as Facts;
    const database = `client_${randomBytes(8).toString("hex")}`;
    const owned = `CREATE DATABASE ${database} OWNER tributary TEMPLATE template0 LOCALE 'C.UTF-8'`;
    await sql(facts.postgres.admin_url, owned);
    const stack = new Stack(folder, facts, database);
    // Somebody may have left it otherwise.
    await call("PUT", `${facts.switch.control_url}/target`, "", { url: facts.tributary.url });
    await call("PUT", `${facts.switch.control_url}/mode`, "", { mode: "pass" });
    await stack.program.start();
    await stack.script("up", "synapse", "bridge");
    return stack;
  }

  get url(): string {
    return this.#facts.tributary.url;
  }

  /** Ends Tributary; the rest goes on. */
  async stop(): Promise<void> {
    await this.program.end("SIGTERM");
    await sql(this.#facts.postgres.admin_url, `DROP DATABASE ${this.#database} WITH (FORCE)`);
  }

  /** Does something to the stack; what that prints. */
  async script(command: string, ...more: string[]): Promise<string> {
    return (await execute("python3", [SCRIPT, command, "--dir", this.#folder, ...more])).stdout;
  }

  /** Makes something happen on the remote side of the bridge. */
  remote(path: string, body: object): Promise<any> {
    return call("POST", this.#facts.bridge.control_url + path, "", body);
  }

  /** What the desktop companion does: proves the Matrix id, reports the login, gets the code. */
  async report(user: { userId: string; accessToken: string }, remoteId: string): Promise<string> {
    const path = `/_matrix/client/v3/user/${encodeURIComponent(user.userId)}/openid/request_token`;
    const openIdToken = await call("POST", this.#facts.synapse_url + path, user.accessToken, {});
    const report = { matrixUserId: user.userId, bridgeUserId: remoteId, remoteName: "Alice", openIdToken };
    const path2 = `${this.url}/api/manager/bridge-login-complete`;
    return (await call("POST", path2, this.#facts.manager_api_key, report)).linkCode;
  }
}

async function call(method: string, url: string, key: string, body: object): Promise<any> {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
