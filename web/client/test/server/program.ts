import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client as Postgres } from "pg";

const BUILT = new URL("../../../../target/debug/tributary", import.meta.url);
const PROGRAM = process.env["TRIBUTARY_TEST_PROGRAM"] ?? fileURLToPath(BUILT);
const execute = promisify(execFile);

/** The program with a configuration, running or not. */
export class Program {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #log: string;
  readonly #url: string;
  #process: ChildProcess | undefined;

  constructor(url: string, log: string, environment: Record<string, string>) {
    this.#url = url;
    this.#log = log;
    this.#environment = { ...process.env, ...environment };
  }

  /** Starts it, and waits until it is ready. */
  async start(): Promise<void> {
    const log = openSync(this.#log, "a");
    const started = spawn(PROGRAM, ["run"], { env: this.#environment, stdio: ["ignore", log, log] });
    this.#process = started;
    await eventually("Tributary is ready", async () => {
      if (started.exitCode !== null) throw new Error(readFileSync(this.#log, "utf8"));
      return (await fetch(`${this.#url}/readyz`).catch(() => undefined))?.ok;
    });
  }

  /** Ends the process: with SIGKILL it has no time for anything. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const ending = this.#process;
    this.#process = undefined;
    if (ending === undefined || ending.exitCode !== null) return;
    const gone = once(ending, "exit");
    ending.kill(signal);
    await gone;
  }

  /** Runs another of its commands; what that prints. */
  async run(...command: string[]): Promise<string> {
    return (await execute(PROGRAM, command, { env: this.#environment })).stdout.trim();
  }
}

/** Asks until the answer is yes, and fails when it is not in time. */
export async function eventually<T>(what: string, ask: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What an environment variable of `scripts/test` says. */
export function given(name: "TRIBUTARY_TEST_POSTGRES" | "TRIBUTARY_TEST_STACK"): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run the tests with scripts/test`);
  return value;
}

/** Runs a statement on the server at `url`. */
export async function sql(url: string, statement: string): Promise<void> {
  const postgres = new Postgres({ connectionString: url });
  await postgres.connect();
  await postgres.query(statement).finally(() => postgres.end());
}
