// How the live stream is doing, as this page measures it.

import { bars, line } from "../shared/chart.js";
import { h } from "../shared/dom.js";
import { ago, number, span } from "../shared/format.js";

/** What the stream's states are called. */
export function describe(stream) {
  switch (stream.status) {
    case "live": return ["good", "Live"];
    case "replaying": return ["warn", "Catching up"];
    case "connecting": return ["warn", "Connecting"];
    case "waiting": return ["warn", "Reconnecting"];
    case "signedOut": return ["bad", "Signed out"];
    default: return ["bad", "Stopped"];
  }
}

/** Shows the meter in `section`. */
export function streamView(section, { store, feed, meter, user }) {
  const facts = h("dl", { class: "facts" });
  const charts = h("div", { class: "charts" });
  const again = h("button", { class: "small", type: "button", click: () => feed.reconnect() }, "Try now");
  section.append(h("div", { class: "stack" },
    h("h2", { class: "sheet-title", id: "stream-title", tabindex: "-1" }, "Stream"),
    h("div", { class: "card stack" }, facts, again), charts,
    h("p", { class: "small muted" }, "Delay is from the server's time of a frame to this page's, the last minute. If the two clocks differ, so does the delay.")));

  return () => {
    const { stream } = store;
    const [tone, word] = describe(stream);
    again.hidden = stream.status !== "waiting" && stream.status !== "signedOut";
    const rates = meter.rates();
    const delays = meter.delays();
    const [p50, p95] = [0.5, 0.95].map((share) => meter.percentile(share));
    facts.replaceChildren(...[
      ["State", h("span", { class: `badge ${tone}` }, word)],
      stream.status === "waiting" && ["Tries again", `in ${span(Math.max(0, stream.retryAt - Date.now()))}${reason(stream.cause)}`],
      meter.liveSince && ["Live since", ago(meter.liveSince)],
      user && ["User", user],
      ["Frames", number(meter.frames)],
      ["Reconnected", `${number(Math.max(0, meter.sockets - 1))} times`],
      ["Cursor", h("code", {}, feed.cursor ?? "none yet")],
    ].filter(Boolean).flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
    const recent = rates.slice(-10).reduce((sum, value) => sum + value, 0) / 10;
    charts.replaceChildren(
      figure("Frames per second", number(recent), bars(`Frames in each of the last ${rates.length} seconds`, rates), "average of ten seconds"),
      figure("Delay", p50 === undefined ? "–" : span(p50), line(`Longest delay in each of the last ${delays.length} seconds`, delays),
        p95 === undefined ? "no frame yet" : `half of the frames; 95 % within ${span(p95)}`));
  };
}

function figure(title, value, chart, note) {
  return h("figure", { class: "card figure" },
    h("figcaption", { class: "muted small" }, title), h("p", { class: "value" }, value), chart, h("p", { class: "small muted" }, note));
}

function reason(cause) {
  switch (cause?.kind) {
    case "closed": return `; closed with ${cause.code}`;
    case "unreachable": return "; not reachable";
    case "dead": return "; nothing was heard any more";
    case "failed": return "; not reachable, or no token";
    default: return "";
  }
}
