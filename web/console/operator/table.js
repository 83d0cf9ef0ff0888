// A list of the operator's, page after page.

import { h, keyed } from "../shared/dom.js";

/**
 * `columns` are `{ title, cell(row), wide }`, `load(cursor)` answers `{ items, nextCursor }`,
 * `key(row)` names a row, and `keep(row)` says whether it is shown.
 */
export function pagedTable({ label, columns, load, key, keep = () => true, empty }) {
  const body = h("tbody");
  const table = h("table", {}, h("caption", { class: "out-of-sight" }, label),
    h("thead", {}, h("tr", {}, columns.map(({ title }) => h("th", { scope: "col" }, title || h("span", { class: "out-of-sight" }, "Actions"))))), body);
  const scroller = h("div", { class: "table", tabindex: "0", role: "region", "aria-label": label }, table);
  const more = h("button", { class: "small", type: "button", click: () => run(() => page(cursor)) }, "Show more");
  const said = h("p", { role: "status", class: "muted" });
  const element = h("div", { class: "stack tight" }, scroller, said, more);
  let cursor;
  let rows = [];

  function draw() {
    const shown = rows.filter(keep);
    keyed(body, shown, {
      key, same: (row) => JSON.stringify([row, Math.floor(Date.now() / 30_000)]),
      make: (row) => h("tr", {}, columns.map(({ title, cell, wide }) => h("td", { "data-label": title || undefined, class: wide ? "wide" : undefined }, cell(row)))),
    });
    scroller.hidden = shown.length === 0;
    said.className = "muted";
    said.textContent = shown.length === 0 ? empty : "";
    more.hidden = !cursor;
  }

  async function page(after) {
    const { items, nextCursor } = await load(after);
    rows = after === undefined ? items : [...rows, ...items];
    cursor = nextCursor;
    draw();
  }

  async function run(work) {
    try {
      await work();
    } catch (error) {
      said.className = "notice bad";
      said.textContent = `That did not work: ${error.message}`;
    }
  }

  more.hidden = scroller.hidden = true;
  said.textContent = "Loading…";
  return { element, draw, refresh: () => run(() => page(undefined)), rows: () => rows };
}

/** An id, which may be long and is for copying. */
export const identifier = (text) => text && h("code", { class: "id", dir: "auto" }, text);

/** A button that works, and says so where it does not. */
export function action(label, work, { tone = "", describe } = {}) {
  const button = h("button", { class: `small ${tone}`, type: "button", "aria-label": describe }, label);
  const said = h("span", { class: "said small", role: "status" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = "";
    try {
      said.className = "said small muted";
      said.textContent = (await work()) ?? "";
    } catch (error) {
      said.className = "said small bad-text";
      said.textContent = error.message;
    }
    button.disabled = false;
  });
  return h("span", { class: "action" }, button, said);
}

/** Runs `work` every so often while `section` is shown and somebody looks at the page. */
export function whileShown(section, milliseconds, work) {
  let isBusy = false;
  setInterval(async () => {
    if (isBusy || section.hidden || document.hidden || !section.isConnected) return;
    isBusy = true;
    await Promise.resolve(work()).catch(() => {});
    isBusy = false;
  }, milliseconds);
}
