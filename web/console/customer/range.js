// Which part of a long conversation is in the page: as much as one scrolls through in a
// while, wherever that is. The rest is known, and costs nothing.

/** Messages that are in the page at most. */
export const MOST = 400;
/** How far it moves at once. */
const STEP = 100;

export class Range {
  /** The last message that is shown; none when that is the newest, whichever that is. */
  #last = undefined;

  /** Goes along with the newest. */
  reset() {
    this.#last = undefined;
  }

  /** Moves towards older messages. */
  up(messages) {
    this.#end(messages, Math.max(Math.min(MOST, messages.length), this.#to(messages) - STEP));
  }

  /** Moves towards newer ones. */
  down(messages) {
    this.#end(messages, Math.min(messages.length, this.#to(messages) + STEP));
  }

  /** Moves to where a message is; whether there is such a one. */
  around(messages, id) {
    const at = messages.findIndex((message) => message.id === id);
    if (at >= 0) this.#end(messages, Math.max(Math.min(MOST, messages.length), Math.min(messages.length, at + MOST / 2)));
    return at >= 0;
  }

  /** What is shown of `messages`, and whether there is more before and behind. */
  of(messages) {
    const to = this.#to(messages);
    const from = Math.max(0, to - MOST);
    return { shown: messages.slice(from, to), isMoreBefore: from > 0, isMoreBehind: to < messages.length };
  }

  #end(messages, to) {
    this.#last = to < messages.length ? messages[to - 1].id : undefined;
  }

  #to(messages) {
    if (this.#last === undefined) return messages.length;
    const at = messages.findIndex(({ id }) => id === this.#last);
    return at < 0 ? messages.length : at + 1;
  }
}
