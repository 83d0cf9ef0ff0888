import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { follow, numbered } from "./page.js";
import { eventually } from "./program.js";
import { Stack } from "./stack.js";

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start();
});
afterAll(() => stack.stop());

test("what comes through Synapse and the bridge is shown once, also what came while Tributary was dead", async () => {
  const suffix = randomInt(1_000_000_000);
  const [remoteId, chatId, senderId] = [`1${suffix}`, `2${suffix}`, `2${suffix}`];
  const clerk = `user_page${suffix}`;
  const user = JSON.parse(await stack.script("user", `page${suffix}`)) as { userId: string; accessToken: string };
  const tab = follow(stack.url, () => stack.program.run("dev-token", "--user", clerk, "--ttl", "60"));
  const { client, stream, conversations, bodies, frames, live, has } = tab;
  await live();
  expect(conversations).toEqual([]);

  await stack.remote("/login", { userId: user.userId, remoteId, remoteName: "Alice", doublePuppet: true });
  const pending = await client.connectMessenger();
  expect(pending.status).toBe("PENDING");
  const linked = await client.link(await stack.report(user, remoteId));
  expect(linked).toMatchObject({ id: pending.id, status: "CONNECTED", matrixUserId: user.userId });
  await stack.remote("/chat", { remoteId, chatId, type: "dm", members: [{ id: senderId, name: "Carol" }] });
  const { id } = await eventually("the chat is shown", () => conversations[0]);

  const says = (text: string) => stack.remote("/message", { remoteId, chatId, senderId, text });
  for (const text of numbered(0, 5)) await says(text);
  await has(5);
  await stack.program.end("SIGKILL");
  await eventually("the page notices", () => stream.state.status === "waiting");
  // Synapse keeps these, and pushes them when it is told that Tributary is there again.
  for (const text of numbered(5, 10)) await says(text);
  await stack.program.start();
  await live();
  const { messageId } = await says("message 10");
  await has(11);
  expect(bodies).toEqual(numbered(0, 11));

  await stack.remote("/edit", { remoteId, chatId, senderId, messageId, text: "edited" });
  await eventually("the edit", () =>
    frames.find((frame) => frame.type === "message.updated" && frame.data.message.body === "edited"),
  );
  const { items } = await client.messages(id);
  expect(items.map(({ body }) => body).reverse()).toEqual([...numbered(0, 10), "edited"]);
  expect(bodies).toHaveLength(11);
  stream.close();
});
