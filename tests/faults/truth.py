"""What the homeserver has: all events of a room, folded the plain way."""

from dataclasses import dataclass, field
from urllib.parse import quote

from cast import Cast, Room
from http_json import eventually


# A push that is held up says so late when its events were received: before a leave by less, they may count as
# behind it, and behind a return by less as before it (README, "What a run may still find").
HELD_UP_MS = 5_000


@dataclass
class Message:
    """A message as it has to be shown in the end."""

    event_id: str
    timestamp: int
    body: str
    is_deleted: bool
    reactions: tuple = ()
    # As many as there were before it in the room.
    order: int = 0

    def seen(self) -> tuple:
        """What is compared."""
        return self.event_id, self.body, self.is_deleted, self.reactions


@dataclass
class Away:
    """From somebody's leave to their return, by the order of the room's events and the homeserver's clock."""

    left: int
    left_ms: int
    left_id: str
    back: int | None = None
    back_ms: int | None = None

    def has(self, message: Message) -> bool:
        """Whether they were away when it was said."""
        return message.order > self.left and (self.back is None or message.order < self.back)


@dataclass
class Truth:
    """One room."""

    messages: dict[str, Message] = field(default_factory=dict)
    # Who left, and when they were away.
    away: dict[str, list[Away]] = field(default_factory=dict)
    # Redacted edits: pruned they look like messages, so either is right.
    pruned_edits: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    events: int = 0

    def is_whole(self, user_id: str, message: Message) -> bool:
        """Whether they have been there ever since it was said, and had not just come: they are shown what it is now."""
        away = self.away.get(user_id)
        return not away or away[-1].back_ms is not None and message.timestamp > away[-1].back_ms + HELD_UP_MS


def events_of(cast: Cast, room: Room) -> list[dict]:
    """All events, the oldest first, read as the bridge's bot."""
    events, token = [], ""
    bot = cast.facts["bridge"]["bot"]
    while True:
        path = f"/rooms/{quote(room.room_id)}/messages?dir=b&limit=500{token}"
        page = eventually("a page of history", 60, lambda: _page(cast, path, bot))
        events += page["chunk"]
        if "end" not in page or not page["chunk"]:
            return events[::-1]
        token = f"&from={quote(page['end'])}"


def _page(cast: Cast, path: str, bot: str) -> dict | None:
    status, answer = cast.matrix("GET", path, None, bot)
    return answer if status == 200 else None


def _member(truth: Truth, event: dict, order: int) -> None:
    user_id, membership, ms = event["state_key"], event["content"]["membership"], event["origin_server_ts"]
    is_there, was_there = membership in ("join", "invite"), user_id in truth.members
    if is_there and not was_there:
        truth.members.add(user_id)
        if user_id in truth.away:
            truth.away[user_id][-1].back, truth.away[user_id][-1].back_ms = order, ms
    elif was_there and not is_there:
        truth.members.discard(user_id)
        truth.away.setdefault(user_id, []).append(Away(order, ms, event["event_id"]))


def truth_of(cast: Cast, room: Room, known_edits: set[str]) -> Truth:
    """Folds a room."""
    events = events_of(cast, room)
    truth = Truth(events=len(events))
    edits: dict[str, list[dict]] = {}
    reactions: dict[str, set[tuple[str, str]]] = {}
    for order, event in enumerate(events):
        relation = event["content"].get("m.relates_to") or {}
        is_pruned = "redacted_because" in event.get("unsigned", {})
        if event["type"] == "m.room.member":
            _member(truth, event, order)
        elif event["type"] == "m.reaction" and not is_pruned:
            reactions.setdefault(relation["event_id"], set()).add((event["sender"], relation["key"]))
        elif event["type"] == "m.room.message" and is_pruned and event["event_id"] in known_edits:
            truth.pruned_edits.add(event["event_id"])
        elif event["type"] == "m.room.message" and relation.get("rel_type") == "m.replace":
            edits.setdefault(relation["event_id"], []).append(event)
        elif event["type"] == "m.room.message":
            body = "" if is_pruned else event["content"]["body"]
            truth.messages[event["event_id"]] = Message(
                event["event_id"], event["origin_server_ts"], body, is_pruned, order=order)
    senders = {event["event_id"]: event["sender"] for event in events}
    for message in truth.messages.values():
        if not message.is_deleted:
            valid = [edit for edit in edits.get(message.event_id, []) if edit["sender"] == senders[message.event_id]]
            if valid:
                last = max(valid, key=lambda edit: (edit["origin_server_ts"], edit["event_id"]))
                message.body = last["content"]["m.new_content"]["body"]
            keys = [key for _, key in reactions.get(message.event_id, ())]
            message.reactions = tuple(sorted((key, keys.count(key)) for key in set(keys)))
    return truth
