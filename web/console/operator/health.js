// How Tributary is: what /healthz says, and how fast the live stream is where somebody
// in this browser listens to it.

import { bars, line } from "../shared/chart.js";
import { h } from "../shared/dom.js";
import { ago, moment, number, span } from "../shared/format.js";
import { whileShown } from "./table.js";

const POINTS = 60;
const SYNC = {
  IDLE: ["good", "Up to date"], SYNCING: ["warn", "Coming in"], BEHIND: ["bad", "Behind"],
};

export function healthView(section) {
  const tiles = h("div", { class: "tiles" });
  const charts = h("div", { class: "charts" });
  const took = [];
  const streams = listen();
  section.append(tiles, charts);

  async function look() {
    const began = performance.now();
    const health = await ask();
    took.push(health ? performance.now() - began : null);
    if (took.length > POINTS) took.shift();
    tiles.replaceChildren(...describe(health));
    const [rate, delay, p95] = streams();
    const heard = rate.some((value) => value !== null);
    const known = took.filter((value) => value !== null);
    charts.replaceChildren(
      figure("Answer time of /healthz", known.length ? span(known.at(-1)) : "–", line("Answer times of /healthz", padded(took, null)), "it asks the database"),
      figure("Frames per second", heard ? number(rate.at(-1) ?? 0) : "–", bars("Frames in each second", rate.map((value) => value ?? 0)), heard ? "of the consoles open in this browser" : "open a customer's console in another tab of this browser to measure"),
      figure("Delivery", p95 === undefined ? "–" : span(p95), line("Longest delivery in each second", delay), p95 === undefined ? "no frame measured yet" : "95 % of the last frames came within this time"));
  }
  whileShown(section, 2_000, look);
  return { show: look };
}

async function ask() {
  try {
    const answer = await fetch("/healthz", { cache: "no-store" });
    return await answer.json();
  } catch {
    return undefined;
  }
}

function describe(health) {
  if (!health) return [tile("Tributary", "bad", "Not reachable")];
  const there = (word) => (word === "ok" ? ["good", "Up"] : ["bad", "Down"]);
  const { lastTransactionAt: last } = health;
  return [
    tile("Database", ...there(health.db), health.dbError),
    tile("Homeserver", ...there(health.homeserver)),
    tile("Clerk", ...there(health.clerk)),
    tile("Work", ...(SYNC[health.sync] ?? ["", health.sync])),
    h("div", { class: "card tile" }, h("h2", { class: "small muted" }, "Last transaction"),
      h("p", {}, last ? h("time", { datetime: last, title: moment(last) }, ago(last)) : "none yet")),
    h("div", { class: "card tile" }, h("h2", { class: "small muted" }, "Version"), h("p", {}, health.version)),
  ];
}

function tile(title, tone, word, note) {
  return h("div", { class: "card tile" }, h("h2", { class: "small muted" }, title), h("p", { class: `badge ${tone}` }, word), note && h("p", { class: "small" }, note));
}

function figure(title, value, chart, note) {
  return h("figure", { class: "card figure" },
    h("figcaption", { class: "muted small" }, title), h("p", { class: "value" }, value), chart, h("p", { class: "small muted" }, note));
}

const padded = (values, nothing) => [...Array.from({ length: POINTS - values.length }, () => nothing), ...values];

/** What the consoles in other tabs measure: numbers of the last minute. */
function listen() {
  const pages = new Map();
  const history = [];
  new BroadcastChannel("tributary.meter").addEventListener("message", ({ data }) => {
    if (typeof data?.page === "string") pages.set(data.page, { ...data, heardAt: Date.now() });
  });
  setInterval(() => {
    for (const [page, { heardAt }] of pages) if (Date.now() - heardAt > 5_000) pages.delete(page);
    const all = [...pages.values()];
    const delays = all.map(({ delay }) => delay).filter((delay) => delay !== null);
    history.push({
      rate: all.length === 0 ? null : all.reduce((sum, { rate }) => sum + rate, 0),
      delay: delays.length === 0 ? null : Math.max(...delays),
    });
    if (history.length > POINTS) history.shift();
  }, 1_000);
  return () => {
    const worst = [...pages.values()].map(({ p95 }) => p95).filter((p95) => p95 !== undefined);
    const minute = padded(history, { rate: null, delay: null });
    return [minute.map(({ rate }) => rate), minute.map(({ delay }) => delay), worst.length === 0 ? undefined : Math.max(...worst)];
  };
}
