// Who did what. Looking at lists leaves rows too, also here; they are left out unless
// asked for.

import { h } from "../shared/dom.js";
import { timestamp } from "../shared/format.js";
import { identifier, pagedTable, whileShown } from "./table.js";

const isLook = ({ action }) => /\.(list|get)$/.test(action);

export function auditView(section, admin) {
  const [what, who, target] = [["action", "Action"], ["actor", "By"], ["target", "To"]].map(([id, label]) => ({
    id, label, input: h("input", { id: `audit-${id}`, spellcheck: "false", autocomplete: "off" }),
  }));
  const looks = h("input", { type: "checkbox", id: "looks" });
  const follow = h("input", { type: "checkbox", id: "follow" });
  const table = pagedTable({
    label: "Audit",
    empty: "Nothing of that kind was done.",
    load: (cursor) => admin.get("audit", { limit: 100, cursor, action: what.input.value, actor: who.input.value, target: target.input.value }),
    key: ({ id }) => id,
    keep: (row) => looks.checked || !isLook(row),
    columns: [
      { title: "When", cell: ({ at }) => h("time", { datetime: at, class: "number" }, timestamp(at)) },
      { title: "By", cell: ({ actor, origin }) => [identifier(actor), origin && h("span", { class: "small muted" }, origin)] },
      { title: "Action", cell: ({ action: done }) => done },
      { title: "To", wide: true, cell: ({ target: to }) => identifier(to) ?? "–" },
      { title: "Outcome", cell: ({ outcome }) => h("span", { class: `badge ${["ok", "done"].includes(outcome) ? "good" : "warn"}` }, outcome) },
      { title: "More", wide: true, cell: ({ details }) => more(details ?? {}) },
    ],
  });
  const form = h("form", { class: "card fields" },
    [what, who, target].map(({ id, label, input }) => h("div", { class: "field" }, h("label", { for: `audit-${id}`, class: "small" }, label), input)),
    h("button", { type: "submit" }, "Find"),
    h("label", { class: "check", for: "looks" }, looks, "Also who looked at lists"),
    h("label", { class: "check", for: "follow" }, follow, "Follow"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    table.refresh();
  });
  looks.addEventListener("change", table.draw);
  section.append(form, table.element);
  whileShown(section, 5_000, () => (follow.checked ? table.refresh() : undefined));
  return { show: table.refresh };
}

function more(details) {
  const told = Object.entries(details).filter(([, value]) => value !== null);
  return told.map(([name, value]) => h("span", { class: "small" }, `${name}: `, h("code", { class: "id" }, typeof value === "string" ? value : JSON.stringify(value))));
}
