// Files: from the bridge through the archive to the page.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
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

/** A PNG of one colour. */
function png(width, height, colour) {
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  const row = Buffer.concat([Buffer.from([0]), ...Array(width).fill(Buffer.from(colour))]);
  const rows = deflateSync(Buffer.concat(Array(height).fill(row)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}

/** A second of silence. */
function wav() {
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + 8000, 4);
  head.write("WAVEfmt ", 8);
  for (const [value, at] of [[16, 16], [8000, 24], [8000, 28], [8000, 40]]) head.writeUInt32LE(value, at);
  for (const [value, at] of [[1, 20], [1, 22], [1, 32], [8, 34]]) head.writeUInt16LE(value, at);
  head.write("data", 36);
  return Buffer.concat([head, Buffer.alloc(8000, 128)]);
}

const media = (filename, mimeType, content, more = {}) => ({ filename, mimeType, data: content.toString("base64"), ...more });
const file = (page, name) => page.locator(".attachment", { has: page.getByText(name, { exact: true }) });
/** The width that a picture really has, once it is there. */
const loaded = (image) => eventually("the picture is there", async () => (await image.count()) > 0 && ((await image.evaluate((one) => one.complete && one.naturalWidth)) || undefined));

test("pictures, sound and files are shown, and their names stay text", async () => {
  const customer = await stack.customer("viewer", "Vera");
  const chat = await stack.chat(customer, { name: "Carol Nakamura" });
  const page = await open(browser, await stack.console(customer.clerk));
  await page.locator(".conversations a", { hasText: "Carol Nakamura" }).click();
  const hostile = "<img src=x onerror=alert(1)>.html";
  await chat.say("garden.png", { msgtype: "m.image", media: media("garden.png", "image/png", png(800, 400, [20, 120, 60]), { width: 800, height: 400 }) });
  await chat.say("hello.wav", { msgtype: "m.audio", media: media("hello.wav", "audio/wav", wav(), { durationMs: 1000, voice: true }) });
  await chat.say(hostile, { msgtype: "m.file", media: media(hostile, "text/html", Buffer.from("<script>alert(1)</script>")) });
  await chat.say("no.png", { msgtype: "m.image", media: media("no.png", "image/png", Buffer.from("no picture")) });

  const shown = file(page, "garden.png").locator(".picture img");
  assert.equal(await loaded(shown), 640);
  assert.deepEqual(await shown.evaluate((image) => [image.getAttribute("alt"), image.width, image.height]), ["garden.png", 320, 160]);
  await file(page, "garden.png").locator(".picture").click();
  assert.equal(await loaded(page.locator("dialog.viewer img")), 800);
  await picture(page, stack, "picture");
  assert.deepEqual(await accessibility(page), []);
  await page.getByRole("button", { name: "Close" }).click();
  await page.locator("dialog.viewer").waitFor({ state: "detached" });

  const sound = file(page, "hello.wav").locator("audio");
  await sound.evaluate((audio) => audio.load());
  await sound.evaluate((audio) => (audio.preload = "auto"));
  const length = await eventually("the sound is there", () => sound.evaluate((audio) => audio.duration || undefined));
  assert.equal(Math.round(length), 1);

  const saved = file(page, hostile);
  await saved.locator("button.name").waitFor();
  assert.equal(await saved.locator("img").count(), 0);
  const [download] = await Promise.all([page.waitForEvent("download"), saved.locator("button.name").click()]);
  assert.equal(await readFile(await download.path(), "utf8"), "<script>alert(1)</script>");
  // What is no picture is a file like any other.
  await eventually("nothing is shown of it", async () => (await file(page, "no.png").locator("button.name").count()) === 1 && (await file(page, "no.png").locator("img").count()) === 0);
  await picture(page, stack, "files");
  assert.deepEqual(await accessibility(page), []);
  assert.deepEqual(page.faults, []);
});

test("what is unsent is gone, also for whoever has its address", async () => {
  const customer = await stack.customer("late", "Lara");
  const chat = await stack.chat(customer, { name: "Tom" });
  const page = await open(browser, await stack.console(customer.clerk));
  await page.locator(".conversations a", { hasText: "Tom" }).click();
  const { messageId } = await chat.say("slip.png", { msgtype: "m.image", media: media("slip.png", "image/png", png(40, 40, [200, 0, 0])) });
  const shown = file(page, "slip.png").locator(".picture img");
  await loaded(shown);
  const address = new URL(await shown.getAttribute("src"), stack.url);
  assert.equal((await fetch(address)).status, 200);
  await chat.act("/unsend", { messageId });
  await page.locator(".bubble.gone").waitFor();
  assert.equal(await page.locator(".picture").count(), 0);
  assert.equal((await fetch(address)).status, 404);
  assert.deepEqual(page.faults, []);
});
