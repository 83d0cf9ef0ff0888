// One message. All text is text: HTML that came with it is not shown.

import { h } from "../shared/dom.js";
import { bytes, duration, moment, time } from "../shared/format.js";
import { nameOf, straight, summary } from "./people.js";

const KINDS = { image: "Photo", video: "Video", audio: "Audio", voice: "Voice message", file: "File", sticker: "Sticker" };
const STATES = {
  pending: "not archived yet", too_large: "too large to keep", forbidden: "not kept", missing: "gone from the server", failed: "could not be fetched",
};

/**
 * What is around it is told with it: whether it goes on what its sender said just before,
 * whether there is more than one who could have, the message it answers, who `people` are by their ids, what shows files, and what its buttons do.
 */
export function messageItem(message, { continues, isGroup, answered, people, media, onVersions, onJump }) {
  const { sender, deletedAt } = message;
  const kind = sender.isSelf ? "own" : "others";
  return h("li", { class: `message ${kind}${continues ? " continues" : ""}`, id: `message-${message.id}`, tabindex: "-1" },
    // Of two people one needs no name to be seen.
    !sender.isSelf && h("span", { class: isGroup && !continues ? "sender" : "out-of-sight", dir: "auto" }, nameOf(sender)),
    sender.isSelf && h("span", { class: "out-of-sight" }, "You"),
    h("div", { class: deletedAt ? "bubble gone" : "bubble" },
      message.replyTo && quote(message.replyTo, answered, onJump),
      ...content(message, media),
      meta(message, onVersions)),
    message.reactions.length > 0 && reactions(message.reactions, people));
}

function content(message, media) {
  if (message.deletedAt) return [h("p", { class: "body" }, "Message removed")];
  if (message.type === "m.room.encrypted") return [h("p", { class: "body muted" }, "This message is encrypted and cannot be read here.")];
  const isCaption = message.body !== "" && !message.attachments.some(({ filename }) => filename === message.body);
  const text = message.type === "m.emote" ? `${nameOf(message.sender)} ${message.body}` : message.body;
  return [
    message.attachments.length > 0 && h("ul", { class: "attachments" }, message.attachments.map((one) => attachment(one, media))),
    (isCaption || message.attachments.length === 0) && h("p", { class: message.type === "m.notice" ? "body notice-text" : "body", dir: "auto" }, text),
  ];
}

function attachment(one, media) {
  const { mediaId, kind, filename, size, width, height, durationMs, state } = one;
  const name = straight(filename || KINDS[kind] || "File");
  const facts = [
    KINDS[kind] ?? kind,
    size !== null && bytes(size),
    width !== null && height !== null && `${width} × ${height}`,
    durationMs !== null && duration(durationMs),
    STATES[state],
  ].filter(Boolean);
  const isThere = state === "stored";
  return h("li", { class: `attachment ${kind in KINDS ? kind : "file"}` },
    isThere && media.element(one, name),
    h("span", { class: "icon", "aria-hidden": "true" }),
    isThere
      ? h("button", { class: "name plain", type: "button", dir: "auto", title: "Save it", click: () => media.save(mediaId, name) }, name)
      : h("span", { class: "name", dir: "auto" }, name),
    h("span", { class: "facts" }, facts.join(" · ")));
}

function quote(id, answered, onJump) {
  if (!answered) return h("p", { class: "quote" }, h("span", { class: "muted" }, "Answers an earlier message"));
  return h("button", { class: "quote", type: "button", click: () => onJump(id), title: "Show the message that this answers" },
    h("span", { class: "quoted-sender", dir: "auto" }, answered.sender.isSelf ? "You" : nameOf(answered.sender)),
    h("span", { class: "quoted", dir: "auto" }, summary(answered)));
}

function meta(message, onVersions) {
  const at = h("time", { datetime: message.timestamp, title: moment(message.timestamp) }, time(message.timestamp));
  if (!message.editedAt || message.deletedAt) return h("div", { class: "meta" }, at);
  const edited = h("button", { class: "plain edited", type: "button", "aria-expanded": "false", title: `Edited ${moment(message.editedAt)}` }, "edited");
  edited.addEventListener("click", () => toggleVersions(edited, message, onVersions));
  return h("div", { class: "meta" }, at, edited);
}

async function toggleVersions(button, message, onVersions) {
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  const meta = button.parentElement;
  if (open) return meta.parentElement.querySelector(".versions")?.remove();
  const list = h("ol", { class: "versions", "aria-label": "Versions" }, h("li", { class: "muted" }, "Loading…"));
  meta.before(list);
  try {
    const { versions = [] } = await onVersions(message.id);
    list.replaceChildren(...versions.map((version, at) => h("li", {},
      h("span", { class: "muted" }, `${at === 0 ? "Written" : "Edited"} ${moment(version.at)}`),
      h("span", { class: "body", dir: "auto" }, version.body))));
  } catch {
    list.replaceChildren(h("li", { class: "muted" }, "The versions could not be loaded."));
  }
}

function reactions(all, people) {
  return h("ul", { class: "reactions", "aria-label": "Reactions" }, all.map(({ key, count, senders, mine }) => {
    const names = senders.map((id) => (people.get(id)?.isSelf ? "You" : nameOf(people.get(id)))).join(", ");
    return h("li", { class: mine ? "mine" : undefined, title: names },
      h("span", { class: "key" }, key), count > 1 && h("span", {}, String(count)), h("span", { class: "out-of-sight" }, ` by ${names}`));
  }));
}
