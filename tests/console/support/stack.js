// The real stack, which `scripts/test` has started, and a Tributary of this test's own.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
/** The web client's tests have it already. */
const pg = createRequire(path.join(ROOT, "web/client/package.json"))("pg");
const PROGRAM = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "debug/tributary");

/** Asks until the answer is neither false nor undefined. */
export async function eventually(what, ask, patience = 60_000) {
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Stack {
  #tributary;
  /** What Tributary's environment says over its configuration file. */
  #settings = {};

  constructor(folder = process.env.TRIBUTARY_TEST_STACK) {
    if (!folder) throw new Error("TRIBUTARY_TEST_STACK is not set: run the tests with scripts/test");
    this.folder = folder;
    this.facts = JSON.parse(readFileSync(path.join(folder, "stack.json"), "utf8"));
  }

  static async start(settings = {}) {
    const stack = new Stack();
    await stack.#switch("/target", { url: stack.facts.switch.target });
    await stack.#switch("/mode", { mode: "pass" });
    stack.#settings = settings;
    await stack.startTributary();
    await stack.#script("up", "synapse", "bridge");
    return stack;
  }

  get url() {
    return this.facts.tributary.url;
  }

  /** With other settings than it was begun with, if they are given. */
  async startTributary(settings = this.#settings) {
    const log = openSync(path.join(this.folder, "logs/tributary.log"), "a");
    this.#tributary = spawn(PROGRAM, ["run", "--config", path.join(this.folder, "tributary.yaml")], {
      env: { ...process.env, ...settings }, stdio: ["ignore", log, log],
    });
    await eventually("Tributary is ready", async () => {
      if (this.#tributary.exitCode !== null) throw new Error("Tributary has ended; see tributary.log");
      return (await fetch(`${this.url}/readyz`).catch(() => undefined))?.ok;
    });
  }

  /** As a crash would. */
  async killTributary() {
    const ended = once(this.#tributary, "exit");
    this.#tributary.kill("SIGKILL");
    await ended;
  }

  async stop() {
    if (this.#tributary?.exitCode === null && this.#tributary.signalCode === null) await this.killTributary();
  }

  async #switch(at, body) {
    const answer = await fetch(`${this.facts.switch.control_url}${at}`, {
      method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`the switch: ${answer.status}`);
  }

  async #script(command, ...rest) {
    const script = path.join(ROOT, "tests/stack/stack.py");
    return (await run("python3", [script, command, "--dir", this.folder, ...rest])).stdout;
  }

  /** Makes something happen on the remote side of the bridge. */
  async remote(at, body) {
    return this.#post(`${this.facts.bridge.control_url}${at}`, body);
  }

  /** Runs a statement on Tributary's database. */
  async sql(statement, values) {
    const postgres = new pg.Client({ connectionString: this.facts.postgres.database_url });
    await postgres.connect();
    return postgres.query(statement, values).finally(() => postgres.end());
  }

  /** What the program prints. */
  async print(...command) {
    const config = path.join(this.folder, "tributary.yaml");
    return (await run(PROGRAM, [...command, "--config", config])).stdout.trim();
  }

  /** The console's address, which signs the user in. */
  async console(user) {
    const { hash } = new URL(await this.print("dev-token", "--user", user, "--console"));
    return `${this.url}/console${hash}`;
  }

  /** A request of the web app's user. */
  async api(user, at, init = {}) {
    const token = await this.print("dev-token", "--user", user);
    const answer = await fetch(`${this.url}${at}`, { ...init, headers: { Authorization: `Bearer ${token}`, ...init.headers } });
    return answer.json();
  }

  /** Somebody on all sides, whose login is reported: what the companion would show is `code`. */
  async newcomer(name, displayName = name) {
    const suffix = crypto.randomUUID().replaceAll("-", "").slice(0, 12);
    const remoteId = String(Number.parseInt(suffix, 16));
    const { userId, accessToken } = JSON.parse(await this.#script("user", `${name}-${suffix}`));
    await this.remote("/login", { userId, remoteId, remoteName: displayName, doublePuppet: true });
    const { code } = await this.#report({ userId, accessToken, remoteId, displayName });
    return { clerk: `user_${name}${suffix}`, userId, accessToken, remoteId, code };
  }

  async #report({ userId, accessToken, remoteId, displayName }) {
    const at = `${this.facts.synapse_url}/_matrix/client/v3/user/${encodeURIComponent(userId)}/openid/request_token`;
    const openIdToken = await this.#post(at, {}, accessToken);
    const report = { matrixUserId: userId, bridgeUserId: remoteId, remoteName: displayName, openIdToken };
    const answer = await this.#post(`${this.url}/api/manager/bridge-login-complete`, report, this.facts.manager_api_key);
    return { code: answer.linkCode };
  }

  /** Redeems a newcomer's code. */
  async link({ clerk, code }) {
    await this.#post(`${this.url}/api/messenger/link`, { code }, await this.print("dev-token", "--user", clerk));
  }

  /** A newcomer who has redeemed the code. */
  async customer(name, displayName) {
    const customer = await this.newcomer(name, displayName);
    await this.link(customer);
    return customer;
  }

  /** A chat with somebody; `say`, `edit` and so on are done by them. */
  async chat(customer, { name, members = [name], type = "dm" }) {
    const base = `9${customer.remoteId}${Math.floor(Math.random() * 1e6)}`;
    const people = members.map((member, at) => ({ id: `${base}${at}`, name: member }));
    const chatId = type === "dm" ? people[0].id : `${base}99`;
    const place = { remoteId: customer.remoteId, chatId };
    const group = type === "group" ? { name } : {};
    const { roomId } = await this.remote("/chat", { ...place, type, members: people, ...group });
    const by = (at) => (at === "self" ? customer.remoteId : people[at].id);
    return {
      roomId,
      say: (text, more = {}, at = 0) => this.remote("/message", { ...place, senderId: by(at), text, ...more }),
      act: (what, more, at = 0) => this.remote(what, { ...place, senderId: by(at), ...more }),
    };
  }

  async #post(url, body, token = undefined) {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${new URL(url).pathname}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
}
