// Measures the stream as this page sees it: frames a second, and how long each was on
// its way. The server's clock and this one are compared as they are.

const SECONDS = 60;
const SAMPLES = 500;

export class Meter {
  frames = 0;
  sockets = 0;
  liveSince = undefined;
  #perSecond = new Map();
  #latencies = [];

  frame({ at, cursor }, isLive) {
    const now = Date.now();
    this.frames += 1;
    const second = Math.floor(now / 1000);
    this.#perSecond.set(second, (this.#perSecond.get(second) ?? 0) + 1);
    for (const known of this.#perSecond.keys()) if (known < second - SECONDS) this.#perSecond.delete(known);
    // What is replayed was on its way for as long as nobody listened.
    if (!isLive || cursor === undefined) return;
    this.#latencies.push({ second, took: Math.max(0, now - Date.parse(at)) });
    if (this.#latencies.length > SAMPLES) this.#latencies.shift();
  }

  state({ status }) {
    if (status === "replaying") this.sockets += 1;
    this.liveSince = status === "live" ? Date.now() : undefined;
  }

  /** Frames in each of the last minute's seconds, the newest last. */
  rates() {
    const now = Math.floor(Date.now() / 1000);
    return Array.from({ length: SECONDS }, (_, at) => this.#perSecond.get(now - SECONDS + 1 + at) ?? 0);
  }

  /** The longest way of each of these seconds, or null. */
  delays() {
    const now = Math.floor(Date.now() / 1000);
    const longest = new Map();
    for (const { second, took } of this.#latencies) longest.set(second, Math.max(took, longest.get(second) ?? 0));
    return Array.from({ length: SECONDS }, (_, at) => longest.get(now - SECONDS + 1 + at) ?? null);
  }

  /** Of the last 500 frames, in milliseconds; undefined before the first. */
  percentile(share) {
    const all = this.#latencies.map(({ took }) => took).sort((a, b) => a - b);
    return all.length === 0 ? undefined : all[Math.min(all.length - 1, Math.floor(all.length * share))];
  }
}

/** Tells the operator's part in other tabs, if it is at this address: numbers only. */
export function broadcast(meter) {
  const channel = new BroadcastChannel("tributary.meter");
  const page = crypto.randomUUID();
  setInterval(() => {
    const rates = meter.rates();
    channel.postMessage({
      page, rate: rates.at(-2) ?? 0, delay: meter.delays().at(-2) ?? null, p50: meter.percentile(0.5), p95: meter.percentile(0.95),
    });
  }, 1_000);
}
