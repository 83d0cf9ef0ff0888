// The only page that runs Clerk's script. It holds the session, and hands tokens over to
// the console's pages in other tabs, which this script never gets hold of.

import { h } from "../shared/dom.js";

/** The major version that this page was written for. */
const SCRIPT = "npm/@clerk/clerk-js@5/dist/clerk.browser.js";

const said = document.getElementById("said");
const place = document.getElementById("clerk");
const channel = new BroadcastChannel("tributary.session");

function load({ frontendApi, publishableKey }) {
  return new Promise((resolve, reject) => {
    const script = h("script", {
      src: `${frontendApi}/${SCRIPT}`, crossorigin: "anonymous", "data-clerk-publishable-key": publishableKey,
      load: () => resolve(window.Clerk), error: () => reject(new Error("Clerk's script did not load")),
    });
    document.head.append(script);
  });
}

function show(clerk) {
  let shown;
  return () => {
    const user = clerk.session ? clerk.session.id : null;
    if (user === shown) return;
    const wasIn = Boolean(shown);
    shown = user;
    if (user === null) {
      place.replaceChildren();
      clerk.mountSignIn(place);
      said.textContent = "";
      if (wasIn) channel.postMessage({ type: "signedOut" });
      return;
    }
    clerk.unmountSignIn(place);
    place.replaceChildren(
      h("div", { class: "stack" },
        h("h2", {}, "You are signed in"),
        h("p", {}, "Keep this page open: the console gets its session from here."),
        h("div", { class: "row" },
          h("a", { class: "button primary", href: "/console", target: "_blank", rel: "noopener" }, "Open the console"),
          h("button", { type: "button", click: () => clerk.signOut() }, "Sign out"))));
    said.textContent = "";
    channel.postMessage({ type: "signedIn" });
  };
}

async function answer(clerk, { id, skipCache }) {
  const token = await clerk.session?.getToken({ skipCache: skipCache === true }).catch(() => null);
  channel.postMessage({ type: "token", id, token: token ?? null });
}

try {
  const settings = await (await fetch("/console/settings.json", { cache: "no-store" })).json();
  const clerk = await load(settings.clerk);
  await clerk.load({ signInForceRedirectUrl: location.pathname, signUpForceRedirectUrl: location.pathname });
  const update = show(clerk);
  channel.addEventListener("message", ({ data }) => {
    if (data?.type === "getToken") answer(clerk, data);
  });
  clerk.addListener(update);
  update();
} catch {
  said.className = "notice bad";
  said.textContent = "The sign-in could not be loaded. Is Clerk reachable from this browser?";
}
