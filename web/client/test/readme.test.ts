import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}build/readme`;

/** What the examples take from their surroundings. */
const CLERK = `declare module "@clerk/nextjs" {
  type Options = { template?: string; leewayInSeconds?: number; skipCache?: boolean };
  export function useAuth(): { userId: string | null | undefined; getToken: (options?: Options) => Promise<string | null> };
}`;
const PLAIN = `import type { ConversationList, Frame, GetToken, ResyncFrame, StreamState } from "@tributary/client";
declare const url: string, cursor: string, getToken: GetToken;
declare const onSnapshot: (list: ConversationList) => void, onFrame: (frame: Frame) => void;
declare const onState: (state: StreamState) => void, onResync: (frame: ResyncFrame) => void;
`;
const API = `import type { GetToken } from "@tributary/client";
declare const url: string, getToken: GetToken, id: string, code: string;
`;
const CONFIG = {
  extends: "../../tsconfig.json",
  compilerOptions: { noPropertyAccessFromIndexSignature: false, noUnusedLocals: false },
  include: ["."],
};

test("the README's examples compile as they are", { timeout: 60_000 }, () => {
  const readme = readFileSync(`${root}README.md`, "utf8");
  const page = /```tsx\n(.*?)```/s.exec(readme)?.[1];
  const [api, plain] = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((found) => found[1] ?? "");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/clerk.d.ts`, CLERK);
  writeFileSync(`${folder}/page.tsx`, page ?? "");
  writeFileSync(`${folder}/api.ts`, API + api);
  writeFileSync(`${folder}/plain.ts`, PLAIN + plain);
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(CONFIG));
  expect(page).toContain("useMessengerWebSocket");
  expect(api).toContain("createApi");
  expect(plain).toContain("follow");
  const compiler = `${root}node_modules/typescript/bin/tsc`;
  const compile = () => execFileSync(process.execPath, [compiler, "--project", folder], { encoding: "utf8" });
  expect(compile).not.toThrow();
});
