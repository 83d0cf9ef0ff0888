"""What stands in a customer's stream: what a page must have of it; and when a leave was known."""

from reader import Reader
from verdict import Verdict


class Stream:
    """What stands in a customer's stream of messages and of changes of their conversations."""

    def __init__(self, rows: list[tuple]) -> None:
        # Of each message the last position, where it belongs, and milliseconds.
        self.last: dict[str, tuple[int, str, int]] = {}
        # Position, conversation, milliseconds.
        self.changes: list[tuple[int, str, int]] = []
        for position, message, conversation, kind, at in rows:
            if message:
                self.last[message] = (position, conversation, at)
            elif kind == "conversation.updated":
                self.changes.append((position, conversation, at))

    def knew(self, message_id: str, left_ms: int) -> bool:
        """Whether access had ended when it last told of this message, said behind a leave without a return. The end of access
        is the last change of the conversation: there was one, and none came after the message."""
        if message_id not in self.last:
            return True
        last, conversation, _ = self.last[message_id]
        since = [position for position, of, at in self.changes if of == conversation and left_ms <= at]
        return bool(since) and max(since) < last

    def told_at(self, message_id: str) -> int:
        """When it last told of this message, in milliseconds; 0 if it does not."""
        return self.last.get(message_id, (0, "", 0))[2]


class Pushes:
    """What the homeserver has pushed and the replicas have answered, by the switch between them."""

    def __init__(self, pushes: list[dict]) -> None:
        self._events = [push["events"] for push in pushes]
        # Of each event when a push that has it was first answered with success.
        self._known: dict[str, int] = {}
        for push in pushes:
            for event_id in push["events"] if push["outcome"] == "200" else ():
                self._known[event_id] = min(push["answeredMs"], self._known.get(event_id, push["answeredMs"]))

    def had_told(self, leave: str, message: str, at_ms: int) -> bool:
        """Whether the replicas had a leave at this time, or before a message in the same push."""
        together = any(leave in events and message in events and events.index(leave) < events.index(message)
                       for events in self._events)
        return together or self._known.get(leave, at_ms + 1) <= at_ms


def compare(reader: Reader, outbox: list[tuple], head: int, unseen: dict[str, str], verdict: Verdict) -> None:
    """What came behind `head`, such as how a bridge is doing, no reader waited for. Messages that are `unseen` leave no
    frame, also where they did before a leave was known; the reason is what each is counted as."""
    has = {frame.position: frame.about for frame in reader.log}
    if [frame.position for frame in reader.log] != sorted(has):
        verdict.add("reordered", f"{reader.name}: positions that do not rise")
    if reader.reached < head:
        verdict.add("lost", f"{reader.name}: nothing behind {reader.reached} of {head}; its last connections: "
                    + "; ".join(reader.ends))
    for frame in reader.left_out:
        if frame.about in unseen:
            verdict.compared[f"not sent again, {unseen[frame.about]}"] += 1
        else:
            verdict.add("lost", f"{reader.name}: {frame.kind} at {frame.position} about {frame.about} was not sent again")
    for position, about, kind in outbox:
        if position not in has:
            if position > head:
                continue
            if about in unseen:
                verdict.compared[f"not sent, {unseen[about]}"] += 1
                continue
            verdict.add("lost", f"{reader.name}: {kind} at {position} about {about}")
        elif has[position] != about:
            verdict.add("reordered", f"{reader.name}: at {position} another {kind} than about {about}")
    for position in has.keys() - {row[0] for row in outbox}:
        verdict.add("untrue", f"{reader.name}: {position} is in no stream")
