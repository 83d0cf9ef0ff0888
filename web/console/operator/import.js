// Links an account that needs no code, since it is linked elsewhere already.

import { h } from "../shared/dom.js";
import { field } from "./field.js";

const REFUSALS = { conflict: "This Matrix user is somebody else's." };

/** `onImported` is called when there is a connection more. */
export function importForm(admin, onImported) {
  const text = (id, properties) => h("input", { id, spellcheck: "false", autocomplete: "off", ...properties });
  const user = text("import-user", { required: true, placeholder: "user_…" });
  const matrixUser = text("import-matrix", { required: true, placeholder: "@name:server" });
  const remote = text("import-remote", { placeholder: "not needed" });
  const bridge = text("import-bridge", { placeholder: "the only one" });
  const said = h("p", { role: "status" });
  const submit = h("button", { class: "primary", type: "submit" }, "Import");
  const form = h("form", { class: "stack" },
    h("p", { class: "muted small" }, "The Clerk user sees what this Matrix user is in, as if they had redeemed a code."),
    h("div", { class: "fields" },
      field("import-user", "Clerk user", user), field("import-matrix", "Matrix user", matrixUser),
      field("import-remote", "Messenger id", remote), field("import-bridge", "Bridge", bridge), submit), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    const given = { userId: user, matrixUserId: matrixUser, bridgeUserId: remote, bridgeId: bridge };
    const filled = Object.entries(given).map(([name, { value }]) => [name, value.trim()]).filter(([, value]) => value !== "");
    try {
      const { matrixUserId } = await admin.post("connections", Object.fromEntries(filled));
      said.className = "notice good";
      said.replaceChildren("Linked ", h("bdi", {}, matrixUserId), ".");
      form.reset();
      await onImported();
    } catch (error) {
      said.className = "notice bad";
      said.textContent = REFUSALS[error.code] ?? error.message;
    }
    submit.disabled = false;
  });
  return h("details", { class: "card" }, h("summary", {}, "Import a connection"), form);
}
