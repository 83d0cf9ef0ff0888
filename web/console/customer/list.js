// The list of conversations.

import { h, keyed, roving } from "../shared/dom.js";
import { moment, number, recent } from "../shared/format.js";
import { avatar, nameOf, summary, titleOf } from "./people.js";

/** Shows the store's list in `section`. */
export function listView(section, { store, feed, media }) {
  const items = h("ul", { class: "conversations" });
  const settle = roving(items, "a");
  const more = h("button", { class: "more", click: () => feed.more().catch(() => {}) }, "Show more");
  const empty = h("div", { class: "empty" });
  section.append(h("h2", { class: "out-of-sight" }, "Conversations"), items, more, empty);

  return (current) => {
    const { list } = store;
    more.hidden = store.more === null;
    empty.hidden = list.length > 0;
    if (list.length === 0) empty.replaceChildren(...nothing(store));
    keyed(items, list, {
      key: ({ id }) => id,
      same: (item) => JSON.stringify([item.title, item.avatarUrl, item.unreadCount, item.lastMessage, item.lastEventAt, item.isGroup, typists(store, item), item.id === current, new Date().toDateString()]),
      make: (item) => entry(item, item.id === current, typists(store, item), media),
    });
    settle();
  };
}

/** Who types there now. */
export function typists(store, { id, participants }) {
  const typing = store.typing.get(id);
  if (!typing || typing.until < Date.now()) return [];
  const people = typing.ids.map((one) => participants?.find((person) => person.id === one));
  return people.filter((person) => !person?.isSelf).map(nameOf);
}

function entry(item, isCurrent, typing, media) {
  const title = titleOf(item);
  const unread = item.unreadCount > 0;
  return h("li", {},
    h("a", { href: `#/c/${item.id}`, class: unread ? "unread" : undefined, "aria-current": isCurrent && "true" },
      avatar(item, title, media),
      h("span", { class: "title", dir: "auto" }, title),
      item.lastEventAt && h("time", { datetime: item.lastEventAt, title: moment(item.lastEventAt) }, recent(item.lastEventAt)),
      typing.length > 0 ? h("span", { class: "preview typing" }, "typing…") : preview(item),
      unread && h("span", { class: "count" }, number(item.unreadCount), h("span", { class: "out-of-sight" }, " unread"))));
}

function preview({ lastMessage, isGroup }) {
  if (!lastMessage) return h("span", { class: "preview" }, "No messages yet");
  const who = lastMessage.sender.isSelf ? "You: " : isGroup ? `${nameOf(lastMessage.sender)}: ` : "";
  return h("span", { class: lastMessage.deletedAt ? "preview gone" : "preview", dir: "auto" }, `${who}${summary(lastMessage)}`);
}

function nothing({ isLoaded, connections }) {
  if (!isLoaded) return [h("p", {}, "Loading conversations…")];
  const isLinked = connections?.some(({ matrixUserId }) => matrixUserId !== null);
  return isLinked === false
    ? [h("h2", {}, "No account yet"), h("p", {}, "Link a Messenger account to see its conversations."), h("a", { class: "button primary", href: "#/accounts" }, "Link an account")]
    : [h("h2", {}, "No conversations yet"), h("p", {}, "They appear here by themselves.")];
}
