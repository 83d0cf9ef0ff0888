// The operator's part of the console: asks for the key, and puts its views together.

import { h } from "../shared/dom.js";
import { Admin } from "./admin.js";
import { auditView } from "./audit.js";
import { backfillsView } from "./backfills.js";
import { connectionsView } from "./connections.js";
import { deadLettersView } from "./dead-letters.js";
import { healthView } from "./health.js";
import { roomsView } from "./rooms.js";
import { action } from "./table.js";

const VIEWS = {
  health: ["Health", healthView], rooms: ["Rooms", roomsView], backfills: ["Backfills", backfillsView],
  connections: ["Connections", connectionsView], "dead-letters": ["Dead letters", deadLettersView], audit: ["Audit", auditView],
};

const $ = (id) => document.getElementById(id);
const main = $("main");

$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

/** What ends with the present key: the listeners of its views. */
let signedIn;

function ask(message) {
  signedIn?.abort();
  $("nav").hidden = $("forget").hidden = true;
  const key = h("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const said = h("p", { role: "alert", class: message ? "notice bad" : undefined }, message ?? "");
  const submit = h("button", { class: "primary", type: "submit" }, "Enter");
  const form = h("form", { class: "card stack key" },
    h("img", { src: "/console/shared/icon.svg", alt: "", width: 44, height: 44 }),
    h("label", { for: "key" }, "Admin key"), key, submit, said,
    h("p", { class: "muted small" }, "One of admin.api_key. It stays in this page's memory: reloading or closing the page forgets it."));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    const admin = new Admin(key.value, () => ask("This is not the admin key, or not any more."));
    key.value = "";
    try {
      await admin.get("audit", { limit: 1 });
      enter(admin);
    } catch (error) {
      submit.disabled = false;
      said.className = "notice bad";
      said.textContent = error.status === undefined ? "Tributary cannot be reached." : error.message;
    }
  });
  main.replaceChildren(form);
  key.focus();
}

function enter(admin) {
  signedIn = new AbortController();
  const { signal } = signedIn;
  // Timers of its views outlive it; the key must not.
  signal.addEventListener("abort", () => admin.forget());
  const sections = new Map();
  const show = () => {
    const name = location.hash.slice(2) in VIEWS ? location.hash.slice(2) : "health";
    for (const [other, { section }] of sections) section.hidden = other !== name;
    for (const link of $("nav").querySelectorAll("a")) {
      if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    let view = sections.get(name);
    if (view === undefined) {
      const [title, make] = VIEWS[name];
      const again = action("Refresh", () => view.show());
      const section = h("section", { class: "stack" },
        h("div", { class: "row" }, h("h2", { class: "page-title", tabindex: "-1" }, title), h("span", { class: "push" }, again)));
      main.append(section);
      view = { section, ...make(section, admin) };
      sections.set(name, view);
    }
    document.title = `${VIEWS[name][0]} · Tributary`;
    view.show();
  };
  main.replaceChildren();
  $("nav").hidden = $("forget").hidden = false;
  addEventListener("hashchange", () => {
    show();
    document.querySelector("section:not([hidden]) .page-title")?.focus({ preventScroll: true });
  }, { signal });
  $("forget").addEventListener("click", () => ask(), { signal });
  show();
}

// A page that the browser keeps for going back to must not keep the key with it.
addEventListener("pageshow", (event) => event.persisted && ask());
ask();
