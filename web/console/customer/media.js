// Pictures, sound and files. No element sends a session token, so each file is asked for
// with a ticket; and by way of this server alone, since the page's policy lets it load nothing
// from elsewhere.

import { h } from "../shared/dom.js";

/** A ticket is asked for anew after so long: it is good for four minutes at least. */
const FRESH = 3.5 * 60_000;
/** Tickets of one request. */
const MOST = 200;
/** The longest edge of a picture in a thread, in pixels of the page. */
const EDGE = 320;

/** Gets tickets, many at once, and makes what shows a file. */
export class Media {
  #load;
  #known = new Map();
  #waiting = new Map();

  /** `load` answers tickets for ids. */
  constructor(load) {
    this.#load = load;
  }

  /** Where a file is, in the form that the query asks for; undefined when it is not the user's. */
  async address(id, form = {}) {
    const ticket = await this.#ticket(id);
    return ticket && `/api/media/${encodeURIComponent(id)}?${new URLSearchParams({ ...form, redirect: "false", ticket })}`;
  }

  /** Has the browser save a file under this name. */
  async save(id, name) {
    const href = await this.address(id);
    if (href) h("a", { href, download: name }).click();
  }

  /** What shows an attachment that is stored; nothing for a file that is not to be looked at. */
  element({ mediaId, kind, width, height }, name) {
    if (kind === "image" || kind === "sticker") return this.#picture(mediaId, name, fit(width, height));
    if (kind === "video") return this.#player("video", mediaId, name, fit(width, height));
    if (kind === "audio" || kind === "voice") return this.#player("audio", mediaId, name, {});
    return undefined;
  }

  /** The picture of a person or a conversation, over what stands for it; nothing without an address. */
  avatar(url) {
    const id = url?.match(/^\/api\/media\/([0-9a-f-]{36})$/)?.[1];
    if (id === undefined) return undefined;
    const image = h("img", { alt: "", loading: "lazy" });
    return this.#fill(image, id, { thumbnail: "96x96" }, () => image.remove());
  }

  #picture(id, name, size) {
    const image = h("img", { alt: name, loading: "lazy", ...size });
    const button = h("button", { class: "picture", type: "button", title: "Show it large", click: () => this.#view(id, name) }, image);
    // What cannot be shown can still be saved.
    this.#fill(image, id, { thumbnail: "640x640" }, () => button.remove());
    return button;
  }

  #player(kind, id, name, size) {
    const player = h(kind, { class: "player", controls: true, preload: kind === "video" ? "metadata" : "none", "aria-label": name, ...size });
    return this.#fill(player, id, {}, () => player.remove());
  }

  /** Over the page, in full. */
  #view(id, name) {
    const close = h("button", { class: "small", type: "button", click: () => dialog.close() }, "Close");
    const image = h("img", { alt: name });
    const dialog = h("dialog", { class: "viewer", "aria-label": name, close: () => dialog.remove() }, image, close);
    this.#fill(image, id, {}, () => image.replaceWith(h("p", {}, "It could not be loaded.")));
    document.body.append(dialog);
    dialog.showModal();
  }

  /** Gives an element its address, and another one when the ticket in it has expired. */
  #fill(element, id, form, onGone) {
    let isAgain = false;
    const fill = async () => {
      const src = await this.address(id, form);
      if (src) element.setAttribute("src", src);
      else onGone();
    };
    const worked = () => (isAgain = false);
    element.addEventListener(element.localName === "img" ? "load" : "loadedmetadata", worked);
    element.addEventListener("error", () => {
      if (isAgain) return onGone();
      isAgain = true;
      this.#known.delete(id);
      const at = element.currentTime;
      if (at > 0) element.addEventListener("loadedmetadata", () => (element.currentTime = at), { once: true });
      return fill();
    });
    fill();
    return element;
  }

  #ticket(id) {
    const known = this.#known.get(id);
    if (known && known.until > Date.now()) return known.ticket;
    let waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      if (this.#waiting.size === 0) setTimeout(() => this.#ask(), 0);
      let done;
      waiting = { promise: new Promise((resolve) => (done = resolve)), done };
      this.#waiting.set(id, waiting);
    }
    return waiting.promise;
  }

  async #ask() {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    const ids = [...waiting.keys()];
    for (let at = 0; at < ids.length; at += MOST) {
      const some = ids.slice(at, at + MOST);
      const until = Date.now() + FRESH;
      // Without an answer nothing is shown, and the next one asks again.
      const tickets = await this.#load(some).then((answer) => answer.tickets, () => ({}));
      for (const id of some) {
        if (tickets[id]) this.#known.set(id, { ticket: tickets[id], until });
        waiting.get(id).done(tickets[id]);
      }
    }
  }
}

/** Width and height as they are shown, so that nothing moves when the picture comes. */
function fit(width, height) {
  if (!width || !height) return {};
  const scale = Math.min(1, EDGE / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}
