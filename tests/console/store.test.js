// What the page knows, whatever order the network brings it in. Needs no browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Store, Thread } from "../../web/console/customer/store.js";
import { initials, straight } from "../../web/console/customer/people.js";
import { MOST, Range } from "../../web/console/customer/range.js";
import { seenBy } from "../../web/console/customer/seen.js";

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

test("of a long conversation the page has a part, which moves both ways and meets the ends", () => {
  const all = Array.from({ length: 1_000 }, (_, at) => message(`m${at}`, String(at).padStart(4, "0")));
  const range = new Range();
  const shown = () => {
    const part = range.of(all);
    assert.ok(part.shown.length <= MOST);
    return [part.shown[0].id, part.shown.at(-1).id, part.isMoreBefore, part.isMoreBehind];
  };
  assert.deepEqual(shown(), ["m600", "m999", true, false]);
  all.push(message("m1000", "1000"));
  assert.deepEqual(shown(), ["m601", "m1000", true, false], "it goes along with the newest");
  range.up(all);
  all.push(message("m1001", "1001"));
  assert.deepEqual(shown(), ["m501", "m900", true, true], "and stays where it was moved");
  for (let nth = 0; nth < 20; nth += 1) range.up(all);
  assert.deepEqual(shown(), ["m0", "m399", false, true]);
  for (let nth = 0; nth < 20; nth += 1) range.down(all);
  assert.deepEqual(shown(), ["m602", "m1001", true, false]);
  assert.ok(range.around(all, "m300"));
  assert.deepEqual(shown(), ["m100", "m499", true, true]);
  assert.ok(!range.around(all, "nobody's"));
  range.reset();
  assert.deepEqual(shown(), ["m602", "m1001", true, false]);
  assert.deepEqual(new Range().of([]), { shown: [], isMoreBefore: false, isMoreBehind: false });
});

test("a message is seen by whoever read up to it and has said nothing since", () => {
  const people = new Map([["p", { id: "p", displayName: "Pia" }], ["q", { id: "q", displayName: "Quinn" }], ["me", { id: "me", isSelf: true }]]);
  const said = (id, by) => ({ ...message(id, id), sender: { id: by } });
  const all = [said("1", "me"), said("2", "p"), said("3", "me")];
  const seen = (reads) => [...seenBy(all, new Map(Object.entries(reads)), people)];
  assert.deepEqual(seen({ p: "3", q: "3" }), [["3", ["Pia", "Quinn"]]]);
  assert.deepEqual(seen({ p: "1", q: "1" }), [["1", ["Quinn"]]], "an answer says more");
  assert.deepEqual(seen({ p: "2", me: "3", stranger: "3", q: "not loaded" }), []);
  assert.deepEqual([...seenBy(all, undefined, people)], []);
});
