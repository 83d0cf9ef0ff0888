// The customer's part of the console: puts its views together.

import { announcer } from "../shared/announce.js";
import { batched, h } from "../shared/dom.js";
import { accountsView } from "./accounts.js";
import { Feed } from "./feed.js";
import { listView } from "./list.js";
import { Media } from "./media.js";
import { broadcast, Meter } from "./meter.js";
import { nameOf, summary, titleOf } from "./people.js";
import { findSession, settings } from "./session.js";
import { start } from "./start.js";
import { Store } from "./store.js";
import { describe, streamView } from "./stream.js";
import { threadView } from "./thread.js";

const $ = (id) => document.getElementById(id);

$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});

/** What the address shows: `#/`, `#/c/<id>`, `#/accounts`, `#/stream`. */
function route() {
  const [, view = "", id] = location.hash.split("/");
  if (view === "accounts" || view === "stream") return { view };
  return { view: view === "c" && id ? "thread" : "conversations", id: view === "c" ? id : undefined };
}

function run(session, settings) {
  const store = new Store();
  const meter = new Meter();
  const announce = announcer($("announcer"));
  const feed = new Feed({ session, store, meter, onMessage: (message) => tell(message, store, announce) });
  const media = new Media((ids) => feed.tickets(ids));
  const context = { store, feed, media, meter, user: session.user };
  const [list, thread, accounts, stream] = [
    listView($("conversations"), context), threadView($("thread"), context), accountsView($("accounts"), context), streamView($("stream"), context),
  ];
  $("start").hidden = true;
  $("nav").hidden = $("state").hidden = false;
  $("to-operator").hidden = !settings.operator;

  const render = batched(() => {
    const { view, id } = route();
    const isChat = view === "conversations" || view === "thread";
    document.body.dataset.view = view;
    $("conversations").hidden = $("thread").hidden = !isChat;
    $("accounts").hidden = view !== "accounts";
    $("stream").hidden = view !== "stream";
    for (const link of $("nav").querySelectorAll("[data-for]")) {
      const isHere = link.dataset.for === (isChat ? "conversations" : view);
      if (isHere) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (isChat) {
      list(id);
      thread(id);
    } else if (view === "accounts") accounts();
    else stream();
    status(store.stream);
    banner(store.stream, { settings, feed });
    const { unread } = store;
    document.title = unread > 0 ? `(${unread}) Tributary` : "Tributary";
  });
  store.subscribe(render);
  addEventListener("hashchange", () => {
    render();
    const { view } = route();
    requestAnimationFrame(() => (view === "thread" ? document.querySelector(".scroller") : $(`${view}-title`))?.focus({ preventScroll: true }));
  });
  // Ages and charts move, and whoever stopped typing without a word has stopped.
  setInterval(render, 1_000);
  // Whoever signed out leaves nothing on the screen.
  session.onChange?.(async (what) => {
    if (what === "signedOut") return location.reload();
    // Starts over if it is somebody else who signed in.
    await session.getToken({ skipCache: false });
    feed.reconnect();
  });
  broadcast(meter);
  feed.start();
  render();
}

function status(stream) {
  const [tone, word] = describe(stream);
  const badge = $("state");
  if (badge.textContent === word) return;
  badge.className = `badge ${tone}`;
  badge.textContent = word;
}

/** What nobody but the reader can mend. */
function banner(stream, { settings, feed }) {
  const place = $("banner");
  const what = stream.status === "closed" ? "closed" : stream.status === "signedOut" ? "signedOut" : undefined;
  if (place.dataset.what === what) return;
  place.hidden = what === undefined;
  if (what === undefined) delete place.dataset.what;
  else place.dataset.what = what;
  if (what === "closed") {
    place.replaceChildren("Tributary and this page do not understand each other. ", h("button", { class: "small", click: () => location.reload() }, "Reload"));
  } else if (what === "signedOut") {
    place.replaceChildren(
      "You are signed out, and nothing new comes in. ",
      settings.clerk ? h("a", { href: "/console/sign-in", target: "_blank", rel: "noopener" }, "Sign in") : "The development key may be another one: ask for a new address. ",
      h("button", { class: "small", click: () => feed.reconnect() }, "Try again"));
  }
}

function tell(message, store, announce) {
  if (message.sender.isSelf) return;
  const conversation = store.conversations.get(message.conversationId);
  const place = conversation ? titleOf(conversation) : "";
  const isOpen = route().id === message.conversationId;
  const who = nameOf(message.sender);
  announce(isOpen ? `${who}: ${summary(message).slice(0, 120)}` : `New message from ${who}`, place);
}

try {
  const known = await settings();
  const session = findSession(known);
  const enter = () => run(session, known);
  await start($("start"), { settings: known, session, enter });
} catch {
  $("start").replaceChildren(h("h2", {}, "Tributary cannot be reached"), h("p", {}, "Reload the page when it is there again."));
}
