"""Compares what the homeserver has with the tables, with what customers are answered, and with what sockets saw."""

from collections import Counter, defaultdict

from cast import Cast, Person, Room
from reader import Reader, shown
from stream import Pushes, Stream, compare
from truth import HELD_UP_MS, Message, Truth
from verdict import Verdict

# The homeserver makes several events of a room at once: behind a leave it may put what it made so shortly before it,
# and before a return what it made so shortly behind it.
AT_ONCE_MS = 250


def tables(cast: Cast, truths: dict[str, Truth], verdict: Verdict) -> None:
    """The rows of every room against its history."""
    rows = defaultdict(list)
    for room_id, event_id, body, is_deleted, reactions in cast.house.sql(
            "SELECT room_id, event_id, body, deleted_at IS NOT NULL, metadata->'reactions' FROM tributary.messages"):
        keys = tuple(sorted((each["key"], each["count"]) for each in reactions or []))
        rows[room_id].append((event_id, body, is_deleted, keys))
    for room in cast.rooms:
        truth, stored = truths[room.room_id], rows.pop(room.room_id, [])
        if not room.viewers:
            for row in stored:
                verdict.add("leaked", f"{room.chat_id}: {row[0]} is nobody's and is stored")
            continue
        _room(room.chat_id, truth, stored, verdict)
        verdict.compared["rows"] += len(stored)
        _members(cast, room, truth, verdict)
    for room_id, stored in rows.items():
        verdict.add("leaked", f"{room_id}: no portal, and {len(stored)} rows")


def _room(name: str, truth: Truth, stored: list[tuple], verdict: Verdict) -> None:
    times = Counter(row[0] for row in stored)
    for event_id, count in times.items():
        if count > 1:
            verdict.add("doubled", f"{name}: {event_id} {count} times")
    for row in stored:
        wanted = truth.messages.get(row[0])
        if wanted is None and not (row[0] in truth.pruned_edits and row[2]):
            verdict.add("untrue", f"{name}: {row[0]} is no message of the homeserver's")
        elif wanted is not None:
            _same(f"{name}: row", wanted.seen(), row, verdict)
    for event_id in truth.messages.keys() - times.keys():
        verdict.add("lost", f"{name}: {event_id} has no row")


def _same(where: str, wanted: tuple, found: tuple, verdict: Verdict) -> None:
    """What differs is told by name, so that nothing that people say gets into a report."""
    names = ("event", "body", "deletion", "reactions")
    if wanted[2] and found[2]:
        wanted, found = (*wanted[:1], "", True, ()), (*found[:1], found[1] or "", True, found[3])
    different = [name for name, one, other in zip(names, wanted, found) if one != other]
    if different:
        verdict.add("lost", f"{where} {wanted[0]}: another {', '.join(different)} than the homeserver has")


def _members(cast: Cast, room: Room, truth: Truth, verdict: Verdict) -> None:
    stored = cast.house.sql(
        "SELECT p.matrix_user_id, p.membership IN ('join', 'invite') FROM tributary.participants p"
        " JOIN tributary.rooms r USING (conversation_id) WHERE r.room_id = %s AND NOT p.is_service", (room.room_id,))
    for user_id, is_there in stored:
        if is_there != (user_id in truth.members):
            verdict.add("lost", f"{room.chat_id}: {user_id} has {'left' if is_there else 'come'}, and not in the table")
    known = {user_id for user_id, _ in stored} | {cast.facts["bridge"]["bot"]}
    for user_id in truth.members - known:
        verdict.add("lost", f"{room.chat_id}: {user_id} is nobody in the table")


def visible(person: Person, room: Room, truth: Truth) -> set[str]:
    """What a customer may see of a room: all but what was said while they were away."""
    away = truth.away.get(person.matrix_id, [])
    return {event_id for event_id, message in truth.messages.items() if not any(each.has(message) for each in away)}


def _is_at_once(person: Person, truth: Truth, message: Message) -> bool:
    """With a leave or a return, so that it may be told as if it were on the other side of it."""
    return any(0 <= each.left_ms - message.timestamp <= AT_ONCE_MS
               or each.back_ms is not None and 0 <= message.timestamp - each.back_ms <= AT_ONCE_MS
               for each in truth.away.get(person.matrix_id, []))


def _is_held_up(person: Person, truth: Truth, message: Message, received_ms: int) -> bool:
    """Whether it was said while they were away, and its push held up until they were back (README)."""
    return any(each.has(message) and each.back_ms is not None and each.back_ms <= received_ms
               for each in truth.away.get(person.matrix_id, []))


def _is_close(person: Person, truth: Truth, message: Message) -> bool:
    """So close to a leave or a return that it may seem to be on the other side of it."""
    return any(message.order < each.left and message.timestamp > each.left_ms - HELD_UP_MS
               or each.back is not None and message.order > each.back
               and abs(message.timestamp - each.back_ms) < HELD_UP_MS
               for each in truth.away.get(person.matrix_id, []))


def answers(cast: Cast, truths: dict[str, Truth], verdict: Verdict) -> dict[str, dict[str, tuple]]:
    """What each customer is answered; by user, what is shown of each message."""
    answered = {}
    received = dict(cast.house.sql(
        "SELECT event_id, (extract(epoch FROM received_at) * 1000)::bigint FROM tributary.messages"))
    for person in cast.customers:
        rooms = {room.room_id: room for room in cast.rooms if person in room.viewers}
        seen = answered[person.user_id] = {}
        for conversation in cast.conversations(person):
            room = rooms.pop(conversation["matrixRoomId"], None)
            if room is None:
                verdict.add("leaked", f"{person.name}: the conversation {conversation['id']}")
                continue
            items = cast.pages(person, f"/api/conversations/{conversation['id']}/messages")
            verdict.compared["answers"] += len(items)
            seen |= {item["id"]: shown(item) for item in items}
            _answered(person, room, truths[room.room_id], items, received, verdict)
        for room in rooms.values():
            verdict.add("lost", f"{person.name}: the conversation {room.chat_id}")
    return answered


def _answered(person: Person, room: Room, truth: Truth, items: list[dict], received: dict[str, int],
              verdict: Verdict) -> None:
    where, allowed = f"{person.name}, {room.chat_id}", visible(person, room, truth)
    ids = [item["matrixEventId"] for item in items if item["matrixEventId"] not in truth.pruned_edits]
    for event_id, count in Counter(ids).items():
        if count > 1:
            verdict.add("doubled", f"{where}: {event_id} {count} times in the list")
        message = truth.messages.get(event_id)
        if event_id not in allowed and message and _is_at_once(person, truth, message):
            verdict.compared["at once with a leave or a return"] += 1
        elif event_id not in allowed and message and _is_held_up(person, truth, message, received.get(event_id, 0)):
            verdict.compared["held up until a return"] += 1
        elif event_id not in allowed:
            verdict.add("leaked", f"{where}: {event_id} is not theirs to see")
    for event_id in allowed - set(ids):
        if _is_close(person, truth, truth.messages[event_id]):
            verdict.compared["too close to a leave or a return to say"] += 1
        else:
            verdict.add("lost", f"{where}: {event_id} is not in the list")
    order = sorted((each for each in ids if each in truth.messages),
                   key=lambda each: (truth.messages[each].timestamp, each), reverse=True)
    if order != [each for each in ids if each in truth.messages]:
        verdict.add("reordered", f"{where}: the list is not by time and id")
    for item in items:
        wanted = truth.messages.get(item["matrixEventId"])
        if wanted and truth.is_whole(person.matrix_id, wanted):
            _same(f"{where}: answer", wanted.seen(), shown(item), verdict)


def sockets(cast: Cast, truths: dict[str, Truth], readers: list[Reader], starts: dict[str, int],
            heads: dict[str, int], answered: dict[str, dict[str, tuple]], verdict: Verdict) -> None:
    """What each reader has against what is in the outbox, and against what their customer is answered."""
    pushes = Pushes(cast.house.pushes())
    ids = dict(cast.house.sql("SELECT event_id, id::text FROM tributary.messages"))
    for person in cast.customers:
        outbox = cast.house.sql(
            "SELECT position, coalesce(message_id, conversation_id, connection_id)::text, kind FROM tributary.outbox"
            " WHERE user_id = %s AND position > %s ORDER BY position", (person.user_id, starts[person.user_id]))
        own = {room.room_id: truths[room.room_id] for room in cast.rooms if person in room.viewers}
        stream = Stream(cast.house.sql(
            "SELECT position, message_id::text, conversation_id::text, kind,"
            " (extract(epoch FROM created_at) * 1000)::bigint FROM tributary.outbox"
            " WHERE user_id = %s ORDER BY position", (person.user_id,)))
        unseen = _unseen(person, own, ids, answered[person.user_id])
        for reader in (reader for reader in readers if reader.user_id == person.user_id):
            for kind, evidence in reader.wrong.items():
                verdict.wrong[kind] += evidence
            compare(reader, outbox, heads[person.user_id], unseen, verdict)
            _created(person, reader, cast, own, verdict)
            _last(person, reader, own, answered[person.user_id], (stream, pushes), verdict)
            verdict.compared["frames"] += reader.received


def _unseen(person: Person, own: dict[str, Truth], ids: dict[str, str], answered: dict[str, tuple]) -> dict[str, str]:
    """By id, why somebody who has left is not answered a message; why somebody who stayed is not, `answers` has asked."""
    unseen = {}
    for truth in own.values():
        for message in truth.messages.values() if person.matrix_id in truth.away else ():
            if ids.get(message.event_id, "") in {"", *answered}:
                continue
            if any(each.has(message) for each in truth.away[person.matrix_id]):
                unseen[ids[message.event_id]] = "not theirs any more"
            elif _is_close(person, truth, message):
                unseen[ids[message.event_id]] = "too close to a leave or a return to say"
        for event_id in truth.pruned_edits & ids.keys():
            if ids[event_id] not in answered:
                unseen[ids[event_id]] = "an edit that was taken back"
    return unseen


def _created(person: Person, reader: Reader, cast: Cast, own: dict[str, Truth], verdict: Verdict) -> None:
    """Each message that everybody could see is announced once."""
    times = Counter(frame.shown[0] for frame in reader.log if frame.kind == "message.created")
    for event_id, count in times.items():
        if count > 1:
            verdict.add("doubled", f"{reader.name}: {event_id} was created {count} times")
    for truth in own.values():
        if person.matrix_id in truth.away:
            continue
        for message in truth.messages.values():
            # One that was gone before it was stored was never there to be announced.
            if not message.is_deleted and not times[message.event_id]:
                verdict.add("lost", f"{reader.name}: {message.event_id} was never announced")


def _last(person: Person, reader: Reader, own: dict[str, Truth], answered: dict[str, tuple],
          told: tuple[Stream, Pushes], verdict: Verdict) -> None:
    """The last frame of a message says what the message is now, to whoever is there."""
    stream, pushes = told
    last = {frame.about: frame.shown for frame in reader.log if frame.shown}
    said = {event_id: (truth, message) for truth in own.values() for event_id, message in truth.messages.items()}
    for message_id, found in last.items():
        wanted, (truth, message) = answered.get(message_id), said.get(found[0], (None, None))
        away = [each for each in truth.away.get(person.matrix_id, []) if each.has(message)] if truth else []
        # Behind a return the end of access may be told, and what is told before it may be any change.
        if wanted is None and away and not any(
                each.back is None and stream.knew(message_id, each.left_ms)
                or pushes.had_told(each.left_id, message.event_id, stream.told_at(message_id)) for each in away):
            verdict.compared["sent before a leave was known"] += 1
            continue
        if truth and not truth.is_whole(person.matrix_id, message) and (wanted or _is_close(person, truth, message)):
            continue
        if wanted is None:
            verdict.add("leaked", f"{reader.name}: {found[0]} was sent and is not theirs")
        elif wanted != found:
            verdict.add("lost", f"{reader.name}: {found[0]} is shown as it was before its last change")


def nobodys(cast: Cast, verdict: Verdict) -> None:
    """Words of rooms without a customer are nowhere in the database; and nobody's words are in a log."""
    word = cast.nobodys.encode()
    for line in cast.house.dump():
        verdict.compared["lines of the dump"] += 1
        if word in line:
            verdict.add("leaked", f"the database has what nobody may read, in a line of {len(line)} bytes")
    for path in (cast.house.outer / "logs").glob("replica-*.log"):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if word in line or cast.known.encode() in line:
                verdict.add("leaked", f"{path.name}:{number} has what people say")
