// Small charts: bars for how many, a line for how long. Drawn with elements and
// attributes, so that they follow the page's colours.

import { svg } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 56;

/** Bars of `values`, the newest at the right. */
export function bars(label, values) {
  const most = Math.max(1, ...values);
  const width = WIDTH / values.length;
  return frame(label, values.map((value, at) => {
    const height = (value / most) * (HEIGHT - 2);
    return value > 0 && svg("rect", { x: at * width, y: HEIGHT - height, width: Math.max(width - 0.6, 0.6), height });
  }));
}

/** A line through `values`, with gaps where there is none (null). */
export function line(label, values) {
  const known = values.filter((value) => value !== null);
  const most = Math.max(1, ...known);
  const x = (at) => (at / Math.max(1, values.length - 1)) * WIDTH;
  const y = (value) => HEIGHT - 2 - (value / most) * (HEIGHT - 4);
  const marks = values.flatMap((value, at) => {
    if (value === null) return [];
    const next = values.findIndex((later, place) => place > at && later !== null);
    const dot = svg("circle", { cx: x(at), cy: y(value), r: 1.6 });
    if (next < 0) return [dot];
    return [svg("line", { x1: x(at), y1: y(value), x2: x(next), y2: y(values[next]) }), dot];
  });
  return frame(label, marks);
}

function frame(label, marks) {
  const base = svg("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 });
  return svg("svg", {
    class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label,
  }, base, ...marks);
}
