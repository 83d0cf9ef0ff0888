// Before anybody is signed in: how to.

import { h } from "../shared/dom.js";

/** Enters with the session that there is, or says how one signs in. */
export async function start(section, { settings, session, enter }) {
  if (session?.onChange) later(session, enter);
  else if (await session?.getToken({ skipCache: false })) return enter();
  section.replaceChildren(h("div", { class: "card stack" },
    h("img", { src: "/console/shared/icon.svg", alt: "", width: 44, height: 44 }),
    h("h2", {}, "Sign in"),
    settings.clerk && clerk(),
    settings.development && development(session !== undefined && !session.onChange),
    !settings.clerk && !settings.development && h("p", {}, "Nobody can sign in here: neither a Clerk instance nor a development key is configured."),
    settings.operator && h("p", { class: "small" }, h("a", { href: "/console/operator" }, "I am the operator"))));
}

/** Enters as soon as another page hands a session over. */
function later(session, enter) {
  let isIn = false;
  const look = async () => {
    if (isIn || !(await session.getToken({ skipCache: false })) || isIn) return;
    isIn = true;
    enter();
  };
  session.onChange(look);
  look();
}

function clerk() {
  return [
    h("p", {}, "Sign in on a page of its own, and keep it open: it hands your session over to this one."),
    h("a", { class: "button primary", href: "/console/sign-in", target: "_blank", rel: "noopener" }, "Sign in"),
  ];
}

function development(isRefused) {
  return [
    isRefused && h("p", { class: "notice bad", role: "alert" }, "This sign-in is not valid any more: the development key is another one."),
    h("p", {}, "In development, the command line prints an address that signs a user in:"),
    h("pre", {}, h("code", {}, "tributary dev-token --user user_demo --console")),
  ];
}
