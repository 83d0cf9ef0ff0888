import { TributaryError } from "./errors.js";
import { askForToken } from "./token.js";
import { baseUrl } from "./url.js";
export function createApi(options) {
    const call = (method) => (path, request) => ask(options, method, path, request ?? {});
    const get = call("GET");
    async function* items(path, request = {}) {
        let cursor;
        do {
            const query = cursor === undefined ? request.query : { ...request.query, cursor };
            const page = (await get(path, { ...request, ...(query && { query }) }));
            yield* page.items;
            cursor = page.nextCursor;
        } while (cursor !== null);
    }
    const api = { get, post: call("POST"), patch: call("PATCH"), delete: call("DELETE"), items };
    return api;
}
async function ask(options, method, path, request) {
    const filled = path.slice(1).replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(request.path?.[name])));
    const url = new URL(filled, baseUrl(options.baseUrl));
    for (const [key, value] of Object.entries(request.query ?? {})) {
        if (value !== undefined)
            url.searchParams.set(key, String(value));
    }
    let answer = await send(options, method, url, request, false);
    if (answer.status === 401)
        answer = await send(options, method, url, request, true);
    if (!answer.ok)
        throw await refusal(answer);
    if (answer.status === 204)
        return undefined;
    return answer.headers.get("Content-Type")?.startsWith("application/json") ? answer.json() : answer;
}
async function send(options, method, url, { body, signal }, skipCache) {
    const { getToken, fetch = globalThis.fetch } = options;
    const token = await askForToken(getToken, skipCache, signal);
    if (token === null)
        throw new TributaryError("signed_out", "nobody is signed in");
    const headers = { Authorization: `Bearer ${token.jwt}` };
    const init = { method, headers, ...(signal && { signal }) };
    if (body !== undefined) {
        headers["Content-Type"] = "application/json";
        init.body = JSON.stringify(body);
    }
    try {
        return await fetch(url, init);
    }
    catch (cause) {
        throw new TributaryError("network", `${method} ${url.pathname} was not answered`, { cause });
    }
}
async function refusal(answer) {
    const problem = (await answer.json().catch(() => ({})));
    const retryAfter = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    return new TributaryError(problem.code ?? "unknown", problem.detail ?? problem.title ?? `status ${answer.status}`, {
        status: answer.status,
        retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
    });
}
