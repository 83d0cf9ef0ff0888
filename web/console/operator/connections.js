// Everybody's connections.

import { h } from "../shared/dom.js";
import { ago, count, moment, number } from "../shared/format.js";
import { importForm } from "./import.js";
import { action, identifier, pagedTable } from "./table.js";

const TONES = { PENDING: "warn", CONNECTED: "good", ERROR: "bad", DISCONNECTED: "" };

export function connectionsView(section, admin) {
  const table = pagedTable({
    label: "Connections",
    empty: "There is no connection yet.",
    load: (cursor) => admin.get("connections", { limit: 50, cursor }),
    key: ({ id }) => id,
    columns: [
      { title: "Account", wide: true, cell: (one) => [h("strong", { dir: "auto" }, one.remoteName ?? "No name yet"), identifier(one.matrixUserId)] },
      { title: "Clerk user", cell: ({ userId, disconnectedAt }) => [userId ? identifier(userId) : h("span", { class: "muted" }, "nobody yet"), disconnectedAt && h("span", { class: "small muted" }, "let go")] },
      { title: "Status", cell: ({ status, error }) => [h("span", { class: `badge ${TONES[status] ?? ""}` }, status.toLowerCase()), error && h("span", { class: "small", dir: "auto" }, error)] },
      { title: "History", cell: ({ backfill }) => h("div", { class: "stack tight progress" },
        h("progress", { max: Math.max(1, backfill.roomsTotal), value: backfill.roomsDone, "aria-label": "Rooms whose history is in" }),
        h("span", { class: "small muted" }, `${number(backfill.roomsDone)} of ${count(backfill.roomsTotal, "room")}, ${count(backfill.messages, "message")}`)) },
      { title: "Last event", cell: ({ lastSyncAt }) => (lastSyncAt ? h("time", { datetime: lastSyncAt, title: moment(lastSyncAt) }, ago(lastSyncAt)) : "–") },
      { title: "", cell: ({ id, userId, disconnectedAt, remoteName }) => userId && !disconnectedAt && action("Fetch history", async () => {
        const { jobs } = await admin.post("backfill", { connectionId: id });
        return `${count(jobs.length, "backfill")} queued`;
      }, { describe: `Fetch history of ${remoteName ?? id}` }) },
    ],
  });
  section.append(importForm(admin, table.refresh), table.element);
  return { show: table.refresh };
}
