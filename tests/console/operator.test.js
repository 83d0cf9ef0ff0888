// What the operator sees and does, on the real stack.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { accessibility, launch, open, picture } from "./support/browser.js";
import { eventually, Stack } from "./support/stack.js";

let stack;
let browser;

before(async () => {
  stack = await Stack.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

/** The operator's page, with the key typed in. */
async function operating(more) {
  const page = await open(browser, `${stack.url}/console/operator`, more);
  await page.getByLabel("Admin key").fill(stack.facts.admin_api_key);
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("heading", { name: "Health" }).waitFor();
  return page;
}

/** A row of the list that is shown. */
const row = (page, text) => page.locator("section:not([hidden]) tr", { hasText: text });

/** Has the homeserver push an event that cannot be taken in. */
async function pushBroken(roomId) {
  const registration = readFileSync(path.join(stack.folder, "registration.yaml"), "utf8");
  const token = /^hs_token:\s*"?([^"\s]+)"?/m.exec(registration)[1];
  const eventId = `$broken${crypto.randomUUID()}`;
  const event = { event_id: eventId, room_id: roomId, type: "m.room.message", sender: 1, origin_server_ts: "never", content: "private" };
  const answer = await fetch(`${stack.url}/_matrix/app/v1/transactions/${crypto.randomUUID()}`, {
    method: "PUT", headers: { Authorization: `Bearer ${token}` }, body: JSON.stringify({ events: [event] }),
  });
  assert.equal(answer.status, 200);
  return eventId;
}

test("the key is in the page's memory and nowhere else", async () => {
  const key = stack.facts.admin_api_key;
  const page = await open(browser, `${stack.url}/console/operator`);
  await page.getByLabel("Admin key").fill("some-other-key-than-the-right-one");
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByText("This is not the admin key").waitFor();
  await picture(page, stack, "operator-key");
  await page.getByLabel("Admin key").fill(key);
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByRole("heading", { name: "Health" }).waitFor();
  const kept = await page.evaluate(async () => JSON.stringify([
    location.href, { ...localStorage }, { ...sessionStorage }, document.cookie, await indexedDB.databases(), await caches.keys(),
    document.documentElement.outerHTML, [...document.querySelectorAll("input")].map((input) => input.value), history.state,
  ]));
  assert.ok(!kept.includes(key));
  assert.deepEqual(await page.context().cookies(), []);
  await page.getByRole("button", { name: "Forget the key" }).click();
  await page.getByLabel("Admin key").waitFor();
  await page.reload();
  await page.getByLabel("Admin key").waitFor();
  assert.equal(await page.getByRole("heading", { name: "Health" }).count(), 0);
  // The refused try above is what the browser reports.
  assert.deepEqual(page.faults, []);
});

test("history is fetched, with its progress, and rooms are switched", async () => {
  const name = `Ops ${crypto.randomUUID().slice(0, 8)}`;
  const customer = await stack.customer("ops", name);
  const chat = await stack.chat(customer, { name: "Old <b>Friend</b>" });
  await chat.say("now");
  await chat.act("/messages", { count: 40, prefix: "before", timestamp: Date.now() - 200 * 86_400_000, stepMs: 1_000 });
  const page = await operating();
  await page.getByRole("link", { name: "Connections" }).click();
  await row(page, customer.userId).getByText("connected").waitFor();
  await picture(page, stack, "operator-connections");

  await page.getByRole("link", { name: "Backfills" }).click();
  await page.getByLabel("Fetch the history of", { exact: true }).selectOption("matrixUserId");
  await page.getByLabel("Its id").fill(customer.userId);
  await page.getByLabel("Days back").fill("3000");
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText("1 backfill queued or going on").waitFor();
  const job = row(page, chat.roomId).first();
  await job.waitFor();
  // The row that was on top may not be there any more when the next question is asked.
  await eventually("it is done", async () => {
    const shares = await row(page, chat.roomId).locator("progress").evaluateAll((bars) => bars.map(({ value, max }) => value / max));
    return shares.length > 0 && shares.every((share) => share === 1);
  });
  await job.getByText("done").first().waitFor();
  await job.getByText(/events?, \d+ new messages?/).waitFor();
  await picture(page, stack, "operator-backfills");

  await page.getByRole("link", { name: "Rooms" }).click();
  await page.getByLabel("Show").selectOption("mapped");
  const room = row(page, chat.roomId);
  await room.waitFor();
  const ingest = room.getByRole("switch", { name: /^Ingest/ });
  assert.ok(await ingest.isChecked());
  await ingest.uncheck();
  await eventually("it is off", async () => (await ingest.isEnabled()) && !(await ingest.isChecked()));
  const listed = page.waitForResponse((answer) => answer.url().includes("enabled=false"));
  await page.getByLabel("Show").selectOption("off");
  await (await listed).finished();
  // The row of the list before is another one, and goes.
  const on = page.locator("section:not([hidden])").getByRole("switch", { name: /^Ingest/, checked: true });
  await eventually("only what is off is listed", async () => (await on.count()) === 0);
  await room.waitFor();
  await picture(page, stack, "operator-rooms");
  await ingest.check();
  await eventually("it is on", async () => (await ingest.isEnabled()) && (await ingest.isChecked()));
  await page.getByRole("button", { name: "Look for gaps" }).click();
  await page.getByText(/jobs? queued/).waitFor();

  await page.getByRole("link", { name: "Audit" }).click();
  await row(page, "room.change").first().getByText(chat.roomId).waitFor();
  assert.equal(await row(page, "room.list").count(), 0);
  await page.getByLabel("Also who looked at lists").check();
  await row(page, "room.list").first().waitFor();
  await picture(page, stack, "operator-audit");
  assert.deepEqual(page.faults, []);
});

test("dead letters are listed without what is in them, and replayed", async () => {
  const customer = await stack.customer("letters", "Letters");
  const chat = await stack.chat(customer, { name: "Sender" });
  await chat.say("mapped");
  await eventually("the room is mapped", async () => (await stack.api(customer.clerk, "/api/conversations")).items.length === 1);
  const eventId = await pushBroken(chat.roomId);
  const page = await operating();
  await page.getByRole("link", { name: "Dead letters" }).click();
  const letter = row(page, eventId);
  await letter.waitFor();
  assert.equal(await letter.getByText("private").count(), 0);
  await letter.getByRole("button", { name: "Replay" }).click();
  await letter.locator(".bad-text").waitFor();
  await picture(page, stack, "operator-dead-letters");

  // As if a later version could read what this one cannot.
  const mended = { event_id: eventId, room_id: chat.roomId, type: "m.room.message", sender: customer.userId, origin_server_ts: Date.now(), content: { msgtype: "m.text", body: "late, but here" } };
  await stack.sql("UPDATE tributary.dead_letters SET raw = $1 WHERE event_id = $2", [JSON.stringify(mended), eventId]);
  // The row stays for a second and a half only: it is looked at from before the click on.
  await Promise.all([letter.getByText("taken in").waitFor(), letter.getByRole("button", { name: "Replay" }).click()]);
  await letter.waitFor({ state: "detached" });
  const [{ id }] = (await stack.api(customer.clerk, "/api/conversations")).items;
  const { items } = await stack.api(customer.clerk, `/api/conversations/${id}/messages`);
  assert.ok(items.some(({ body }) => body === "late, but here"), JSON.stringify(items));
  assert.deepEqual(page.faults, []);
});

test("an account that is linked elsewhere is imported without a code", async () => {
  const newcomer = await stack.newcomer("moved", "Mona Moved");
  const chat = await stack.chat(newcomer, { name: "Old Friend" });
  const page = await operating();
  await page.getByRole("link", { name: "Connections" }).click();
  await page.getByText("Import a connection").click();
  await page.getByLabel("Clerk user", { exact: true }).fill("nobody at Clerk");
  await page.getByLabel("Matrix user", { exact: true }).fill(newcomer.userId);
  await page.getByRole("button", { name: "Import" }).click();
  await page.locator("section:not([hidden]) .notice.bad").waitFor();
  assert.deepEqual(await accessibility(page), []);
  await page.getByLabel("Clerk user", { exact: true }).fill(newcomer.clerk);
  await picture(page, stack, "operator-import");
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByText(`Linked ${newcomer.userId}.`).waitFor();
  await row(page, newcomer.userId).getByText(newcomer.clerk).waitFor();
  const mapped = async () => (await stack.api(newcomer.clerk, "/api/conversations")).items.some(({ matrixRoomId }) => matrixRoomId === chat.roomId);
  await eventually("the customer sees the chat", mapped);
  // What was refused above is what the browser reports.
  assert.deepEqual(page.faults, []);
});

test("health shows what the consoles in this browser measure", async () => {
  const customer = await stack.customer("pulse", "Pulse");
  const chat = await stack.chat(customer, { name: "Metronome" });
  const page = await operating();
  await page.locator(".tile", { hasText: "Database" }).getByText("Up").waitFor();
  const tab = await page.context().newPage();
  await tab.goto(await stack.console(customer.clerk));
  await tab.locator("#state", { hasText: "Live" }).waitFor();
  for (let at = 0; at < 5; at += 1) await chat.say(`tick ${at}`);
  await page.bringToFront();
  await page.locator(".figure", { hasText: "Delivery" }).getByText(/\d+ (ms|s)/).waitFor();
  await picture(page, stack, "operator-health");
  assert.deepEqual(page.faults, []);
});

test("it is accessible in light and dark, on a desk and on a phone", async () => {
  const page = await operating();
  for (const viewport of [{ width: 1200, height: 800 }, { width: 390, height: 780 }]) {
    await page.setViewportSize(viewport);
    const size = viewport.width < 700 ? "phone" : "desk";
    for (const name of ["Health", "Rooms", "Backfills", "Connections", "Dead letters", "Audit"]) {
      await page.getByRole("link", { name }).click();
      await page.getByRole("heading", { name, exact: true }).waitFor();
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await accessibility(page), [], `${size} ${colorScheme} ${name}`);
      }
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0, `${size} ${name} is too wide`);
      await picture(page, stack, `operator-${size}-dark-${name.toLowerCase().replace(" ", "-")}`);
    }
  }
  assert.deepEqual(page.faults, []);
});
