"""Who there is: customers, people on the remote side, rooms of one, of two, and of nobody."""

import json
import secrets
from dataclasses import dataclass, field

from house import House
from http_json import call, eventually, must

CUSTOMERS = ("alice", "bob", "carol", "dave")
STRANGER = "mallory"
# Direct chats of each customer, and groups that one of two customers leaves in the course of a run.
DIRECT, LEFT, PATIENCE = 2, 6, 180
LEAVES, STAYS = "carol", "bob"


@dataclass
class Person:
    """Somebody with a Matrix account and a login at the bridge."""

    name: str
    matrix_id: str
    access_token: str
    remote_id: str

    @property
    def user_id(self) -> str:
        """Who they are at Clerk."""
        return f"user_{self.name}"


@dataclass
class Room:
    """A portal, and who of the customers may see it."""

    room_id: str
    chat_id: str
    viewers: list[Person]
    login: Person
    others: list[str]
    # Of the people on the remote side, who is in it now.
    present: set[str] = field(default_factory=set)


class Cast:
    """All of them, and how they are spoken for at the homeserver."""

    def __init__(self, house: House) -> None:
        self.house, self.facts = house, house.facts
        self.run = secrets.token_hex(4)
        # Words that stand in every body: what is somebody's, and what is nobody's and may be stored nowhere.
        self.known, self.nobodys = f"known{self.run}", f"nobodys{self.run}"
        self.people: dict[str, Person] = {}
        self.rooms: list[Room] = []

    @property
    def customers(self) -> list[Person]:
        """Those who are linked."""
        return [self.people[name] for name in CUSTOMERS]

    def body(self, room: Room) -> str:
        """What every body of a room begins with."""
        return f"{self.known if room.viewers else self.nobodys} {room.chat_id} no "

    def forbidden(self, person: Person) -> list[str]:
        """What a customer may never be shown."""
        return [self.body(room) for room in self.rooms if person not in room.viewers]

    def ghost(self, remote_id: str) -> str:
        """The Matrix id of somebody on the remote side."""
        return f"@facebook_{remote_id}:{self.facts['server_name']}"

    def remote(self, path: str, body: dict, patience: float = 60) -> dict:
        """Makes something happen on the remote side."""
        return must("POST", self.facts["bridge"]["control_url"] + path, "", body, patience)

    def matrix(self, method: str, path: str, body: object, as_user: str, patience: float = 30) -> tuple[int, dict]:
        """Asks the homeserver as one of the bridge's users."""
        mark = "&" if "?" in path else "?"
        url = f"{self.facts['synapse_url']}/_matrix/client/v3{path}{mark}user_id={as_user}"
        return call(method, url, self.facts["bridge"]["as_token"], body, patience)

    def enter(self) -> None:
        """Everybody registers, logs in and has rooms; then the customers are linked, since yesterday."""
        for number, name in enumerate((*CUSTOMERS, STRANGER), 71001):
            user = json.loads(self.house.stack("user", self.house.outer, name))
            person = Person(name, user["userId"], user["accessToken"], str(number))
            self.people[name] = person
            self.remote("/login", {"userId": person.matrix_id, "remoteId": person.remote_id, "remoteName": name})
        for person in self.people.values():
            is_linked = person.name != STRANGER
            for nth in range(DIRECT if is_linked else 1):
                other = f"{person.remote_id}{nth:02}"
                self._room(f"dm-{other}", "dm", person, [other], is_linked)
            self._room(f"group-{person.remote_id}", "group", person,
                       [f"{person.remote_id}{nth:02}" for nth in range(10, 13)], is_linked)
        self._shared("shared", ("alice", "bob"), 80)
        for nth in range(LEFT):
            self._shared(f"left-{nth}", (STAYS, LEAVES), 90)
        self._link()

    def _room(self, chat_id: str, kind: str, person: Person, others: list[str], is_linked: bool,
              also: tuple[str, ...] = ()) -> Room:
        members = [{"id": other, "name": f"Name {other}"} for other in (*others, *also)]
        made = self.remote("/chat", {"remoteId": person.remote_id, "chatId": chat_id, "type": kind,
                                     "members": members} | ({"name": chat_id} if kind == "group" else {}))
        known = next((room for room in self.rooms if room.room_id == made["roomId"]), None)
        if known:
            known.viewers.append(person)
            return known
        room = Room(made["roomId"], chat_id, [person] if is_linked else [], person, others, set(others))
        self.rooms.append(room)
        return room

    def _shared(self, chat_id: str, names: tuple[str, ...], first: int) -> None:
        for name in names:
            self._room(chat_id, "group", self.people[name], [f"710{nth}" for nth in range(first, first + 3)], True,
                       tuple(self.people[each].remote_id for each in names))
        for name in names:
            person, room = self.people[name], self.rooms[-1]
            must("POST", f"{self.facts['synapse_url']}/_matrix/client/v3/rooms/{room.room_id}/join",
                 person.access_token, {})

    def room(self, chat_id: str) -> Room:
        """By what the bridge calls it."""
        return next(room for room in self.rooms if room.chat_id == chat_id)

    def _link(self) -> None:
        for person in self.customers:
            self.house.api("POST", "/api/admin/connections", self.facts["admin_api_key"], {
                "userId": person.user_id, "matrixUserId": person.matrix_id, "bridgeUserId": person.remote_id})
        # What is sent from now on is live, also for a clock that is ten minutes late.
        # Tributary locks the same rows meanwhile, in an order of its own: of a deadlock one side has to try again.
        eventually("all are linked since yesterday", PATIENCE, lambda: self.house.sql(
            "UPDATE tributary.messenger_connections SET linked_at = linked_at - interval '1 day' RETURNING id"))
        for person in self.customers:
            wanted = {room.room_id for room in self.rooms if person in room.viewers}
            eventually(f"{person.name} has all rooms", PATIENCE,
                       lambda: {c["matrixRoomId"] for c in self.conversations(person)} == wanted)

    def conversations(self, person: Person) -> list[dict]:
        """What a customer's list has."""
        return self.pages(person, "/api/conversations")

    def pages(self, person: Person, path: str) -> list[dict]:
        """All items of a list."""
        items, cursor = [], ""
        while cursor is not None:
            page = self.house.api("GET", f"{path}?limit=200{cursor}", self.house.token(person.user_id))
            items += page["items"]
            cursor = f"&cursor={page['nextCursor']}" if page["nextCursor"] else None
        return items

    def cursor(self, person: Person) -> str:
        """From where the live stream continues what the list has."""
        return self.house.api("GET", "/api/conversations", self.house.token(person.user_id))["cursor"]
