/** The first delay is up to this long, in milliseconds, each further one up to twice the one before. */
const FIRST = 500;
/** And never longer than this. */
const LONGEST = 30_000;
/** A server that restarts is there again soon, and all its clients come at once. */
const RESTART = 1_000;
/** Other tabs need the seats: coming back at once would only push out the next one. */
const CROWDED = { shortest: 60_000, longest: 300_000 };
/**
 * Exponential backoff with full jitter; `failures` counts the ends since the stream was last
 * stable, `random` is from 0 up to 1.
 */
export function afterwards(end, failures, random) {
    const backoff = random * Math.min(LONGEST, FIRST * 2 ** Math.min(failures, 16));
    const retry = (delay, skipCache = false, isPatient = false) => ({
        kind: "retry",
        delay,
        skipCache,
        isPatient,
    });
    switch (end.kind) {
        case "signedOut":
            return { kind: "signedOut" };
        case "full":
            return retry(0);
        case "reload":
            return retry(failures === 0 ? 0 : backoff);
        case "failed":
            return retry(Math.max(backoff, (end.retryAfter ?? 0) * 1000));
        case "dead":
            return retry(failures === 0 ? 0 : backoff);
        case "unreachable":
            // It may have been the token, which nobody says.
            return retry(backoff, true);
        case "closed":
            return afterClose(end.code, failures, random, backoff, retry);
    }
}
function afterClose(code, failures, random, backoff, retry) {
    switch (code) {
        case 4401:
            return retry(failures === 0 ? 0 : backoff, true);
        case 4429:
            return retry(Math.min(CROWDED.longest, CROWDED.shortest * (failures + 1)) * (1 + random), false, true);
        case 1012:
            return retry(failures === 0 ? random * RESTART : backoff);
        // This client says nothing but `auth` and `ping`: whoever finds that malformed, or too long,
        // will do so again.
        case 1008:
        case 1009:
            return { kind: "incompatible" };
        default:
            return retry(backoff);
    }
}
