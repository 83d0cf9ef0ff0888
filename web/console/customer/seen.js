// How far the others have read.

import { nameOf } from "./people.js";

/**
 * By message, who has read up to it and said nothing since. `reads` has the last message
 * that each person is known to have read.
 */
export function seenBy(messages, reads, people) {
  const said = new Map(messages.map(({ sender }, at) => [sender.id, at]));
  const places = new Map(messages.map(({ id }, at) => [id, at]));
  const seen = new Map();
  for (const [person, id] of reads ?? []) {
    const at = places.get(id);
    const known = people.get(person);
    if (at === undefined || !known || known.isSelf || (said.get(person) ?? -1) >= at) continue;
    seen.set(id, [...(seen.get(id) ?? []), nameOf(known)]);
  }
  return seen;
}

/** The line below a message. */
export const seenText = (names, isGroup) => (isGroup ? `Seen by ${new Intl.ListFormat().format(names)}` : "Seen");
