"""What was said in the rooms of the kept history.

The bridge makes the rooms and has everybody join. The messages are sent in its name, in the form that bridgev2 gives
them: the library sends one after the other, and a homeserver that gets five at once for each room stores them
together, which takes it two thirds of the time. Who says what, and what becomes of it, follows from the room's
number, so that each making says the same.
"""

import http.client
import json
import random
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

# Whose rooms they are, on the homeserver and on Messenger.
CUSTOMER, REMOTE_ID = "paula", "60001"
# The first message of each room was sent on 2026-01-01, one and a half hours on average before the next.
BEGAN_MS = 1_767_225_600_000
STEP_MS = 60 * 60 * 1000
# Of a hundred messages so many are edited, get reactions, and are taken back.
EDITED, REACTED, UNSENT = 3, 2, 2
# Synapse works at five events of a room at a time.
AT_ONCE = 5
# What happens to a message comes after it, and after a few later ones.
RUN = 25


class Past:
    """The rooms of a customer with a double puppet, who sends their own messages."""

    def __init__(self, stack: dict, customer: dict):
        self._homeserver = stack["synapse_url"]
        self._control = stack["bridge"]["control_url"]
        self._tokens = stack["bridge"]["as_token"], stack["bridge"]["double_puppet_as_token"]
        self._domain = stack["server_name"]
        self.customer = customer
        self._events = 0
        self._counting = threading.Lock()
        self._given_up = False
        self._connections = threading.local()

    def happen(self, rooms: int, messages: int) -> dict:
        """Logs the customer in, makes the rooms and fills them, all at once. Returns what there is."""
        login = {"userId": self.customer["userId"], "remoteName": "Paula", "doublePuppet": True}
        self.order("/login", login)
        with ThreadPoolExecutor(rooms) as pool:
            made = [pool.submit(Room(self, number).happen, messages) for number in range(rooms)]
            try:
                told = [room.result() for room in made]
            except BaseException:
                # The pool waits for all that has begun.
                self._given_up = True
                raise
        return {"customer": self.customer, "rooms": told, "messages": messages, "events": self._events}

    def order(self, path: str, body: dict) -> dict:
        """Has the bridge do something."""
        return self._call("POST", self._control + path, None, body | {"remoteId": self.customer["remoteId"]})

    def send(self, remote_id: str, room_id: str, path: str, content: dict, at: int | None) -> str:
        """Sends an event as the one who is on Messenger under this id."""
        puppet = remote_id == self.customer["remoteId"]
        user = self.customer["userId"] if puppet else f"@facebook_{remote_id}:{self._domain}"
        if puppet:
            content = content | {"fi.mau.double_puppet_source": "tributary-test-bridge"}
        query = {"user_id": user} | ({} if at is None else {"ts": at})
        room = urllib.parse.quote(room_id)
        url = f"{self._homeserver}/_matrix/client/v3/rooms/{room}/{path}?{urllib.parse.urlencode(query)}"
        sent = self._call("PUT", url, self._tokens[puppet], content)["event_id"]
        with self._counting:
            self._events += 1
        return sent

    def _call(self, method: str, url: str, token: str | None, body: dict) -> dict:
        if self._given_up:
            raise RuntimeError("another room has failed")
        host, path = url.removeprefix("http://").split("/", 1)
        kept = self._connections.__dict__
        if host not in kept:
            kept[host] = http.client.HTTPConnection(host, timeout=120)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        kept[host].request(method, f"/{path}", json.dumps(body), headers)
        answer = kept[host].getresponse()
        told = json.load(answer)
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {told}")
        return told


class Room:
    """A room, and the dice that decide what happens in it. Every other one is a direct chat."""

    def __init__(self, past: Past, number: int):
        self._past = past
        self._dice = random.Random(number)
        self._type = "dm" if number % 2 == 0 else "group"
        names = ["Ada"] if self._type == "dm" else ["Ada", "Ben", "Cleo"]
        self._others = [{"id": f"{70000 + 10 * number + i}", "name": f"{name} {number}"}
                        for i, name in enumerate(names)]
        self._chat = {"type": self._type, "name": f"Group {number}", "members": self._others,
                      "chatId": self._others[0]["id"] if self._type == "dm" else f"{90000 + number}"}
        self._now = BEGAN_MS

    def happen(self, messages: int) -> dict:
        """Makes the room, then says everything in short runs, and after each what becomes of it."""
        room_id = self._past.order("/chat", self._chat)["roomId"]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for begin in range(0, messages, RUN):
                said = [self._message(index) for index in range(begin, min(begin + RUN, messages))]
                sent = pool.map(lambda event: self._past.send(event[0], room_id, *event[1:]), said)
                fates = [fate for event, event_id in zip(said, sent) for fate in self._fate(event, event_id)]
                list(pool.map(lambda event: self._past.send(event[0], room_id, *event[1:]), fates))
        return {"roomId": room_id, "chatId": self._chat["chatId"], "type": self._type}

    def _message(self, index: int) -> tuple:
        self._now += STEP_MS + self._dice.randrange(STEP_MS)
        # Order of arrival is not order of time.
        late = 12 * STEP_MS if self._dice.randrange(50) == 0 else 0
        content = {"msgtype": "m.text", "body": f"{self._chat['name']}, message {index}", "m.mentions": {}}
        return self._anybody(), f"send/m.room.message/said{index}", content, self._now - late

    def _fate(self, event: tuple, event_id: str) -> list[tuple]:
        """What becomes of a message, if anything."""
        sender, path, content, at = event
        mark, fate = path.rpartition("/")[2], self._dice.randrange(100)
        if fate < EDITED:
            return [(sender, f"send/m.room.message/{mark}edit{again}", edited(content, event_id, again), at + again)
                    for again in range(1 + fate % 2)]
        fate -= EDITED
        if fate < REACTED:
            return [(self._anybody(), f"send/m.reaction/{mark}react{number}", reaction(event_id, key), at)
                    for number, key in enumerate(("👍", "🎉"))]
        fate -= REACTED
        if fate < UNSENT:
            return [(sender, f"redact/{event_id}/{mark}unsend", {}, None)]
        return []

    def _anybody(self) -> str:
        return self._dice.choice([self._past.customer["remoteId"], *(person["id"] for person in self._others)])


def edited(content: dict, event_id: str, again: int) -> dict:
    """The content of an edit."""
    new = content | {"body": f"{content['body']}, edited {again}"}
    return new | {"body": f"* {new['body']}", "m.new_content": new,
                  "m.relates_to": {"rel_type": "m.replace", "event_id": event_id}}


def reaction(event_id: str, key: str) -> dict:
    """The content of a reaction."""
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": key}}
