// The web client as an app uses it: built, from another origin, in a browser.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./support/browser.js";
import { site } from "./support/site.js";
import { eventually, Stack } from "./support/stack.js";

/** Seconds that a token lives. */
const LIFETIME = 4;
/** And how long a socket outlives it: each comes from a process, which a busy machine may not start at once. */
const GRACE = 10;

let stack;
let browser;
let app;
/** Whoever is signed in at the app. */
let user;
let tokens = 0;

const COUNTED = `
  window.sockets = [];
  window.Counted = class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols);
      sockets.push({ url: String(url), protocols, socket: this });
    }
  };
  window.getToken = async () => (await fetch("/token")).text();`;

const PLAIN = `${COUNTED}
  import { TributaryClient } from "/client/index.js";
  const client = new TributaryClient({ url: new URLSearchParams(location.search).get("server"), getToken, WebSocket: Counted });
  Object.assign(window, { bodies: [], states: [], snapshots: 0 });
  window.stream = client.follow({
    onSnapshot: () => (snapshots += 1),
    onFrame: ({ type, data }) => type === "message.created" && bodies.push(data.message.body),
    onState: ({ status }) => states.push(status),
  });`;

const REACT = `${COUNTED}
  import { createElement as h, StrictMode, useState } from "react";
  import { createRoot } from "react-dom/client";
  import { useMessengerWebSocket } from "/client/react.js";
  function App({ url }) {
    const [bodies, setBodies] = useState([]);
    const { state } = useMessengerWebSocket({
      url, userId: "somebody", getToken, WebSocket: Counted,
      onSnapshot: () => {},
      onFrame: ({ type, data }) => type === "message.created" && setBodies((known) => [...known, data.message.body]),
    });
    return [h("p", { key: "state", id: "state" }, state.status), h("ol", { key: "all" }, bodies.map((body) => h("li", { key: body }, body)))];
  }
  window.root = createRoot(document.getElementById("root"));
  root.render(h(StrictMode, null, h(App, { url: new URLSearchParams(location.search).get("server") })));`;

before(async () => {
  app = await site({ "/": PLAIN, "/react": REACT }, () => {
    tokens += 1;
    return stack.print("dev-token", "--user", user, "--ttl", String(LIFETIME));
  });
  stack = await Stack.start({
    TRIBUTARY__SERVER__ALLOWED_ORIGINS: app.url, TRIBUTARY__CLERK__CLOCK_SKEW_SECONDS: "1", TRIBUTARY__WEBSOCKET__AUTH_GRACE_SECONDS: String(GRACE),
  });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stack?.stop();
  app?.stop();
});

/** Opens a page of the app as a new customer with a chat. */
async function using(path, name) {
  const customer = await stack.customer(name, name);
  user = customer.clerk;
  const chat = await stack.chat(customer, { name: `Friend of ${name}` });
  await eventually("the chat is mapped", async () => (await stack.api(user, "/api/conversations")).items.length === 1);
  const page = await open(browser, `${app.url}${path}?server=${encodeURIComponent(stack.url)}`, { allowed: stack.url });
  return { chat, page };
}

const isLive = (page) => page.waitForFunction(() => stream.state.status === "live");
const has = (page, count) => page.waitForFunction((wanted) => bodies.length >= wanted, count);
const opened = (page) => page.evaluate(() => sockets.map(({ url, protocols }) => ({ url, protocols })));

test("a page keeps one socket for many short tokens, none of which is in an address", async () => {
  const { chat, page } = await using("/", "short");
  await isLive(page);
  const [before, begun] = [tokens, Date.now()];
  // Longer than a token, the skew and the grace together: it has been renewed more than once.
  const whole = (LIFETIME + 1 + GRACE) * 1_000;
  await eventually("four tokens more", () => tokens >= before + 4 && Date.now() > begun + whole);
  await chat.say("still here");
  await has(page, 1);
  const [only, ...others] = await opened(page);
  assert.deepEqual(others, []);
  assert.doesNotMatch(only.url, /token|ey/);
  assert.equal(only.protocols[0], "tributary.v1");
  assert.match(only.protocols[1], /^bearer\.ey/);
  assert.equal(await page.evaluate(() => sockets[0].socket.protocol), "tributary.v1");
  assert.deepEqual(await page.evaluate(() => states), ["connecting", "replaying", "live"]);
  assert.deepEqual(page.faults, []);
});

test("neither a crash of the server nor a browser without network loses or doubles anything", async () => {
  const { chat, page } = await using("/", "steady");
  await isLive(page);
  const said = [];
  const say = async (what) => {
    for (let nth = 1; nth <= 5; nth += 1) {
      said.push(`${what} ${nth}`);
      await chat.say(said.at(-1));
    }
  };
  await say("before");
  await has(page, 5);

  await stack.killTributary();
  await page.waitForFunction(() => stream.state.status !== "live");
  await say("while it was down");
  await stack.startTributary();
  await say("after the crash");
  await has(page, 15);

  await page.context().setOffline(true);
  await page.waitForFunction(() => stream.state.status === "waiting");
  await say("while it was offline");
  assert.equal(await page.evaluate(() => bodies.length), 15);
  await page.context().setOffline(false);
  await isLive(page);
  await say("online again");
  await has(page, 25);
  // After a push that failed the homeserver may keep a message back and push those behind it: it comes when the room
  // is compared. Up to then they come in their order, and each comes once.
  const come = await page.evaluate(() => bodies);
  assert.deepEqual(come.slice(0, 5), said.slice(0, 5));
  assert.deepEqual(come.toSorted(), said.toSorted());
  assert.equal(await page.evaluate(() => snapshots), 1);
  assert.deepEqual(page.faults, []);
});

test("the hook follows while its component is there", async () => {
  const { chat, page } = await using("/react", "hooked");
  await page.locator("#state", { hasText: "live" }).waitFor();
  await chat.say("to be rendered");
  await page.locator("li", { hasText: "to be rendered" }).waitFor();
  // Its first socket is that of a mount that StrictMode took back.
  assert.equal(await page.evaluate(() => sockets.filter(({ socket }) => socket.readyState === WebSocket.OPEN).length), 1);
  await page.evaluate(() => root.unmount());
  await page.waitForFunction(() => sockets.every(({ socket }) => socket.readyState === WebSocket.CLOSED));
  assert.deepEqual(page.faults, []);
});
