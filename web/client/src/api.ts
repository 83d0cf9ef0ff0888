import type { paths } from "./api.generated.js";
import { TributaryError } from "./errors.js";
import type { Problem } from "./generated.js";
import { askForToken, type GetToken } from "./token.js";
import { baseUrl } from "./url.js";

/** Where the API is, and who calls. */
export interface ApiOptions {
  /** `https://tributary.example`; in a page also a path, such as `/`. */
  baseUrl: string | URL;
  /** Clerk's `getToken`; for the operator's endpoints whatever answers their key. */
  getToken: GetToken;
  fetch?: typeof fetch | undefined;
}

type Method = "get" | "post" | "patch" | "delete";
type Described<M extends Method, P extends keyof paths> = paths[P] extends Record<M, infer O extends object> ? O : never;

/** The paths that have this method. */
export type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths];

type PathOf<O> = O extends { parameters: { path: infer T extends object } } ? { path: T } : { path?: undefined };
/** What is undefined is left out. */
type Loose<T> = { [K in keyof T]: T[K] | undefined };
type QueryOf<O> = O extends { parameters: { query?: infer T } } ? { query?: Loose<T> | undefined } : never;
type BodyOf<O> = O extends { requestBody: { content: { "application/json": infer T } } } ? { body: T } : { body?: undefined };

/** What an operation takes. */
export type RequestOf<M extends Method, P extends keyof paths> = PathOf<Described<M, P>> &
  QueryOf<Described<M, P>> &
  BodyOf<Described<M, P>> & { signal?: AbortSignal | undefined };

type Success<R> = R[Extract<keyof R, 200 | 201 | 202 | 204>];
type Content<R> = R extends { content: { "application/json": infer T } } ? T : R extends { content: object } ? Response : undefined;

/** What an operation answers: JSON, nothing, or what is to be read by whoever asked. */
export type AnswerOf<M extends Method, P extends keyof paths> =
  Described<M, P> extends { responses: infer R } ? Content<Success<R>> : never;

/** The paths that are lists. */
export type Lists = {
  [P in PathsWith<"get">]: AnswerOf<"get", P> extends { items: unknown[]; nextCursor: string | null } ? P : never;
}[PathsWith<"get">];
type ItemOf<P extends Lists> = AnswerOf<"get", P> extends { items: (infer T)[] } ? T : never;

type Given<R> = {} extends R ? [request?: R] : [request: R];
type Call<M extends Method> = <P extends PathsWith<M>>(path: P, ...given: Given<RequestOf<M, P>>) => Promise<AnswerOf<M, P>>;

/** The API, with the types of its description: a function for each method. */
export interface Api {
  get: Call<"get">;
  post: Call<"post">;
  patch: Call<"patch">;
  delete: Call<"delete">;
  /** Every item of a list, page by page, as they are asked for. */
  items<P extends Lists>(path: P, ...given: Given<RequestOf<"get", P>>): AsyncGenerator<ItemOf<P>, void, undefined>;
}

/** Any of the requests. */
interface Request {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal;
}

/** Tributary's API. What is refused throws a {@link TributaryError}. */
export function createApi(options: ApiOptions): Api {
  const call = (method: string) => (path: string, request?: Request) => ask(options, method, path, request ?? {});
  const get = call("GET");
  async function* items(path: string, request: Request = {}) {
    let cursor: unknown;
    do {
      const query = cursor === undefined ? request.query : { ...request.query, cursor };
      const page = (await get(path, { ...request, ...(query && { query }) })) as { items: unknown[]; nextCursor: unknown };
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
  const api = { get, post: call("POST"), patch: call("PATCH"), delete: call("DELETE"), items };
  return api as unknown as Api;
}

async function ask(options: ApiOptions, method: string, path: string, request: Request): Promise<unknown> {
  const filled = path.slice(1).replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(request.path?.[name])));
  const url = new URL(filled, baseUrl(options.baseUrl));
  for (const [key, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(key, String(value));
  }
  let answer = await send(options, method, url, request, false);
  // A cached token may have expired on its way.
  if (answer.status === 401) answer = await send(options, method, url, request, true);
  if (!answer.ok) throw await refusal(answer);
  if (answer.status === 204) return undefined;
  return answer.headers.get("Content-Type")?.startsWith("application/json") ? answer.json() : answer;
}

async function send(options: ApiOptions, method: string, url: URL, { body, signal }: Request, skipCache: boolean): Promise<Response> {
  const { getToken, fetch = globalThis.fetch } = options;
  const token = await askForToken(getToken, skipCache, signal);
  if (token === null) throw new TributaryError("signed_out", "nobody is signed in");
  const headers: Record<string, string> = { Authorization: `Bearer ${token.jwt}` };
  const init: RequestInit = { method, headers, ...(signal && { signal }) };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  try {
    return await fetch(url, init);
  } catch (cause) {
    throw new TributaryError("network", `${method} ${url.pathname} was not answered`, { cause });
  }
}

async function refusal(answer: Response): Promise<TributaryError> {
  const problem = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  const retryAfter = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  return new TributaryError(problem.code ?? "unknown", problem.detail ?? problem.title ?? `status ${answer.status}`, {
    status: answer.status,
    retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
  });
}
