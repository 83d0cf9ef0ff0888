// A web page of somebody else's, on an origin of its own, that uses the built web client.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const CLIENT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../web/client");
const require = createRequire(path.join(CLIENT, "package.json"));
/** What React is made of, and what a browser gets of each: it is published for bundlers only. */
const PACKAGES = {
  react: "cjs/react.production.js",
  "react-dom": "cjs/react-dom.production.js",
  "react-dom/client": "cjs/react-dom-client.production.js",
  scheduler: "cjs/scheduler.production.js",
};

/** A CommonJS module as one for browsers. */
function module(name) {
  const [folder] = name.split("/");
  const text = readFileSync(path.join(path.dirname(require.resolve(`${folder}/package.json`)), PACKAGES[name]), "utf8");
  const needed = [...new Set([...text.matchAll(/require\("([^"]+)"\)/g)].map(([, one]) => one))];
  const imports = needed.map((one, at) => `import needed${at} from ${JSON.stringify(one)};`).join("\n");
  const names = Object.keys(require(name)).filter((one) => one !== "default").join(", ");
  return `${imports}
const needed = { ${needed.map((one, at) => `${JSON.stringify(one)}: needed${at}`).join(", ")} };
const module = { exports: {} };
((module, exports, require) => {${text}})(module, module.exports, (one) => needed[one]);
export default module.exports;
export const { ${names} } = module.exports;`;
}

const imports = Object.fromEntries(Object.keys(PACKAGES).map((name) => [name, `/modules/${name}`]));
const page = (script) => `<!doctype html><meta charset="utf-8"><title>Somebody's app</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script><div id="root"></div>
<script type="module">${script}</script>`;

/** Serves pages by their paths; `token` is what `/token` answers. */
export async function site(pages, token) {
  const answers = async ({ pathname }) => {
    if (pathname === "/token") return ["text/plain", await token()];
    if (pathname.startsWith("/modules/")) return ["text/javascript", module(pathname.slice("/modules/".length))];
    if (pathname.startsWith("/client/")) return ["text/javascript", readFileSync(path.join(CLIENT, "dist", path.basename(pathname)))];
    return ["text/html", page(pages[pathname])];
  };
  const server = createServer(async (request, response) => {
    try {
      const [type, body] = await answers(new URL(request.url, "http://localhost"));
      response.writeHead(200, { "Content-Type": `${type}; charset=utf-8` }).end(body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
