// What the page knows, whatever order the network brings it in. Needs no browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Store, Thread } from "../../web/console/customer/store.js";
import { initials, straight } from "../../web/console/customer/people.js";

const message = (id, timestamp, body = id) => ({ id, matrixEventId: `$${id}`, timestamp, body, sender: { id: "p" }, conversationId: "c" });
const conversation = (id, more = {}) => ({ id, title: id, unreadCount: 0, lastEventAt: null, lastMessage: null, createdAt: "2026-01-01", ...more });

test("a page that was read before a frame does not undo it", async () => {
  const thread = new Thread();
  thread.messages.set("a", message("a", "1", "old"));
  let answer;
  const loading = thread.page(() => new Promise((resolve) => (answer = resolve)));
  thread.change(message("a", "1", "edited"));
  thread.add(message("b", "2"));
  answer({ items: [message("a", "1", "old"), message("0", "0")], nextCursor: null });
  await loading;
  assert.deepEqual(thread.all.map(({ body }) => body), ["0", "edited", "b"]);
});

test("two pages at once both keep what a frame said", async () => {
  const thread = new Thread();
  const answers = [];
  const pages = [1, 2].map(() => thread.page(() => new Promise((resolve) => answers.push(resolve))));
  thread.add(message("a", "1", "new"));
  for (const answer of answers) answer({ items: [message("a", "1", "old")], nextCursor: null });
  await Promise.all(pages);
  assert.equal(thread.all[0].body, "new");
});

test("messages are by time, then by event", () => {
  const thread = new Thread();
  for (const [id, at] of [["b", "2"], ["c", "1"], ["a", "2"]]) thread.add(message(id, at));
  assert.deepEqual(thread.all.map(({ id }) => id), ["c", "a", "b"]);
});

test("the list shows the newest message, and its changes", () => {
  const store = new Store();
  store.replace({ items: [conversation("c"), conversation("d", { lastEventAt: "2026-02-01" })], nextCursor: null });
  assert.deepEqual(store.list.map(({ id }) => id), ["d", "c"]);
  const created = (data) => store.take({ type: "message.created", data: { conversationId: "c", unreadCount: 1, ...data } });
  created({ message: message("new", "2026-03-02") });
  created({ message: message("older", "2026-03-01"), unreadCount: 2 });
  assert.deepEqual(store.list.map(({ id }) => id), ["c", "d"]);
  assert.equal(store.conversations.get("c").lastMessage.id, "new");
  assert.equal(store.unread, 2);
  store.take({ type: "message.updated", data: { conversationId: "c", message: message("new", "2026-03-02", "edited") } });
  assert.equal(store.conversations.get("c").lastMessage.body, "edited");
  store.take({ type: "conversation.removed", data: { conversationId: "c" } });
  assert.deepEqual(store.list.map(({ id }) => id), ["d"]);
});

test("whoever has said something no longer types", () => {
  const store = new Store();
  store.replace({ items: [conversation("c")], nextCursor: null });
  store.take({ type: "typing", data: { conversationId: "c", participantIds: ["p", "q"] } });
  store.take({ type: "message.created", data: { conversationId: "c", message: message("a", "1"), unreadCount: 1 } });
  assert.deepEqual(store.typing.get("c").ids, ["q"]);
});

test("names are not turned around", () => {
  assert.equal(straight("\u202egnp.exe"), "gnp.exe");
  assert.equal(initials("  👩‍🚀 Ünal "), "👩Ü");
  assert.equal(initials(""), "?");
});
