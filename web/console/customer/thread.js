// The messages of the conversation that is open.

import { h, keyed } from "../shared/dom.js";
import { count, day, recent } from "../shared/format.js";
import { typists } from "./list.js";
import { messageItem } from "./message.js";
import { avatar, nameOf, titleOf } from "./people.js";
import { Range } from "./range.js";
import { seenBy, seenText } from "./seen.js";

/** What one person says within this time stands together, in milliseconds. */
const TOGETHER = 5 * 60_000;
/** So near to the end one reads what is new, in pixels. */
const NEAR = 80;

/** Shows a conversation of the store in `section`. */
export function threadView(section, { store, feed, media }) {
  const head = h("header", { class: "head" });
  const items = h("ol", { class: "messages" });
  const above = h("div", { class: "above" });
  const scroller = h("div", { class: "scroller", tabindex: "0", role: "group", "aria-label": "Messages, the newest last" }, above, items);
  const typing = h("p", { class: "typing-line" });
  const down = h("button", { class: "down", type: "button", hidden: true }, "New messages");
  section.append(head, scroller, typing, down);

  const range = new Range();
  let shown;
  let oldest;
  let newest;
  let part = range.of([]);
  let isAtEnd = true;
  const toEnd = () => (scroller.scrollTop = scroller.scrollHeight);
  scroller.addEventListener("scroll", () => {
    const isLow = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
    isAtEnd = isLow && !part.isMoreBehind;
    if (isAtEnd) down.hidden = true;
    if (!shown) return;
    if (isLow && part.isMoreBehind) move((messages) => range.down(messages));
    else if (scroller.scrollTop < NEAR && part.isMoreBefore) move((messages) => range.up(messages));
    else if (scroller.scrollTop < NEAR) feed.older(shown).catch(() => {});
  }, { passive: true });
  down.addEventListener("click", () => {
    isAtEnd = true;
    move(() => range.reset());
    toEnd();
    scroller.focus();
  });
  const sizes = new ResizeObserver(() => isAtEnd && toEnd());
  sizes.observe(scroller);
  sizes.observe(items);

  const jump = (id) => {
    if (!document.getElementById(`message-${id}`)) {
      isAtEnd = false;
      move((messages) => range.around(messages, id));
    }
    const target = document.getElementById(`message-${id}`);
    target?.scrollIntoView({ block: "center" });
    target?.focus({ preventScroll: true });
  };

  const move = (how) => {
    how(store.thread(shown).all);
    draw(shown);
  };

  const draw = (id) => {
    if (id !== shown) {
      [shown, oldest, newest, isAtEnd] = [id, undefined, undefined, true];
      range.reset();
      items.replaceChildren();
      down.hidden = true;
    }
    const conversation = id && store.conversations.get(id);
    if (!conversation) return section.replaceChildren(...missing(store, id));
    if (!section.contains(scroller)) section.replaceChildren(head, scroller, typing, down);
    const thread = store.thread(id);
    if (thread.state === "new") feed.open(id);

    header(head, conversation, { store, feed, media });
    const messages = thread.all;
    const isPrepended = oldest !== undefined && messages[0]?.id !== oldest && thread.messages.has(oldest);
    // Whoever waits for them at the beginning gets to see them.
    if (isPrepended && !isAtEnd && !part.isMoreBefore && scroller.scrollTop < scroller.clientHeight) range.up(messages);
    part = range.of(messages);
    const hold = isAtEnd ? toEnd : anchored(scroller, items);
    keyed(items, rows(part.shown, conversation, thread, store.reads.get(id)), {
      key: ({ key }) => key,
      same: ({ mark }) => mark,
      make: (row) => (row.message ? messageItem(row.message, { ...row, media, onVersions: (one) => feed.message(one), onJump: jump }) : line(row)),
    });
    fill(above, thread, () => retry(thread, id));
    hold();
    if (!isAtEnd && newest && messages.at(-1)?.id !== newest) down.hidden = false;
    [oldest, newest] = [messages[0]?.id, messages.at(-1)?.id];

    const names = typists(store, conversation);
    typing.replaceChildren(...(names.length > 0
      ? [h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), `${new Intl.ListFormat().format(names)} ${names.length === 1 ? "is" : "are"} typing`]
      : []));
  };
  return draw;

  function retry(thread, id) {
    thread.state = "new";
    feed.open(id);
  }
}

function header(head, conversation, { store, feed, media }) {
  const { id, isGroup, participants = [], unreadCount } = conversation;
  const progress = store.backfills.get(id);
  const mark = JSON.stringify([conversation.title, conversation.avatarUrl, isGroup, participants, unreadCount > 0, progress]);
  if (head.mark === mark) return;
  head.mark = mark;
  const title = titleOf(conversation);
  const others = participants.filter(({ isSelf, membership }) => !isSelf && (membership === "join" || membership === "invite"));
  const read = h("button", { class: "small", type: "button" }, "Mark as read");
  read.addEventListener("click", () => {
    read.disabled = true;
    feed.read(id).catch(() => (read.disabled = false));
  });
  head.replaceChildren(
    h("a", { class: "back", href: "#/", "aria-label": "Back to the conversations" }, "‹"),
    avatar(conversation, title, media),
    h("div", { class: "about" },
      h("h2", { dir: "auto" }, title),
      h("p", { class: "muted small", dir: "auto" }, isGroup ? others.map(nameOf).join(", ") : networkName(conversation.network))),
    ...(unreadCount > 0 ? [read] : []),
    ...(progress && (isActive(progress) || progress.stored > 0) ? [history(progress)] : []));
}

const isActive = ({ state }) => ["queued", "running", "waiting"].includes(state);

function history(progress) {
  const { state, stored, oldestAt } = progress;
  const back = oldestAt ? `, back to ${recent(oldestAt)}` : "";
  const text = isActive(progress) ? `History is coming in: ${count(stored, "message")}${back}`
    : state === "done" ? `History is in: ${count(stored, "message")}${back}`
    : `History: ${state}`;
  return h("div", { class: "history" }, isActive(progress) && h("progress", { "aria-label": "History" }), h("p", { class: "small muted" }, text));
}

const networkName = (network) => network.charAt(0).toLocaleUpperCase() + network.slice(1);

/** Keeps the first message that is seen where it is, whatever comes or goes around it. */
function anchored(scroller, items) {
  const top = scroller.getBoundingClientRect().top;
  const anchor = [...items.children].find((node) => node.classList.contains("message") && node.getBoundingClientRect().bottom > top);
  if (!anchor) return () => {};
  const { key } = anchor.dataset;
  const before = anchor.getBoundingClientRect().top;
  return () => {
    const node = anchor.isConnected ? anchor : [...items.children].find((one) => one.dataset.key === key);
    if (node) scroller.scrollTop += node.getBoundingClientRect().top - before;
  };
}

/** Messages, the days between them, and who has read up to which. */
function rows(messages, conversation, thread, reads) {
  const people = new Map((conversation.participants ?? []).map((person) => [person.id, person]));
  for (const { sender } of messages) if (!people.has(sender.id)) people.set(sender.id, sender);
  const seen = seenBy(messages, reads, people);
  const all = [];
  let before;
  for (const message of messages) {
    const today = day(message.timestamp);
    const isNewDay = before === undefined || today !== day(before.timestamp);
    if (isNewDay) all.push({ key: `day ${new Date(message.timestamp).toDateString()}`, mark: today, today });
    const continues = !isNewDay && before.sender.id === message.sender.id
      && Date.parse(message.timestamp) - Date.parse(before.timestamp) < TOGETHER && before.reactions.length === 0;
    const answered = message.replyTo ? thread.messages.get(message.replyTo) : undefined;
    const reactors = message.reactions.map(({ senders }) => senders.map((id) => nameOf(people.get(id))));
    const { isGroup } = conversation;
    const mark = JSON.stringify([message, continues, isGroup, answered, reactors]);
    all.push({ key: message.id, mark, message, continues, isGroup, answered, people });
    const names = seen.get(message.id);
    if (names) all.push({ key: `seen ${message.id}`, mark: names.join(), seen: seenText(names, isGroup) });
    before = message;
  }
  return all;
}

function line({ today, seen }) {
  return today ? h("li", { class: "day" }, h("span", {}, today)) : h("li", { class: "seen", dir: "auto" }, seen);
}

function fill(above, thread, retry) {
  const mark = `${thread.state} ${thread.messages.size === 0} ${thread.older === null} ${thread.isLoadingOlder}`;
  if (above.mark === mark) return;
  above.mark = mark;
  if (thread.state === "failed") {
    above.replaceChildren(h("div", { class: "notice bad row", role: "alert" }, "The messages could not be loaded.", h("button", { class: "small push", click: retry }, "Try again")));
  } else if (thread.state !== "ready" || thread.isLoadingOlder) {
    above.replaceChildren(h("p", { class: "muted small" }, "Loading…"));
  } else if (thread.messages.size === 0) {
    above.replaceChildren(h("div", { class: "empty" }, h("h2", {}, "No messages yet"), h("p", {}, "New ones appear here as they come.")));
  } else {
    above.replaceChildren(...(thread.older === null ? [h("p", { class: "muted small" }, "This is as far back as it goes.")] : []));
  }
}

function missing({ isLoaded }, id) {
  if (!isLoaded) return [];
  const [title, text] = id
    ? ["There is no such conversation", "It may have been removed, or belong to somebody else."]
    : ["Nothing is open", "Choose a conversation to read along."];
  return [h("div", { class: "empty" }, h("img", { src: "/console/shared/icon.svg", alt: "", width: 44, height: 44 }), h("h2", {}, title), h("p", {}, text))];
}
