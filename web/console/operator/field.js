// A field of a form, with its label.

import { h } from "../shared/dom.js";

export const field = (id, label, input) => h("div", { class: "field" }, h("label", { for: id, class: "small" }, label), input);
