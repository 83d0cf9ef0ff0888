// The linked accounts, and the form for the code of another one.

import { h, keyed } from "../shared/dom.js";
import { ago, count, moment, number } from "../shared/format.js";
import { confirm } from "./confirm.js";

const STATUS = {
  PENDING: ["warn", "Waiting"], CONNECTED: ["good", "Connected"], ERROR: ["bad", "Needs attention"], DISCONNECTED: ["", "Disconnected"],
};
const REFUSALS = {
  not_found: "That code is wrong, was used before, or has expired. The companion shows a new one.",
  conflict: "This account is linked to somebody else.",
  rate_limited: "Too many wrong codes. Wait a minute, then try again.",
  network: "Tributary cannot be reached. Try again in a moment.",
};

/** Shows the store's connections in `section`. */
export function accountsView(section, { store, feed }) {
  const items = h("ul", { class: "stack" });
  const empty = h("p", { class: "muted" });
  const erase = h("p", { class: "erase" }, h("button", { class: "small danger", type: "button", click: () => confirmErase(feed) }, "Delete everything…"));
  section.append(
    h("div", { class: "stack" },
      h("h2", { class: "sheet-title", id: "accounts-title", tabindex: "-1" }, "Accounts"),
      linkForm(feed), items, empty, erase));

  return () => {
    const all = store.connections;
    erase.hidden = !all?.length && store.conversations.size === 0;
    empty.hidden = all === undefined ? false : all.length > 0;
    empty.textContent = all === undefined ? "Loading…" : "No account is linked yet.";
    keyed(items, all ?? [], {
      key: ({ id }) => id,
      same: (connection) => JSON.stringify([connection, Math.floor(Date.now() / 30_000)]),
      make: (connection) => account(connection, feed),
    });
  };
}

function linkForm(feed) {
  const code = h("input", {
    id: "code", name: "code", autocomplete: "one-time-code", autocapitalize: "characters", spellcheck: "false", inputmode: "text",
    maxlength: "24", placeholder: "ABCD-2345", required: true, "aria-describedby": "code-help code-answer",
  });
  const answer = h("p", { id: "code-answer", role: "status" });
  const submit = h("button", { class: "primary", type: "submit" }, "Link");
  const form = h("form", { class: "card stack tight link-form" },
    h("label", { for: "code" }, "Link an account"),
    h("p", { class: "muted small", id: "code-help" }, "Log in to Messenger with the desktop companion. It then shows a code of eight letters and digits, good for ten minutes."),
    h("div", { class: "row" }, code, submit), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      const { remoteName, matrixUserId } = await feed.link(code.value);
      answer.className = "notice good";
      answer.replaceChildren("Linked ", h("bdi", {}, remoteName ?? matrixUserId ?? "the account"), ".");
      form.reset();
    } catch (error) {
      answer.className = "notice bad";
      answer.textContent = REFUSALS[error.code] ?? `That did not work: ${error.message}`;
      code.focus();
    }
    submit.disabled = false;
  });
  return form;
}

function account(connection, feed) {
  const { id, status, matrixUserId, bridgeUserId, remoteName, error, lastSyncAt } = connection;
  const [tone, word] = STATUS[status] ?? ["", status];
  const name = remoteName ?? matrixUserId ?? "Waiting for a code";
  const isGone = status === "DISCONNECTED";
  return h("li", { class: "card stack account" },
    h("div", { class: "row" }, h("h3", { dir: "auto" }, name), h("span", { class: `badge ${tone} push` }, word)),
    error && h("p", { class: "notice bad", dir: "auto" }, error),
    h("dl", { class: "facts" },
      fact("Matrix user", matrixUserId), fact("Messenger id", bridgeUserId),
      lastSyncAt && fact("Last message", h("time", { datetime: lastSyncAt, title: moment(lastSyncAt) }, ago(lastSyncAt)))),
    matrixUserId && backfill(connection.backfill),
    h("div", { class: "row" },
      h("button", { class: "small danger", type: "button", click: () => confirmEnd({ id, name, isGone, feed }) }, isGone ? "Delete what it brought…" : "Disconnect…")));
}

const fact = (term, value) => value && [h("dt", {}, term), h("dd", { dir: "auto" }, value)];

function backfill({ state, roomsTotal, roomsDone, messages }) {
  const words = `${number(roomsDone)} of ${count(roomsTotal, "conversation")}, ${count(messages, "message")}`;
  return h("div", { class: "stack tight" },
    h("p", { class: "small muted" }, state === "running" ? `History is coming in: ${words}` : `History: ${words}`),
    roomsTotal > 0 && h("progress", { max: roomsTotal, value: roomsDone, "aria-label": "Conversations whose history is in" }));
}

function confirmEnd({ id, name, isGone, feed }) {
  confirm({
    title: [isGone ? "Delete what " : "Disconnect ", h("bdi", {}, name), isGone ? " brought?" : "?"],
    text: isGone ? "Its conversations and messages are deleted for good." : "No new messages come in. What there is stays readable, unless you delete it.",
    check: { label: "Also delete its conversations and messages. This cannot be undone.", checked: isGone, hidden: isGone },
    go: isGone ? "Delete" : "Disconnect",
    work: (purge) => feed.disconnect(id, purge),
  });
}

function confirmErase(feed) {
  confirm({
    title: "Delete everything?",
    text: "All your accounts are disconnected, and their conversations and messages are deleted for good. You can begin anew.",
    check: { label: "Yes, everything. This cannot be undone.", required: true },
    go: "Delete everything",
    work: () => feed.erase(),
  });
}
