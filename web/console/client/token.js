/** How long `getToken` may take, in milliseconds. */
const PATIENCE = 10_000;
/** What is assumed of a token that does not say when it expires: Clerk's live for a minute. */
const USUAL_LIFETIME = 60_000;
/**
 * Asks for a token; null when nobody is signed in. Whoever hangs has failed, and so has
 * whoever is asked in vain because `signal` ended it.
 */
export async function askForToken(getToken, skipCache, signal) {
    const giveUp = new AbortController();
    const inVain = new Promise((_, reject) => {
        const timer = setTimeout(() => reject(new Error("getToken takes too long")), PATIENCE);
        const abort = () => reject(new Error("not needed any more"));
        signal?.addEventListener("abort", abort, { signal: giveUp.signal });
        giveUp.signal.addEventListener("abort", () => clearTimeout(timer));
        if (signal?.aborted)
            abort();
    });
    try {
        const jwt = await Promise.race([getToken({ skipCache }), inVain]);
        return jwt ? { jwt, expiresAt: expiry(jwt) } : null;
    }
    finally {
        giveUp.abort();
    }
}
function expiry(jwt) {
    try {
        const claims = (jwt.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
        const { exp } = JSON.parse(atob(claims));
        if (typeof exp === "number" && Number.isFinite(exp))
            return exp * 1000;
    }
    catch {
        // Whatever it is, the server knows what to do with it.
    }
    return Date.now() + USUAL_LIFETIME;
}
