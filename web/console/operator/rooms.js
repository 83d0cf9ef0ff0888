// The rooms, and their switches.

import { h } from "../shared/dom.js";
import { ago, count, moment, number } from "../shared/format.js";
import { action, identifier, pagedTable } from "./table.js";

const ONLY = {
  "": ["All", {}], mapped: ["With a conversation", { mapped: true }], unmapped: ["Without one", { mapped: false }], off: ["Switched off", { enabled: false }],
};

export function roomsView(section, admin) {
  const only = h("select", { id: "rooms-only" }, Object.entries(ONLY).map(([value, [label]]) => h("option", { value }, label)));
  const table = pagedTable({
    label: "Rooms",
    empty: "No room is known yet.",
    load: (cursor) => admin.get("rooms", { limit: 50, cursor, ...ONLY[only.value][1] }),
    key: ({ roomId }) => roomId,
    columns: [
      { title: "Room", wide: true, cell: (room) => [h("strong", { dir: "auto" }, room.name ?? (room.kind === "portal" ? "No name" : `(${room.kind})`)), identifier(room.roomId)] },
      { title: "People", cell: ({ members, viewers }) => `${number(members)}, seen by ${number(viewers)}` },
      { title: "Last event", cell: ({ lastEventAt }) => (lastEventAt ? h("time", { datetime: lastEventAt, title: moment(lastEventAt) }, ago(lastEventAt)) : "–") },
      { title: "Ingest", cell: (room) => toggle(room, "enabled", `Ingest ${room.name ?? room.roomId}`) },
      { title: "History", cell: (room) => toggle(room, "backfill", `Fetch the history of ${room.name ?? room.roomId} by itself`) },
      { title: "", cell: (room) => room.conversationId && action("Fetch history", async () => {
        const { jobs } = await admin.post("backfill", { roomId: room.roomId });
        return jobs[0]?.state ?? "";
      }, { describe: `Fetch history of ${room.name ?? room.roomId}` }) },
    ],
  });
  only.addEventListener("change", () => table.refresh());
  section.append(
    h("div", { class: "card row" },
      h("label", { for: "rooms-only" }, "Show"), h("span", {}, only),
      h("span", { class: "push" },
        action("Look for gaps", async () => {
          const { jobs } = await admin.post("rooms/reconcile");
          return `${count(jobs, "job")} queued`;
        }))),
    table.element);

  function toggle(room, what, label) {
    const box = h("input", { type: "checkbox", role: "switch", "aria-label": label, class: "switch" });
    box.checked = room[what];
    box.addEventListener("change", async () => {
      box.disabled = true;
      try {
        Object.assign(room, await admin.patch(`rooms/${encodeURIComponent(room.roomId)}`, { [what]: box.checked }));
      } catch (error) {
        box.setCustomValidity(error.message);
        box.reportValidity();
      }
      box.checked = room[what];
      box.disabled = false;
    });
    return box;
  }
  return { show: table.refresh };
}
