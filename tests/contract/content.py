"""What is said in the rooms: something of everything that a client may be shown."""

import time

ALICE, BOB, EVE = "@alice:lab.local", "@bob:lab.local", "@eve:lab.local"
CAROL, DAVE = "@facebook_2001:lab.local", "@facebook_2002:lab.local"

DIRECT, GROUP = "!direct:lab.local", "!group:lab.local"
QUIET, SPARE = "!quiet:lab.local", "!spare:lab.local"
# By Matrix id, Clerk's and Messenger's.
CUSTOMERS = {ALICE: ("user_alice", "1001"), BOB: ("user_bob", "1002"), EVE: ("user_eve", "1003")}
ROOMS = {
    DIRECT: {"receiver": "1001", "people": {ALICE: "Alice", CAROL: "Carol"}},
    GROUP: {"name": "Friends", "people": {ALICE: "Alice", BOB: "Bob", CAROL: "Carol", DAVE: "Dave"}},
    # Its history does not come: whoever wants it waits.
    QUIET: {"receiver": "1001", "is_silent": True, "people": {ALICE: "Alice", DAVE: "Dave"}},
    SPARE: {"receiver": "1003", "people": {EVE: "Eve", DAVE: "Dave"}},
}
# In the group, all of the same millisecond.
MANY = 60


def text(body: str, **more: object) -> dict:
    """A message's content."""
    return {"msgtype": "m.text", "body": body} | more


def picture() -> dict:
    """A message with a file."""
    info = {"mimetype": "image/png", "size": 1234, "w": 40, "h": 30}
    return {"msgtype": "m.image", "body": "cat.png", "url": "mxc://lab.local/cat", "info": info}


class Room:
    """Events of one room, in the order in which they are told."""

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.events: list[dict] = []
        self._at = int(time.time() * 1000) - 3_600_000

    def say(self, sender: str, content: dict, kind: str = "m.room.message", at: int | None = None, **more) -> str:
        """Adds an event; its id."""
        self._at += 1_000
        event_id = f"${self.room_id[1:].split(':')[0]}{len(self.events)}"
        self.events.append({
            "type": kind, "room_id": self.room_id, "event_id": event_id, "sender": sender,
            "origin_server_ts": at or self._at, "content": content, "unsigned": {"age": 1},
        } | more)
        return event_id

    def relate(self, sender: str, rel_type: str, target: str, kind: str = "m.room.message", **more) -> str:
        """Adds an event about another one."""
        key = more.pop("key", None)
        relation = {"rel_type": rel_type, "event_id": target} | ({"key": key} if key else {})
        return self.say(sender, more | {"m.relates_to": relation}, kind)


def direct() -> list[dict]:
    """A chat with an edit, an answer, a thread, a picture, and something unsent."""
    room = Room(DIRECT)
    first = room.say(CAROL, text("hello", format="org.matrix.custom.html", formatted_body="<b>hello</b>"))
    new = text("hello Alice")
    room.relate(CAROL, "m.replace", first, **text("* hello Alice"), **{"m.new_content": new})
    room.relate(ALICE, "m.annotation", first, "m.reaction", key="👍")
    answer = {"m.relates_to": {"m.in_reply_to": {"event_id": first}}}
    room.say(ALICE, text("hello Carol", **answer))
    room.relate(CAROL, "m.thread", first, **text("and here in a thread"))
    room.say(CAROL, picture())
    unsent = room.say(CAROL, text("never mind"))
    room.say(CAROL, {}, "m.room.redaction", redacts=unsent)
    # Too deep to be read: a dead letter.
    deep: dict = {}
    for _ in range(140):
        deep = {"d": deep}
    room.say(CAROL, text("deep", deep=deep))
    return room.events


def group() -> list[dict]:
    """A chat that goes on for more than a page, in one moment."""
    room = Room(GROUP)
    now = int(time.time() * 1000)
    said = [room.say(CAROL if nth % 2 else DAVE, text(f"message {nth}"), at=now) for nth in range(MANY)]
    for sender in (ALICE, BOB, DAVE):
        room.relate(sender, "m.annotation", said[0], "m.reaction", key="❤️")
    return room.events


def short(room_id: str) -> list[dict]:
    """A chat with one message."""
    room = Room(room_id)
    room.say(DAVE, text("for now"))
    return room.events


def everything() -> list[dict]:
    """All rooms' events."""
    return direct() + group() + short(QUIET) + short(SPARE)
