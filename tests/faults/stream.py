"""What stands in a customer's stream: when it knew of a leave."""


class Stream:
    """What stands in a customer's stream of messages and of changes of their conversations."""

    def __init__(self, rows: list[tuple]) -> None:
        # Of each message the last position, and where it belongs.
        self.last: dict[str, tuple[int, str]] = {}
        # Position, conversation, milliseconds.
        self.changes: list[tuple[int, str, int]] = []
        for position, message, conversation, kind, at in rows:
            if message:
                self.last[message] = (position, conversation)
            elif kind == "conversation.updated":
                self.changes.append((position, conversation, at))

    def knew(self, message_id: str, left_ms: int, back_ms: int | None) -> bool:
        """Whether access had ended when it last told of this message, said behind a leave. An end of access is the last change
        of the conversation until a return: there was one, and none came after the message."""
        if message_id not in self.last:
            return True
        last, conversation = self.last[message_id]
        meanwhile = [position for position, of, at in self.changes
                     if of == conversation and left_ms <= at and (back_ms is None or at < back_ms)]
        return bool(meanwhile) and max(meanwhile) < last
