// Makes a web app in build/app of what contrib/prisma says: its schema file, its commands, its examples.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const contrib = fileURLToPath(new URL("../../contrib/prisma/", import.meta.url));
const app = `${here}build/app/`;

rmSync(app, { recursive: true, force: true });
mkdirSync(`${app}tributary`, { recursive: true });
copyFileSync(`${contrib}schema.prisma`, `${app}tributary/schema.prisma`);

// A block whose first line is the name of a file is that file.
const readme = readFileSync(`${contrib}README.md`, "utf8");
for (const [, indent = "", block = ""] of readme.matchAll(/^( *)```ts\n(.*?)^ *```$/gms)) {
  const text = block.replaceAll(new RegExp(`^${indent}`, "gm"), "");
  const name = /^\/\/ (\S+)\n/.exec(text)?.[1];
  if (name === undefined) throw new Error(`an example without a name: ${text}`);
  mkdirSync(dirname(app + name), { recursive: true });
  writeFileSync(app + name, text);
}

const generate = /^ *npx (prisma generate \S+ \S+)/m.exec(readme)?.[1]?.split(" ") ?? [];
execFileSync(`${here}node_modules/.bin/${generate[0]}`, generate.slice(1), {
  cwd: app,
  stdio: ["ignore", "ignore", "inherit"],
  // Generating needs no engine, and none is to be fetched.
  env: {
    ...process.env,
    DATABASE_URL: "postgres://unused",
    PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true",
    PRISMA_ENGINES_CHECKSUM_IGNORE_MISSING: "1",
    CHECKPOINT_DISABLE: "1",
  },
});
