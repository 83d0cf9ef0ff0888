// Backfills: how far they are, and new ones.

import { bars } from "../shared/chart.js";
import { h } from "../shared/dom.js";
import { ago, count, moment, number, timestamp } from "../shared/format.js";
import { field } from "./field.js";
import { action, identifier, pagedTable, whileShown } from "./table.js";

const ACTIVE = ["queued", "running", "waiting"];
const TONES = { done: "good", failed: "bad", running: "warn", waiting: "warn" };
const REASONS = { days: "as many days as wanted", messages: "as many messages as wanted", start: "the beginning" };
const TARGETS = { all: "Every room", roomId: "A room", matrixUserId: "A Matrix user's rooms", connectionId: "A connection's rooms" };
const POINTS = 60;

export function backfillsView(section, admin) {
  const overall = h("div", { class: "card stack tight", hidden: true });
  const pace = { before: undefined, rates: [] };
  const table = pagedTable({
    label: "Backfills",
    empty: "There was no backfill yet.",
    load: (cursor) => admin.get("backfill", { limit: 100, cursor }),
    key: ({ id }) => id,
    columns: [
      { title: "Room", wide: true, cell: ({ roomId }) => identifier(roomId) },
      { title: "State", cell: (job) => [h("span", { class: `badge ${TONES[job.state] ?? ""}` }, job.state), job.error && h("span", { class: "small" }, job.error)] },
      { title: "Progress", cell: progress },
      { title: "Asked for", cell: ({ createdAt }) => h("time", { datetime: createdAt, title: moment(createdAt) }, ago(createdAt)) },
      { title: "", cell: ({ id, state, roomId }) => ACTIVE.includes(state) && action("Cancel", async () => {
        await admin.post(`backfill/${id}/cancel`);
        await refresh();
      }, { tone: "danger", describe: `Cancel the backfill of ${roomId}` }) },
    ],
  });
  section.append(form(admin, () => refresh()), overall, table.element);

  async function refresh() {
    await table.refresh();
    summary(overall, table.rows(), pace);
  }
  // Each look leaves a row in the audit: only while something moves.
  whileShown(section, 1_500, () => (table.rows().some(({ state }) => ACTIVE.includes(state)) ? refresh() : undefined));
  return { show: refresh };
}

const DAY = 86_400_000;

/** About how much is read: it ends with its days, its messages or the room, whichever is first. */
function share({ state, fetched, oldestAt, days, maxMessages }) {
  if (!ACTIVE.includes(state)) return state === "done" ? 1 : 0;
  const back = oldestAt && days ? (Date.now() - Date.parse(oldestAt)) / (days * DAY) : 0;
  return Math.max(0, Math.min(0.99, Math.max(back, maxMessages ? fetched / maxMessages : 0)));
}

function progress(job) {
  const { state, fetched, stored, oldestAt, reason } = job;
  return h("div", { class: "stack tight progress" },
    h("progress", { max: 1, value: share(job), "aria-label": ACTIVE.includes(state) ? "Read of what is asked for" : state }),
    h("span", { class: "small muted" },
      `${count(fetched, "event")}, ${count(stored, "new message")}`,
      oldestAt && `, back to ${timestamp(oldestAt)}`,
      reason && `, ended at ${REASONS[reason] ?? reason}`));
}

/** Those that were asked for since the oldest that still goes on. */
function summary(card, jobs, pace) {
  const active = jobs.filter(({ state }) => ACTIVE.includes(state));
  card.hidden = active.length === 0 && !pace.rates.some((rate) => rate > 0);
  const first = active.map(({ createdAt }) => createdAt).sort()[0];
  const batch = jobs.filter(({ createdAt }) => !first || createdAt >= first);
  const fetched = jobs.reduce((sum, job) => sum + job.fetched, 0);
  const now = Date.now();
  if (pace.before && active.length > 0) {
    const rate = (fetched - pace.before.fetched) / ((now - pace.before.at) / 1000);
    pace.rates.push(Math.max(0, rate));
    if (pace.rates.length > POINTS) pace.rates.shift();
  }
  pace.before = { fetched, at: now };
  const padded = [...Array.from({ length: POINTS - pace.rates.length }, () => 0), ...pace.rates];
  const words = active.length > 0 ? `${number(batch.length - active.length)} of ${count(batch.length, "backfill")} ended` : "All backfills have ended";
  card.replaceChildren(
    h("div", { class: "row" }, h("h2", {}, words), h("span", { class: "push muted small" }, `${number(Math.round(active.length > 0 ? pace.rates.at(-1) ?? 0 : 0))} events per second`)),
    h("progress", { max: Math.max(1, batch.length), value: batch.length - active.length, "aria-label": "Backfills that have ended" }),
    bars("Events read per second", padded));
}

function form(admin, refresh) {
  const target = h("select", { id: "target" }, Object.entries(TARGETS).map(([value, label]) => h("option", { value }, label)));
  const id = h("input", { id: "target-id", spellcheck: "false", autocomplete: "off" });
  const days = h("input", { id: "days", type: "number", min: 1, max: 36500, placeholder: "as configured" });
  const most = h("input", { id: "most", type: "number", min: 1, placeholder: "as configured" });
  const said = h("p", { role: "status" });
  const idField = field("target-id", "Its id", id);
  const submit = h("button", { class: "primary", type: "submit" }, "Start");
  const follow = () => {
    idField.hidden = target.value === "all";
    id.required = !idField.hidden;
  };
  target.addEventListener("change", follow);
  follow();
  const form = h("form", { class: "card stack" },
    h("div", { class: "fields" }, field("target", "Fetch the history of", target), idField, field("days", "Days back", days), field("most", "At most messages", most), submit), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      const wanted = { [target.value]: target.value === "all" ? true : id.value.trim() };
      if (days.value) wanted.days = Number(days.value);
      if (most.value) wanted.maxMessages = Number(most.value);
      const { jobs } = await admin.post("backfill", wanted);
      said.className = "muted";
      said.textContent = `${count(jobs.length, "backfill")} queued or going on`;
      await refresh();
    } catch (error) {
      said.className = "notice bad";
      said.textContent = error.status === 404 ? "There is no such room, user or connection." : error.message;
    }
    submit.disabled = false;
  });
  return form;
}
