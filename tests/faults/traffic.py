"""Known traffic: every body has its serial number, and the homeserver's answer says what became of it."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote

from cast import LEAVES, LEFT, Cast, Room
from http_json import BROKEN, call

WRITERS, PAUSE, GIVEN_UP_AFTER, LONGEST_AWAY = 4, (0.05, 0.3), 45, 8
EMOJI = ("👍", "❤️", "😮", "😢")
KINDS = {"message": 50, "edit": 12, "react": 14, "redact": 7, "unreact": 4, "unedit": 3, "come_or_go": 4, "bridge": 6}


class Traffic:
    """Several writers, until they are stopped."""

    def __init__(self, cast: Cast, seed: int) -> None:
        self._cast, self._seed = cast, seed
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._serial = 0
        self.sent: Counter[str] = Counter()
        # Event ids by room: messages that stand, reactions and edits; and every edit there ever was.
        self._messages = {room.room_id: [] for room in cast.rooms}
        self._reactions = {room.room_id: [] for room in cast.rooms}
        self._edits = {room.room_id: [] for room in cast.rooms}
        self.edits: set[str] = set()
        self.acknowledged: set[str] = set()
        self._threads = [threading.Thread(target=self._write, args=(nth,), daemon=True) for nth in range(WRITERS)]

    def start(self, seconds: float) -> None:
        """Begins."""
        self._threads.append(threading.Thread(target=self.leave_all, args=(seconds,), daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends; what is on its way is tried to its end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(GIVEN_UP_AFTER + 600)
            if thread.is_alive():
                raise TimeoutError("the homeserver takes nothing, and somebody goes on writing")

    def _write(self, nth: int) -> None:
        dice = random.Random(f"{self._seed} writer {nth}")
        while not self._stop.is_set():
            room = dice.choice(self._cast.rooms)
            kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
            try:
                if getattr(self, f"_{kind}")(room, dice):
                    self.sent[kind] += 1
            except BROKEN + (RuntimeError,):
                self.sent["not answered"] += 1
            self._stop.wait(dice.uniform(*PAUSE))

    def _text(self, room: Room) -> str:
        with self._lock:
            self._serial += 1
            return f"{self._cast.body(room)}{self._serial:06}"

    def _sender(self, room: Room, dice: random.Random) -> str:
        with self._lock:
            return self._cast.ghost(dice.choice(sorted(room.present)))

    def _send(self, room: Room, kind: str, content: dict, sender: str) -> str | None:
        return self._put(f"/rooms/{quote(room.room_id)}/send/{kind}", content, sender)

    def _put(self, path: str, content: dict, sender: str) -> str | None:
        """The event's id; None if it was refused. Tried again under the same transaction id, so it is there once."""
        with self._lock:
            self._serial += 1
            path = f"{path}/t{self._serial}"
        deadline = time.monotonic() + GIVEN_UP_AFTER
        while True:
            try:
                status, answer = self._cast.matrix("PUT", path, content, sender, 15)
                if status < 500:
                    if status == 200:
                        self.acknowledged.add(answer["event_id"])
                    return answer.get("event_id")
            except BROKEN:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError("the homeserver does not take it")
            time.sleep(0.2)

    def _message(self, room: Room, dice: random.Random) -> str | None:
        sender, content = self._sender(room, dice), {"msgtype": "m.text", "body": self._text(room)}
        messages = self._messages[room.room_id]
        if messages and dice.random() < 0.15:
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": dice.choice(messages)[0]}}
        event_id = self._send(room, "m.room.message", content, sender)
        if event_id:
            messages.append((event_id, sender))
        return event_id

    def _edit(self, room: Room, dice: random.Random) -> str | None:
        if not self._messages[room.room_id]:
            return None
        target, sender = dice.choice(self._messages[room.room_id])
        body = self._text(room)
        event_id = self._send(room, "m.room.message", {
            "msgtype": "m.text", "body": f"* {body}", "m.new_content": {"msgtype": "m.text", "body": body},
            "m.relates_to": {"rel_type": "m.replace", "event_id": target}}, sender)
        if event_id:
            self.edits.add(event_id)
            self._edits[room.room_id].append((event_id, sender))
        return event_id

    def _react(self, room: Room, dice: random.Random) -> str | None:
        if not self._messages[room.room_id]:
            return None
        target, sender = dice.choice(self._messages[room.room_id])[0], self._sender(room, dice)
        event_id = self._send(room, "m.reaction", {"m.relates_to": {
            "rel_type": "m.annotation", "event_id": target, "key": dice.choice(EMOJI)}}, sender)
        if event_id:
            self._reactions[room.room_id].append((event_id, sender))
        return event_id

    def _take_back(self, among: list[tuple[str, str]], room: Room, dice: random.Random) -> str | None:
        with self._lock:
            if not among:
                return None
            target, sender = among.pop(dice.randrange(len(among)))
        return self._put(f"/rooms/{quote(room.room_id)}/redact/{quote(target)}", {}, sender)

    def _redact(self, room: Room, dice: random.Random) -> str | None:
        return self._take_back(self._messages[room.room_id], room, dice)

    def _unreact(self, room: Room, dice: random.Random) -> str | None:
        return self._take_back(self._reactions[room.room_id], room, dice)

    def _unedit(self, room: Room, dice: random.Random) -> str | None:
        return self._take_back(self._edits[room.room_id], room, dice)

    def _come_or_go(self, room: Room, dice: random.Random) -> str | None:
        """One of a group leaves, or is there again; two stay."""
        with self._lock:
            gone = [other for other in room.others if other not in room.present]
            goes = dice.choice(sorted(room.present)) if len(room.present) > 2 else None
            if goes:
                room.present.discard(goes)
        if not gone and not goes:
            return None
        path, bot = f"/rooms/{quote(room.room_id)}", self._cast.facts["bridge"]["bot"]
        if goes:
            status, _ = self._cast.matrix("POST", f"{path}/leave", {}, self._cast.ghost(goes))
        else:
            ghost = self._cast.ghost(gone[0])
            self._cast.matrix("POST", f"{path}/invite", {"user_id": ghost}, bot)
            status, _ = self._cast.matrix("POST", f"{path}/join", {}, ghost)
            if status == 200:
                with self._lock:
                    room.present.add(gone[0])
        return "done" if status == 200 else None

    def _bridge(self, room: Room, dice: random.Random) -> str | None:
        """A message that comes through the bridge itself."""
        with self._lock:
            sender = dice.choice(sorted(room.present))
        # The bridge tries for a minute, whether anybody waits or not: what it sends after the end would be nobody's.
        answer = self._cast.remote("/message", {
            "remoteId": room.login.remote_id, "chatId": room.chat_id, "senderId": sender, "text": self._text(room)}, 90)
        if answer.get("eventId"):
            self.acknowledged.add(answer["eventId"])
        return answer.get("eventId")

    def say(self, room: Room, times: int) -> set[str | None]:
        """Some messages more, by whoever is there; their ids."""
        return {self._message(room, random.Random(f"{room.room_id} {nth} {self._serial}")) for nth in range(times)}

    def leave(self, nth: int) -> None:
        """A customer leaves a group; whoever is there goes on talking. To every other one they come back soon."""
        room = self._cast.room(f"left-{nth}")
        self.say(room, 3)
        self.go(room)
        self.say(room, 5)
        pause = random.Random(f"{self._seed} back {nth}").uniform(0, LONGEST_AWAY)
        if nth % 2 and not self._stop.wait(pause):
            self.come_back(nth)

    def go(self, room: Room) -> None:
        """They leave, and nobody says anything."""
        self._insist(lambda: self._own(room, "leave") in (200, 403))
        self.sent["customer left"] += 1

    def come_back(self, nth: int) -> None:
        """They are let in again, if they are not there."""
        room, bot = self._cast.room(f"left-{nth}"), self._cast.facts["bridge"]["bot"]
        path, invitation = f"/rooms/{quote(room.room_id)}/invite", {"user_id": self._cast.people[LEAVES].matrix_id}
        self._insist(lambda: self._cast.matrix("POST", path, invitation, bot)[0] in (200, 403))
        self._insist(lambda: self._own(room, "join") == 200)
        self.sent["customer came back"] += 1
        self.say(room, 5)

    def _own(self, room: Room, what: str) -> int:
        """What the customer who leaves asks for as themselves; the answer's status."""
        url = f"{self._cast.facts['synapse_url']}/_matrix/client/v3/rooms/{quote(room.room_id)}/{what}"
        return call("POST", url, self._cast.people[LEAVES].access_token, {}, 15)[0]

    @staticmethod
    def _insist(does: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if does():
                    return
            except BROKEN:
                pass
            time.sleep(0.3)
        raise TimeoutError("the homeserver does not let a customer leave or come back")

    def leave_all(self, seconds: float) -> None:
        """One group after the other, in the time there is."""
        for nth in range(LEFT):
            if self._stop.wait(seconds / (LEFT + 1)):
                break
            self.leave(nth)
