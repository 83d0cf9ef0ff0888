// Asks before something that ends or deletes.

import { h } from "../shared/dom.js";

/**
 * `title` and `text` say what; `check` is a box beside it (`label`, `checked`, `required`,
 * `hidden`), `work` is told whether it is checked and done once somebody presses `go`.
 */
export function confirm({ title, text, check, go, work }) {
  const box = h("input", { type: "checkbox", id: "confirm-check", required: check.required });
  box.checked = box.disabled = check.checked === true;
  const answer = h("p", { role: "alert" });
  const submit = h("button", { class: "primary danger", type: "submit" }, go);
  const dialog = h("dialog", { "aria-labelledby": "confirm-title" },
    h("form", { class: "stack", method: "dialog" },
      h("h2", { id: "confirm-title" }, title),
      h("p", {}, text),
      h("label", { class: "check", for: "confirm-check", hidden: check.hidden }, box, h("span", {}, check.label)),
      answer,
      h("div", { class: "row" }, h("button", { class: "push", type: "button", click: () => dialog.close() }, "Keep it"), submit)));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await work(box.checked);
      dialog.close();
    } catch (error) {
      answer.className = "notice bad";
      answer.textContent = `That did not work: ${error.message}`;
      submit.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}
