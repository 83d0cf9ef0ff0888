// What people and conversations are called, and what stands for them.

import { h } from "../shared/dom.js";

/** A name without what turns text around: `gnp.exe` must not read as `exe.png`. */
export const straight = (name) => name.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");

/** A person's name, or the id that stands for it. */
export const nameOf = (person) => straight(person?.displayName || person?.externalId || person?.matrixUserId || "Somebody");

/** A conversation's title. */
export const titleOf = (conversation) => straight(conversation.title || "No name yet");

/** What stands for a conversation: its picture, and until that is there a letter or two. */
export function avatar({ id, avatarUrl }, title, media) {
  return h("span", { class: `avatar ${tint(id)}`, "aria-hidden": "true" }, initials(title), media.avatar(avatarUrl));
}

/** The first letter or two. */
export function initials(text) {
  const words = text.trim().split(/\s+/u).filter(Boolean);
  const letters = (words.length > 1 ? [words[0], words.at(-1)] : words).map((word) => [...word][0]);
  return letters.join("").toLocaleUpperCase() || "?";
}

/** One of six colours, always the same one for an id. */
export function tint(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return `tint-${sum % 6}`;
}

const KINDS = {
  "m.image": "Photo", "m.video": "Video", "m.audio": "Audio", "m.file": "File", "m.sticker": "Sticker", "m.location": "Location",
};

/** A message in a line. */
export function summary(message) {
  if (message.deletedAt) return "Message removed";
  if (message.type === "m.room.encrypted") return "Encrypted message";
  return message.body || KINDS[message.type] || message.attachments[0]?.filename || "Message";
}
