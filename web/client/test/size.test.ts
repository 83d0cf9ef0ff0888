import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

/** What a page loads without the hook: bytes, gzipped one by one, as `npm run build` left them. */
const LIMIT = 6.5 * 1024;

test("the core is small", () => {
  const folder = new URL("../dist/", import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith(".js") && name !== "react.js");
  const size = gzipSync(files.map((name) => readFileSync(new URL(name, folder), "utf8")).join("\n")).length;
  console.log(`@tributary/client: ${size} bytes gzipped, unminified`);
  expect(size).toBeLessThan(LIMIT);
});
