"""A web page whose connection breaks all the time: it resumes, and checks what it is given."""

import base64
import json
import random
import threading
import time
from collections import deque
from dataclasses import dataclass

from http_json import BROKEN
from websocket import WebSocket

# Before any frame: how long one connection lasts, and how far back it begins, other than at the last frame.
LASTS, BACK, OFTEN_BACK = (0.1, 6.0), 150, 0.2


@dataclass
class Frame:
    """What a reader keeps of a frame: never what it says, but as much of it as can be compared."""

    position: int
    cursor: str
    kind: str
    about: str
    shown: tuple | None

    def is_same(self, other: "Frame") -> bool:
        """Whether it is the same frame, perhaps with newer content."""
        return (self.position, self.kind, self.about) == (other.position, other.kind, other.about)


def position_of(cursor: str) -> int:
    """The last eight bytes; see src/stream/cursor.rs."""
    return int.from_bytes(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[-8:], "big")


def shown(message: dict) -> tuple:
    """What there is to see of a message."""
    reactions = sorted((each["key"], each["count"]) for each in message["reactions"])
    return message["matrixEventId"], message["body"], message["deletedAt"] is not None, tuple(reactions)


def about(data: dict) -> str:
    """What a frame is about, by ids."""
    for name in ("message", "conversation"):
        if name in data:
            return data[name]["id"]
    return data.get("conversationId") or data.get("connectionId") or ""


class Reader:
    """One page of one customer."""

    def __init__(self, name: str, user_id: str, port: int, token, start: str, forbidden: list[str], seed: int) -> None:
        self.name, self.user_id, self._port, self._token = name, user_id, port, token
        self._start, self._forbidden = start, forbidden
        self._dice = random.Random(f"{seed} {name}")
        self.log: list[Frame] = []
        # The frame that was received last, as an index of the log; and how far `live` said that all was sent.
        self._at, self._live = -1, position_of(start)
        self.connections = self.resumed_back = self.received = 0
        # What it had and was not sent again from further back: right only of a message that is not theirs any more.
        self.left_out: list[Frame] = []
        # Of the last connections, or tries: how long, how many frames of any kind, and what ended it.
        self.ends: deque[str] = deque(maxlen=4)
        self.wrong: dict[str, list[str]] = {"lost": [], "doubled": [], "reordered": [], "leaked": []}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def copy(self) -> "Reader":
        """Another that has the same, and no connection."""
        other = Reader(self.name, self.user_id, self._port, self._token, self._start, self._forbidden, 0)
        other.log, other.left_out, other.received = list(self.log), list(self.left_out), self.received
        other.wrong = {kind: list(found) for kind, found in self.wrong.items()}
        other._at, other._live = len(self.log) - 1, self._live
        return other

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def finish(self, head: int, patience: float) -> None:
        """Goes on until it has what the stream ends with."""
        self._stop.set()
        self._thread.join(60)
        deadline = time.monotonic() + patience
        self._at = len(self.log) - 1
        while self.reached < head and time.monotonic() < deadline:
            self._connection(2.0, head)

    def again(self, frames: int, patience: float) -> bool:
        """Resumes from so many frames back, after its end, and takes what comes; whether that is all up to `live`."""
        self._at, self._live = max(-1, len(self.log) - 1 - frames), position_of(self._start)
        self._connection(patience, None, "live")
        return self._live >= self.head

    @property
    def head(self) -> int:
        """The newest position that it has."""
        return self.log[-1].position if self.log else position_of(self._start)

    @property
    def reached(self) -> int:
        """The position up to which it has all that there is for it: what ends a stream may be nothing to be sent."""
        return max(self.head, self._live)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._at = len(self.log) - 1
            if self.log and self._dice.random() < OFTEN_BACK:
                self._at = self._dice.randrange(max(-1, self._at - BACK), self._at + 1)
            self._connection(self._dice.uniform(*LASTS), None)

    def _connection(self, seconds: float, head: int | None, last: str | None = None) -> None:
        since, begun, frames = self.log[self._at].cursor if self._at >= 0 else self._start, time.monotonic(), 0
        try:
            connection = WebSocket(self._port, f"/ws?since={since}", self._token(self.user_id), 5)
        except BROKEN as error:
            self.ends.append(f"none after {time.monotonic() - begun:.1f} s: {error or type(error).__name__}")
            # Nobody is there; perhaps soon.
            time.sleep(0.1)
            return
        self.connections += 1
        self.resumed_back += self._at < len(self.log) - 1
        until, end = time.monotonic() + seconds, "left"
        try:
            while (left := until - time.monotonic()) > 0 and (head is None or self.reached < head):
                frame = connection.frame(left)
                if frame is None:
                    end = "closed by the other side"
                    break
                frames += 1
                self.take(frame)
                if frame["type"] == last:
                    break
        except BROKEN as error:
            end = str(error) or type(error).__name__
        finally:
            connection.close()
            self.ends.append(f"{frames} frames in {time.monotonic() - begun:.1f} s: {end}")

    def take(self, raw: dict) -> None:
        """Checks a frame against what is known, and keeps it."""
        if raw["type"] == "resync":
            self.wrong["lost"].append(f"{self.name}: resync instead of what follows {self.log[-1:] and self.head}")
        if any(word in json.dumps(raw) for word in self._forbidden):
            self.wrong["leaked"].append(f"{self.name}: a {raw['type']} at {raw.get('cursor')} says what is not theirs")
        if raw["type"] == "live":
            self._live = max(self._live, position_of(raw["cursor"]))
            self._leave_out(position_of(raw["cursor"]) + 1)
        if "cursor" not in raw or raw["type"] in ("hello", "live", "resync"):
            return
        message = raw["data"].get("message")
        frame = Frame(position_of(raw["cursor"]), raw["cursor"], raw["type"], about(raw["data"]),
                      shown(message) if message else None)
        self.received += 1
        self._leave_out(frame.position)
        expected = self.log[self._at + 1] if self._at + 1 < len(self.log) else None
        last = self.log[self._at].position if self._at >= 0 else position_of(self._start)
        if frame.position <= last:
            self._wrong("doubled" if frame.position == last else "reordered", frame)
        elif expected is None:
            self.log.append(frame)
            self._at += 1
        elif frame.is_same(expected):
            self._at += 1
            self.log[self._at] = frame
        elif frame.position == expected.position:
            self._wrong("reordered", frame)
        else:
            self._wrong("doubled", frame)

    def _leave_out(self, position: int) -> None:
        """What it has before this position was not sent again."""
        while self._at + 1 < len(self.log) and self.log[self._at + 1].position < position:
            self._at += 1
            self.left_out.append(self.log[self._at])

    def _wrong(self, what: str, frame: Frame) -> None:
        self.wrong[what].append(f"{self.name}: {frame.kind} at {frame.position} about {frame.about}")
