const FIRST = 500;
const LONGEST = 30_000;
const RESTART = 1_000;
const CROWDED = { shortest: 60_000, longest: 300_000 };
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
        case 1008:
        case 1009:
            return { kind: "incompatible" };
        default:
            return retry(backoff);
    }
}
