// Signing in with Clerk: the page that holds the session hands tokens over. Clerk's
// script is a stand-in here, since its instances are not to be had without a network.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, picture } from "./support/browser.js";
import { Stack } from "./support/stack.js";

const CLERK = "https://quiet-fox-1.clerk.accounts.dev";

let stack;
let browser;

before(async () => {
  stack = await Stack.start({ TRIBUTARY__CLERK__ISSUER: CLERK });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

/** As much of Clerk as the page uses. */
function standIn() {
  const listeners = [];
  window.Clerk = {
    session: null,
    load: async () => {},
    mountSignIn(node) {
      const button = document.createElement("button");
      button.textContent = "Continue";
      button.onclick = () => this.enter("sess_1");
      node.append(button);
    },
    enter(id) {
      this.become({ id, getToken: () => fetch(`/stand-in/token/${id}`).then((answer) => answer.text()) });
    },
    unmountSignIn: (node) => node.replaceChildren(),
    addListener: (listener) => listeners.push(listener),
    async signOut() {
      this.become(null);
    },
    become(session) {
      this.session = session;
      for (const listener of listeners) listener({ session });
    },
  };
}

test("the sign-in page hands its session over, and keeps its script to itself", async () => {
  const customer = await stack.customer("clerk", "Clerk");
  const chat = await stack.chat(customer, { name: "Carol" });
  const other = await stack.customer("other", "Other");
  const users = { sess_1: customer.clerk, sess_2: other.clerk };
  const page = await open(browser, `${stack.url}/console`);
  const context = page.context();
  await context.route(`${CLERK}/**`, (route) =>
    route.fulfill({ contentType: "text/javascript", headers: { "Access-Control-Allow-Origin": "*" }, body: `(${standIn})()` }));
  await context.route("**/stand-in/token/*", async (route) => {
    const user = users[route.request().url().split("/").at(-1)];
    await route.fulfill({ contentType: "text/plain", body: await stack.print("dev-token", "--user", user, "--ttl", "60") });
  });

  const opened = context.waitForEvent("page");
  await page.getByRole("link", { name: "Sign in" }).click();
  const signIn = await opened;
  assert.equal(await signIn.evaluate(() => window.opener), null);
  await signIn.getByRole("button", { name: "Continue" }).click();
  await signIn.getByText("You are signed in").waitFor();
  await picture(signIn, stack, "sign-in-clerk");
  await page.locator("#state", { hasText: "Live" }).waitFor();
  await chat.say("through Clerk");
  await page.getByText("through Clerk").first().waitFor();
  assert.equal(await page.evaluate(() => typeof window.Clerk), "undefined");

  await page.evaluate((src) => {
    const script = document.createElement("script");
    const refused = (window.refused = []);
    addEventListener("securitypolicyviolation", (event) => refused.push(event.violatedDirective));
    try {
      script.src = src;
      document.head.append(script);
    } catch (error) {
      refused.push(error.name);
    }
  }, `${CLERK}/script.js`);
  await page.waitForFunction(() => window.refused.length > 0);
  assert.equal(await page.evaluate(() => typeof window.Clerk), "undefined");

  // Another user takes the session over, without a word of goodbye.
  await signIn.evaluate(() => window.Clerk.enter("sess_2"));
  await page.getByText("through Clerk").first().waitFor({ state: "detached" });
  await page.locator("#state", { hasText: "Live" }).waitFor();
  assert.equal(await page.getByText("through Clerk").count(), 0);
  await signIn.evaluate(() => window.Clerk.enter("sess_1"));
  await page.getByText("through Clerk").first().waitFor();

  await signIn.getByRole("button", { name: "Sign out" }).click();
  await signIn.getByRole("button", { name: "Continue" }).waitFor();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.getByText("through Clerk").count(), 0);
});
