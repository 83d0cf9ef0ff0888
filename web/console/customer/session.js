// Who is signed in, and their session tokens.
//
// With a development key: a pass in the address's fragment, which browsers send to
// nobody and which goes from the address bar at once. It is kept for this tab, so that a
// reload stays signed in. With Clerk: another page holds the session and hands tokens over.

const KEPT = "tributary.development";
/** A token is asked for anew when it has so long to live, in milliseconds. */
const MARGIN = 10_000;

/** What the server says of itself. */
export async function settings() {
  const answer = await fetch("/console/settings.json", { cache: "no-store" });
  if (!answer.ok) throw new Error(`the console's settings: ${answer.status}`);
  return answer.json();
}

/** The session, or undefined when nobody is signed in. */
export function findSession(settings) {
  const pass = settings.development ? takePass() : undefined;
  if (pass) return development(pass);
  return settings.clerk ? handedOver() : undefined;
}

function takePass() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("pass")) {
    history.replaceState(null, "", location.pathname);
    const pass = { userId: given.get("user") ?? "", pass: given.get("pass") };
    sessionStorage.setItem(KEPT, JSON.stringify(pass));
    return pass;
  }
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? undefined;
  } catch {
    return undefined;
  }
}

function development(pass) {
  let token;
  return {
    user: pass.userId,
    getToken: async ({ skipCache }) => {
      if (!skipCache && token && Date.parse(token.expiresAt) - Date.now() > MARGIN) return token.token;
      const answer = await fetch("/console/dev-token", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(pass),
      });
      if (answer.status === 401) return null;
      if (!answer.ok) throw new Error(`no development token: ${answer.status}`);
      token = await answer.json();
      return token.token;
    },
    signOut: () => sessionStorage.removeItem(KEPT),
  };
}

/** Asks the sign-in page, which is open in another tab; null while it is not. */
function handedOver() {
  const channel = new BroadcastChannel("tributary.session");
  const listeners = new Set();
  channel.addEventListener("message", ({ data }) => {
    if (data?.type === "signedIn" || data?.type === "signedOut") for (const listener of listeners) listener(data.type);
  });
  let user;
  return {
    user: undefined,
    getToken: async ({ skipCache }) => {
      const token = await ask(channel, skipCache);
      const of = token === null ? user : subject(token);
      // What is on the screen belongs to whoever was signed in before.
      if (user !== undefined && of !== user) return startOver();
      user = of;
      return token;
    },
    onChange: (listener) => listeners.add(listener),
  };
}

function startOver() {
  location.reload();
  return new Promise(() => {});
}

/** Whose a session token is. */
function subject(token) {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(claims)).sub;
  } catch {
    return undefined;
  }
}

function ask(channel, skipCache) {
  const id = crypto.randomUUID();
  return new Promise((resolve) => {
    const done = (token) => {
      clearTimeout(patience);
      channel.removeEventListener("message", hear);
      resolve(token);
    };
    const hear = ({ data }) => {
      if (data?.type === "token" && data.id === id) done(typeof data.token === "string" ? data.token : null);
    };
    const patience = setTimeout(() => done(null), 5_000);
    channel.addEventListener("message", hear);
    channel.postMessage({ type: "getToken", id, skipCache });
  });
}
