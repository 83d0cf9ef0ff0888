// The operator's endpoints. The key is in this object and nowhere else: not in storage,
// not in an address, not in the page. It is gone with the page.

/** A call that was refused. */
export class Refusal extends Error {
  constructor(status, { code, detail, title } = {}) {
    super(detail ?? title ?? `status ${status}`);
    this.status = status;
    this.code = code ?? "unknown";
  }
}

export class Admin {
  #key;
  #onRefused;

  /** `onRefused` hears when the key is none, or none any more. */
  constructor(key, onRefused) {
    this.#key = key;
    this.#onRefused = onRefused;
  }

  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
    const search = new URLSearchParams(given);
    return this.#call("GET", search.size > 0 ? `${path}?${search}` : path);
  }

  post(path, body) {
    return this.#call("POST", path, body);
  }

  patch(path, body) {
    return this.#call("PATCH", path, body);
  }

  forget() {
    this.#key = undefined;
  }

  async #call(method, path, body) {
    if (this.#key === undefined) throw new Refusal(401);
    const headers = { Authorization: `Bearer ${this.#key}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(`/api/admin/${path}`, { method, headers, body: JSON.stringify(body), cache: "no-store", referrerPolicy: "no-referrer" });
    const content = await answer.json().catch(() => ({}));
    if (answer.ok) return content;
    if (answer.status === 401) this.#onRefused();
    throw new Refusal(answer.status, content);
  }
}
