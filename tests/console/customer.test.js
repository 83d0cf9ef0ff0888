// What a customer sees, through the real bridge, homeserver and stream.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessibility, launch, open, picture } from "./support/browser.js";
import { eventually, Stack } from "./support/stack.js";

let stack;
let browser;

before(async () => {
  // Small pages, so that history takes a while.
  stack = await Stack.start({ TRIBUTARY__BACKFILL__PAGE_SIZE: "10" });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

const bodies = (page) => page.locator(".message .bubble > .body").allTextContents();
const openChat = (page, name) => page.locator(".conversations a", { has: page.getByText(name, { exact: true }) }).click();
const isLive = (page) => page.locator("#state", { hasText: "Live" }).waitFor();

/** A customer with a chat, and the page on it. */
async function reading(name, friend) {
  const customer = await stack.customer(name, "Demo Customer");
  const chat = await stack.chat(customer, { name: friend });
  const page = await open(browser, await stack.console(customer.clerk));
  await isLive(page);
  await openChat(page, friend);
  await page.locator(".scroller").getByText("No messages yet").waitFor();
  return { customer, chat, page };
}

test("what is said, edited, liked and unsent is there at once", async () => {
  const { customer, chat, page } = await reading("reader", "Carol Nakamura");
  const group = await stack.chat(customer, { name: "Saturday hike", type: "group", members: ["Carol Nakamura", "Tom Ó Briain", "Ayşe Yılmaz"] });
  const hello = await chat.say("Hi! Did the parcel arrive?");
  await page.locator(".message", { hasText: "Did the parcel arrive?" }).waitFor();
  await page.locator(".conversations .count", { hasText: "1" }).waitFor();
  await chat.say("Yes, this morning. The blue one is lovely, thank you so much 🎉", {}, "self");
  const long = await chat.say("Great! I was worried that the address was wrong: they asked me twice on the phone whether the number was really forty-two.");
  await chat.act("/react", { messageId: long.messageId, emoji: "👍" });
  await chat.say("Shall I send the invoice?", { replyTo: hello.messageId });
  const data = Buffer.from("x".repeat(48_213)).toString("base64");
  await chat.say("invoice-2026-118.pdf", { msgtype: "m.file", media: { filename: "invoice-2026-118.pdf", mimeType: "application/pdf", data } });
  const price = await chat.say("It is 48 euros");
  const slip = await chat.say("that was for somebody else");
  await page.locator(".message", { hasText: "somebody else" }).waitFor();
  await chat.act("/edit", { messageId: price.messageId, text: "It is 49 euros" });
  await chat.act("/unsend", { messageId: slip.messageId });

  const edited = page.locator(".message", { hasText: "It is 49 euros" });
  await edited.waitFor();
  await page.locator(".reactions li", { hasText: "👍" }).waitFor();
  await page.locator(".bubble.gone", { hasText: "Message removed" }).waitFor();
  assert.equal(await page.getByText("somebody else").count(), 0);
  await page.locator(".quote", { hasText: "Did the parcel arrive?" }).waitFor();
  await page.locator(".attachment", { hasText: "invoice-2026-118.pdf" }).getByText("48.2 kB").waitFor();
  await chat.act("/typing", { timeoutMs: 20_000 });
  await page.getByText("Carol Nakamura is typing").waitFor();
  for (const [at, text] of ["Meet at the bridge at nine?", "Nine works for me, I'll bring coffee.", "Same here"].entries()) await group.say(text, {}, at);
  await page.locator(".conversations", { hasText: "Ayşe Yılmaz: Same here" }).waitFor();
  assert.match(await page.title(), /^\(\d+\) Tributary$/);
  await picture(page, stack, "conversation-light");

  await edited.getByRole("button", { name: "edited" }).click();
  await edited.locator(".versions li", { hasText: "It is 48 euros" }).waitFor();
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, stack, "conversation-dark");
  await page.getByRole("button", { name: "Mark as read" }).click();
  await page.getByRole("button", { name: "Mark as read" }).waitFor({ state: "detached" });
  assert.deepEqual(page.faults, []);
});

test("one sees how far the others have read", async () => {
  const { customer, chat, page } = await reading("seen", "Carol Nakamura");
  const first = await chat.say("Are you there?", {}, "self");
  await page.locator(".message", { hasText: "Are you there?" }).waitFor();
  await chat.act("/read", { messageId: first.messageId });
  await page.locator(".message:has-text('Are you there?') + .seen", { hasText: /^Seen$/ }).waitFor();
  const second = await chat.say("Or not?", {}, "self");
  await chat.act("/read", { messageId: second.messageId });
  await page.locator(".message:has-text('Or not?') + .seen").waitFor();
  assert.equal(await page.locator(".seen").count(), 1);
  await picture(page, stack, "seen");
  await chat.say("I am.");
  await page.locator(".seen").waitFor({ state: "detached" });

  const group = await stack.chat(customer, { name: "Saturday hike", type: "group", members: ["Ayşe Yılmaz", "Tom Ó Briain"] });
  const asked = await group.say("Nine o'clock?", {}, "self");
  await openChat(page, "Saturday hike");
  await page.locator(".message", { hasText: "Nine o'clock?" }).waitFor();
  for (const at of [0, 1]) await group.act("/read", { messageId: asked.messageId }, at);
  await page.locator(".seen", { hasText: "Seen by Ayşe Yılmaz and Tom Ó Briain" }).waitFor();
  assert.deepEqual(await accessibility(page), []);
  assert.deepEqual(page.faults, []);
});

test("of a long conversation only a part is in the page, wherever one reads", async () => {
  const newcomer = await stack.newcomer("long", "Lola");
  const chat = await stack.chat(newcomer, { name: "Old Friend" });
  await chat.act("/messages", { count: 520, prefix: "line", timestamp: Date.now() - 86_400_000, stepMs: 1_000 });
  await stack.link(newcomer);
  const page = await open(browser, await stack.console(newcomer.clerk));
  await isLive(page);
  await openChat(page, "Old Friend");
  // What was still being pushed when the room was mapped is none of the history's: all of it is counted below.
  await page.locator(".head .history", { hasText: /History is in: \d+ messages/ }).waitFor();
  const scroller = page.locator(".scroller");
  const seen = new Set();
  const scrollUntil = (last, to) => eventually(last, async () => {
    await scroller.evaluate(to);
    const all = await bodies(page);
    assert.ok(all.length <= 400, `${all.length} in the page`);
    for (const body of all) seen.add(body);
    return all.includes(last);
  });
  const up = (node) => (node.scrollTop = 0);
  const down = (node) => (node.scrollTop = node.scrollHeight);
  await scrollUntil("line 1", up);
  assert.equal((await bodies(page)).includes("line 520"), false);
  await chat.say("line 521");
  await page.getByRole("button", { name: "New messages" }).waitFor();
  await scrollUntil("line 521", down);
  const expected = Array.from({ length: 521 }, (_, at) => `line ${at + 1}`);
  assert.deepEqual([...seen].sort(), [...expected].sort());
  assert.deepEqual(await bodies(page), expected.slice(-400));

  // What is being read stays where it is, whatever moves around it.
  await scroller.evaluate((node) => (node.scrollTop = 90));
  const line = page.locator(".message .body", { hasText: /^line 130$/ });
  const before = await line.evaluate((node) => node.getBoundingClientRect().top);
  await scroller.evaluate((node) => (node.scrollTop = 70));
  await eventually("more is above", async () => (await bodies(page)).includes("line 30"));
  const after = await line.evaluate((node) => node.getBoundingClientRect().top);
  assert.ok(Math.abs(after - before - 20) < 2, `it moved by ${after - before}`);

  await chat.say("the newest");
  await page.getByRole("button", { name: "New messages" }).click();
  await page.locator(".message", { hasText: "the newest" }).waitFor();
  await eventually("it is at the end", () => scroller.evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight < 5));
  assert.deepEqual(page.faults, []);
});

test("whoever wants everything gone is asked first, and it is gone in every tab", async () => {
  const { customer, chat, page } = await reading("leaver", "Carol");
  await chat.say("to be forgotten");
  const other = await open(browser, await stack.console(customer.clerk));
  await other.getByText("to be forgotten").first().waitFor();
  await other.getByRole("link", { name: "Accounts" }).click();
  await page.getByRole("link", { name: "Accounts" }).click();
  await page.getByRole("button", { name: "Delete everything…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Delete everything" }).click();
  assert.ok(await dialog.isVisible(), "the box was not checked");
  await dialog.getByLabel("Yes, everything").check();
  assert.deepEqual(await accessibility(page), []);
  await picture(page, stack, "delete-everything");
  await dialog.getByRole("button", { name: "Delete everything" }).click();
  await dialog.waitFor({ state: "detached" });
  for (const tab of [page, other]) {
    await tab.getByText("No account is linked yet.").waitFor();
    await tab.getByRole("link", { name: "Conversations" }).click();
    await eventually("nothing is left", async () => (await tab.locator(".conversations li").count()) === 0);
    assert.deepEqual(tab.faults, []);
  }
});

test("a crash of the server loses nothing and doubles nothing", async () => {
  const { chat, page } = await reading("steady", "Greta");
  const said = [];
  const say = async (text) => {
    said.push(text);
    await chat.say(text);
  };
  for (let at = 1; at <= 5; at += 1) await say(`before ${at}`);
  await page.locator(".message", { hasText: "before 5" }).waitFor();
  await stack.killTributary();
  for (let at = 1; at <= 5; at += 1) await say(`meanwhile ${at}`);
  await page.locator("#state", { hasText: /Reconnecting|Connecting/ }).waitFor();
  await picture(page, stack, "reconnecting");
  await stack.startTributary();
  for (let at = 1; at <= 5; at += 1) await say(`after ${at}`);
  await isLive(page);
  await page.locator(".message", { hasText: "meanwhile 5" }).waitFor();
  await page.locator(".message", { hasText: "after 5" }).waitFor();
  // What the homeserver pushes late may come in behind what is fetched.
  await eventually("all of it is there", async () => (await bodies(page)).length >= said.length);
  assert.deepEqual(await bodies(page), said);
  await page.reload();
  await isLive(page);
  await eventually("the same after a reload", async () => (await bodies(page)).length === said.length);
  assert.deepEqual(await bodies(page), said);
  assert.deepEqual(page.faults, []);
});

const CORPUS = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "\"><svg onload=alert(1)>",
  "<iframe src=\"javascript:alert(1)\"></iframe>",
  "<a href=\"javascript:alert(1)\">click</a>",
  "javascript:alert(1)",
  "' onmouseover='alert(1)",
  "<style>*{display:none}</style>",
  "</li></ol><h1>injected</h1>",
  "<template><img src=x onerror=alert(1)></template>",
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  "&lt;img src=x onerror=alert(1)&gt;",
  "{{constructor.constructor('alert(1)')()}} ${alert(1)}",
  "<form action=https://evil.example><input name=key><button>Sign in</button></form>",
  "\u202egnp.exe\u202c",
  "<base href=https://evil.example/>",
];

test("whatever people write stays text", async () => {
  const { customer, chat, page } = await reading("target", "Mallory <img src=x onerror=alert(1)>");
  for (const text of CORPUS) await chat.say(text, { html: text });
  const [first] = CORPUS;
  const { messageId } = await chat.say("harmless");
  await chat.act("/react", { messageId, emoji: "<img src=x onerror=alert(1)>" });
  const data = Buffer.from("x").toString("base64");
  await chat.say("<b>name</b><img src=x onerror=alert(1)>.png", { msgtype: "m.file", media: { filename: "<b>name</b><img src=x onerror=alert(1)>.png", mimeType: "text/html", data } });
  await chat.act("/edit", { messageId, text: first, html: first });
  await chat.say("turned", { msgtype: "m.file", media: { filename: "\u202egnp.exe", mimeType: "text/plain", data } });
  const named = await stack.chat(customer, { name: "<script>alert('title')</script>", type: "group", members: ["<svg onload=alert(1)>"] });
  await named.say("<img src=x onerror=alert(2)>");

  await page.locator(".attachment .name", { hasText: "<b>name</b>" }).waitFor();
  await page.locator(".attachment .name", { hasText: /^gnp\.exe$/ }).waitFor();
  await eventually("the edit is shown", async () => (await bodies(page)).filter((body) => body === first).length === 2);
  const expected = [...CORPUS, first].map((body) => body.replaceAll("\r", ""));
  assert.deepEqual((await bodies(page)).filter((body) => !body.startsWith("<b>name") && body !== "turned"), expected);
  await page.locator(".conversations .title", { hasText: "<script>alert('title')</script>" }).waitFor();
  const foreign = await page.evaluate(() => {
    const places = document.querySelectorAll(".messages, .conversations, .head");
    const allowed = "ol ul li a span div p button time h2 i header bdi";
    return [...places].flatMap((place) => [...place.querySelectorAll("*")])
      .filter((node) => !allowed.split(" ").includes(node.localName) || [...node.attributes].some(({ name }) => name.startsWith("on") || name === "style" || name === "src"))
      .map((node) => node.outerHTML);
  });
  assert.deepEqual(foreign, []);
  const links = await page.locator("a").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  assert.ok(links.every((href) => /^(#main$|#\/|\/console)/.test(href)), String(links));
  await picture(page, stack, "hostile");
  await openChat(page, "<script>alert('title')</script>");
  await page.locator(".message", { hasText: "onerror=alert(2)" }).waitFor();
  assert.deepEqual(page.faults, []);
});

test("an account is linked by its code, and its history comes in", async () => {
  const newcomer = await stack.newcomer("newcomer", "Nora <i>Newcomer</i>");
  const chat = await stack.chat(newcomer, { name: "Old Friend" });
  const day = 86_400_000;
  await chat.act("/messages", { count: 60, prefix: "long ago", timestamp: Date.now() - 3 * day, stepMs: 60_000 });
  const page = await open(browser, await stack.console(newcomer.clerk));
  await isLive(page);
  await page.getByRole("link", { name: "Link an account" }).click();
  await page.getByLabel("Link an account").fill("AAAA-2222");
  await page.getByRole("button", { name: "Link", exact: true }).click();
  await page.locator(".notice.bad", { hasText: "wrong" }).waitFor();
  await page.getByLabel("Link an account").fill(newcomer.code.toLowerCase());
  await page.getByRole("button", { name: "Link", exact: true }).click();
  await page.getByText("Linked Nora <i>Newcomer</i>.").waitFor();
  const card = page.locator(".account", { hasText: newcomer.userId });
  await card.getByText("Connected").waitFor();
  await card.getByText("1 of 1 conversation, 60 messages").waitFor();
  assert.equal(await card.locator("progress").evaluate(({ value, max }) => value / max), 1);
  await picture(page, stack, "accounts-light");
  await page.getByRole("link", { name: "Conversations" }).click();
  await openChat(page, "Old Friend");
  await page.locator(".message", { hasText: "long ago 60" }).waitFor();
  await eventually("all of it is there", async () => {
    await page.locator(".scroller").evaluate((scroller) => (scroller.scrollTop = 0));
    return (await bodies(page)).length === 60;
  });
  assert.deepEqual(await bodies(page), Array.from({ length: 60 }, (_, at) => `long ago ${at + 1}`));

  await page.getByRole("link", { name: "Accounts" }).click();
  await page.getByRole("button", { name: "Disconnect…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Also delete its conversations and messages").check();
  await picture(page, stack, "disconnect");
  await dialog.getByRole("button", { name: "Disconnect", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Conversations" }).click();
  await eventually("nothing is left", async () => (await page.locator(".conversations li").count()) === 0);
  assert.deepEqual(page.faults, []);
});

test("history that comes in is seen coming in", async () => {
  // So many pages that a browser on a busy machine gets to look before the last one is in.
  await stack.killTributary();
  await stack.startTributary({ TRIBUTARY__BACKFILL__PAGE_SIZE: "2" });
  const newcomer = await stack.newcomer("history", "Hilda");
  const chat = await stack.chat(newcomer, { name: "Ida" });
  await chat.act("/messages", { count: 300, prefix: "earlier", timestamp: Date.now() - 86_400_000, stepMs: 1_000 });
  const page = await open(browser, await stack.console(newcomer.clerk));
  await isLive(page);
  await page.evaluate(() => {
    window.seen = new Set();
    const look = () => {
      for (const node of document.querySelectorAll(".head .history")) window.seen.add(`${node.querySelector("progress") ? "bar" : "no bar"}: ${node.textContent}`);
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  });
  await stack.link(newcomer);
  await openChat(page, "Ida");
  await page.locator(".head .history", { hasText: "History is in: 300 messages, back to" }).waitFor({ timeout: 180_000 });
  const seen = await page.evaluate(() => [...window.seen]);
  assert.ok(seen.some((text) => /^bar: History is coming in: \d+ messages/.test(text)), String(seen));
  await picture(page, stack, "history");
  await eventually("all of it can be read", async () => {
    await page.locator(".scroller").evaluate((scroller) => (scroller.scrollTop = 0));
    return (await bodies(page)).length === 300;
  });
  assert.deepEqual(await bodies(page), Array.from({ length: 300 }, (_, at) => `earlier ${at + 1}`));
  assert.deepEqual(page.faults, []);
});

test("everything can be reached by keyboard, and is said", async () => {
  const customer = await stack.customer("keys", "Keys");
  const chats = [await stack.chat(customer, { name: "First" }), await stack.chat(customer, { name: "Second" })];
  for (const [at, chat] of chats.entries()) await chat.say(`from ${at}`);
  const page = await open(browser, await stack.console(customer.clerk));
  await isLive(page);
  for (const at of [0, 1]) await page.locator(".conversations", { hasText: `from ${at}` }).waitFor();
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("Tab");
  assert.match(await focused(), /Skip/);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.match(await focused(), /Second/);
  await page.keyboard.press("ArrowDown");
  assert.match(await focused(), /First/);
  await page.keyboard.press("Enter");
  await page.locator(".message", { hasText: "from 0" }).waitFor();
  assert.ok(await page.locator(".scroller").evaluate((node) => node === document.activeElement));
  await picture(page, stack, "focus");
  await chats[0].say("can you hear this?");
  await page.locator("#announcer", { hasText: "First: can you hear this?" }).waitFor();
  assert.deepEqual(page.faults, []);
});

test("it is accessible in light and dark, on a desk and on a phone", async () => {
  const { customer, chat, page } = await reading("eyes", "Carol Nakamura");
  const { messageId } = await chat.say("A first message");
  await chat.say("An answer", { replyTo: messageId });
  await chat.act("/react", { messageId, emoji: "❤️" });
  await chat.act("/edit", { messageId, text: "A first message, edited" });
  await chat.say("And my own", {}, "self");
  await page.locator(".message", { hasText: "edited" }).first().waitFor();
  await page.locator(".reactions li").waitFor();
  for (const viewport of [{ width: 1200, height: 800 }, { width: 390, height: 780 }]) {
    await page.setViewportSize(viewport);
    const size = viewport.width < 700 ? "phone" : "desk";
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const view of ["#/", "thread", "#/accounts", "#/stream"]) {
        const [{ id }] = (await stack.api(customer.clerk, "/api/conversations")).items;
        await page.evaluate((hash) => (location.hash = hash), view === "thread" ? `#/c/${id}` : view);
        await page.locator("#conversations, #thread, #accounts, #stream").first().waitFor({ state: "attached" });
        await eventually("it is shown", () => page.evaluate((wanted) => document.body.dataset.view === wanted, { "#/": "conversations", "#/accounts": "accounts", "#/stream": "stream" }[view] ?? view));
        assert.deepEqual(await accessibility(page), [], `${size} ${colorScheme} ${view}`);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(overflow, 0, `${size} ${view} is too wide`);
        await picture(page, stack, `${size}-${colorScheme}-${view.replace("#/", "") || "list"}`);
      }
    }
  }
  assert.deepEqual(page.faults, []);
});

test("whoever's session has ended is told, and gets on from there", async () => {
  const { chat, page } = await reading("ended", "Carol");
  await page.route("**/console/dev-token", (route) => route.fulfill({ status: 401, json: { code: "unauthorized" } }));
  await stack.killTributary();
  await stack.startTributary();
  await page.locator("#banner", { hasText: "You are signed out" }).waitFor();
  assert.deepEqual(await accessibility(page), []);
  await picture(page, stack, "signed-out");
  await chat.say("meanwhile");
  await page.unroute("**/console/dev-token");
  await page.locator("#banner").getByRole("button", { name: "Try again" }).click();
  await page.locator(".message", { hasText: "meanwhile" }).waitFor();
  await page.locator("#banner").waitFor({ state: "hidden" });
  assert.deepEqual(page.faults, []);
});

test("what could not be loaded is loaded when it can be", async () => {
  const customer = await stack.customer("patient", "Patient");
  const chat = await stack.chat(customer, { name: "Carol" });
  await chat.say("patience");
  const page = await open(browser, await stack.console(customer.clerk));
  await isLive(page);
  await page.route("**/messages?*", (route) => route.abort());
  await openChat(page, "Carol");
  await page.getByText("The messages could not be loaded.").waitFor();
  assert.deepEqual(await accessibility(page), []);
  await picture(page, stack, "failed");
  await page.unroute("**/messages?*");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".message", { hasText: "patience" }).waitFor();
  assert.deepEqual(page.faults, []);
});

test("without a pass one is told how to sign in, and a wrong one is refused", async () => {
  const customer = await stack.customer("pass", "Pass");
  const right = new URL(await stack.console(customer.clerk));
  const page = await open(browser, right.href);
  await isLive(page);
  assert.equal(new URL(page.url()).hash, "");
  const stranger = await open(browser, `${stack.url}/console`);
  await stranger.getByText("tributary dev-token --user user_demo --console").waitFor();
  assert.deepEqual(await accessibility(stranger), []);
  await picture(stranger, stack, "sign-in");
  const wrong = await open(browser, right.href.replace(customer.clerk, "user_else"));
  await wrong.getByText("not valid any more").waitFor();
  assert.equal(await wrong.locator(".conversations").count(), 0);
  assert.deepEqual([...page.faults, ...stranger.faults, ...wrong.faults], []);
});
