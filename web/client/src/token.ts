/**
 * Answers a session token, or null when nobody is signed in. Clerk's `getToken` is one as it is.
 * With `skipCache` it has to be a new one.
 */
export type GetToken = (options: { skipCache: boolean }) => Promise<string | null> | string | null;

/** A token and what it says of itself. */
export interface Token {
  readonly jwt: string;
  /** Milliseconds since 1970, by the clock of whoever signed it; not verified. */
  readonly expiresAt: number;
}

/** How long `getToken` may take, in milliseconds. */
const PATIENCE = 10_000;
/** What is assumed of a token that does not say when it expires: Clerk's live for a minute. */
const USUAL_LIFETIME = 60_000;

/**
 * Asks for a token; null when nobody is signed in. Whoever hangs has failed, and so has
 * whoever is asked in vain because `signal` ended it.
 */
export async function askForToken(getToken: GetToken, skipCache: boolean, signal?: AbortSignal): Promise<Token | null> {
  const giveUp = new AbortController();
  const inVain = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error("getToken takes too long")), PATIENCE);
    const abort = () => reject(new Error("not needed any more"));
    signal?.addEventListener("abort", abort, { signal: giveUp.signal });
    giveUp.signal.addEventListener("abort", () => clearTimeout(timer));
    if (signal?.aborted) abort();
  });
  try {
    const jwt = await Promise.race([getToken({ skipCache }), inVain]);
    return jwt ? { jwt, expiresAt: expiry(jwt) } : null;
  } finally {
    giveUp.abort();
  }
}

function expiry(jwt: string): number {
  try {
    const claims = (jwt.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(claims)) as { exp?: unknown };
    if (typeof exp === "number" && Number.isFinite(exp)) return exp * 1000;
  } catch {
    // Whatever it is, the server knows what to do with it.
  }
  return Date.now() + USUAL_LIFETIME;
}
