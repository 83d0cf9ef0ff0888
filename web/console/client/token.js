const PATIENCE = 10_000;
const USUAL_LIFETIME = 60_000;
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
    }
    return Date.now() + USUAL_LIFETIME;
}
