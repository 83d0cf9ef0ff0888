// Chromium, and pages that must not misbehave.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** What a browser says of a server that is away, which is no fault of the page. */
const AWAY = /ERR_CONNECTION|WebSocket connection to|Failed to load resource|net::ERR/;

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });

/** Milliseconds to wait for what is to appear: what the homeserver kept back after a failed push comes when the room is compared, some 20 s later. */
const PATIENCE = 90_000;

/** Opens a page; `faults` are what it must not do, such as to ask another origin than its own and the one that is allowed. */
export async function open(browser, url, { colorScheme = "light", viewport = { width: 1200, height: 800 }, allowed, ...more } = {}) {
  const context = await browser.newContext({ colorScheme, viewport, locale: "en-GB", timezoneId: "Europe/Berlin", reducedMotion: "reduce", ...more });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const faults = [];
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !AWAY.test(text)) faults.push(`console: ${text}`);
  });
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && ![new URL(url).origin, allowed].includes(origin)) faults.push(`request: ${request.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  return Object.assign(page, { faults, colorScheme });
}

/** What axe-core finds; it runs outside the page's own policy. */
export async function accessibility(page) {
  const session = await page.context().newCDPSession(page);
  const evaluate = (expression) => session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true, allowUnsafeEvalBlockedByCSP: true });
  await evaluate(AXE);
  const { result, exceptionDetails } = await evaluate("axe.run(document, { resultTypes: ['violations'] })");
  assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
  const { violations } = result.value;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, any }) => `${target} ${any[0]?.message ?? ""}`).join(" | ")}`);
}

/** Keeps a picture, beside the stack's logs unless told where. */
export function picture(page, stack, name) {
  const folder = process.env.TRIBUTARY_TEST_PICTURES ?? path.join(stack.folder, "pictures");
  mkdirSync(folder, { recursive: true });
  return page.screenshot({ path: path.join(folder, `${name}.png`) });
}
