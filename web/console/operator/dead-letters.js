// Events that could not be taken in. What is in them is people's private conversation,
// and is not here.

import { h } from "../shared/dom.js";
import { ago, bytes, moment } from "../shared/format.js";
import { action, identifier, pagedTable } from "./table.js";

export function deadLettersView(section, admin) {
  const table = pagedTable({
    label: "Dead letters",
    empty: "Everything could be taken in.",
    load: (cursor) => admin.get("dead-letters", { limit: 50, cursor }),
    key: ({ id }) => id,
    columns: [
      { title: "Event", wide: true, cell: ({ eventId, roomId }) => [identifier(eventId), h("span", { class: "small muted" }, "in ", identifier(roomId))] },
      { title: "What is wrong", cell: ({ error }) => error },
      { title: "Size", cell: ({ bytes: size }) => h("span", { class: "number" }, bytes(size)) },
      { title: "Arrived", cell: ({ createdAt }) => h("time", { datetime: createdAt, title: moment(createdAt) }, ago(createdAt)) },
      { title: "", cell: ({ id, eventId }) => action("Replay", async () => {
        const { outcome } = await admin.post(`dead-letters/${id}/replay`);
        setTimeout(() => table.refresh(), 1_500);
        return outcome === "stored" ? "taken in" : "of no use any more";
      }, { describe: `Replay ${eventId}` }) },
    ],
  });
  section.append(table.element);
  return { show: table.refresh };
}
