"""Breaks what a run would compare, one thing at a time, and sees that each is found for what it is."""

import dataclasses
import time

import judge
from cast import LEAVES, Person, Room
from http_json import eventually
from reader import BACK, Reader
from verdict import Verdict

# Seconds.
TRAFFIC, AGAIN = 10, 10
# The group of which a leave is kept back, as a number, and how often that is tried.
UNSEEN, TRIES = 5, 3
# The group that somebody has come back into.
BACK_AGAIN = 1


def prove(run) -> int:
    """0 when every one of them was found, and nothing where nothing was broken."""
    run.traffic.start(TRAFFIC)
    for reader in run.readers:
        reader.start()
    time.sleep(TRAFFIC)
    run.traffic.stop()
    # What is broken below has to be there, however little a busy machine has sent: messages that nobody takes back,
    # and somebody who is back.
    run.traffic.say(run.cast.room("shared"), 3)
    run.traffic.leave(BACK_AGAIN)
    run.traffic.come_back(BACK_AGAIN)
    _leave_kept_back(run)
    results = [("nothing", None, run.settle())]
    for reader in run.readers:
        eventually("all is read again", 60, lambda page=reader: page.again(BACK, AGAIN))
    results.append(("nothing, read again", None, _with(run, lambda *_: None)))
    failed = 0
    # A leave that was kept back has to have shown itself, or nothing was proven by it.
    for name in ("sent before a leave was known", "not sent again, not theirs any more"):
        count = results[-1][2].compared[name]
        failed += not count
        print(f"  {'found ' if count else 'MISSED'}  {count} {name}")
    results += [(how.__doc__, kind, _with(run, how)) for kind, how in BROKEN]
    for name, kind, verdict in results:
        found = {each for each, evidence in verdict.wrong.items() if evidence}
        is_right = found == set() if kind is None else kind in found
        failed += not is_right
        print(f"  {'found ' if is_right else 'MISSED'}  {name} {', '.join(sorted(found)) or 'nothing'}")
        for evidence in (each for found in verdict.wrong.values() for each in found[:3] if not is_right):
            print(f"            {evidence}")
    return 1 if failed else 0


def _with(run, how) -> Verdict:
    """A verdict on what `how` has broken, which is mended afterwards."""
    readers, verdict = [reader.copy() for reader in run.readers], Verdict()
    mend = how(run, readers[0])
    try:
        judge.tables(run.cast, run.truths, verdict)
        answered = judge.answers(run.cast, run.truths, verdict)
        judge.sockets(run.cast, run.truths, readers, run.starts, run.heads, answered, verdict)
        judge.nobodys(run.cast, verdict)
    finally:
        if mend:
            run.house.sql(mend)
    return verdict


def _leave_kept_back(run) -> None:
    """A customer leaves, and the homeserver is killed over the push that says so, which it keeps back. What is said behind
    it is pushed, and their pages have it before anybody here knows of the leave."""
    room, leaver = run.cast.room(f"left-{UNSEEN}"), run.cast.people[LEAVES]
    if not any(_is_pushing_a_leave(run, room, leaver) for _ in range(TRIES)):
        raise TimeoutError("the homeserver does not push a leave")
    run.house.kill("synapse")
    run.house.switch("pass")
    run.house.up("synapse")
    said = run.traffic.say(room, 5)
    pages = [reader for reader in run.readers if reader.user_id == leaver.user_id]
    # Some of it: a replica that finds the homeserver up again compares the rooms after a while, and knows of the leave then.
    eventually("their pages have it", 60, lambda: all(
        said & {frame.shown[0] for frame in page.log if frame.shown} for page in pages))


def _is_pushing_a_leave(run, room: Room, leaver: Person) -> bool:
    """Has a push of it hang; False if another one does, behind which it waits."""
    run.house.switch("pass")
    run.traffic.come_back(UNSEEN)
    eventually("nothing is on its way", 300, lambda: run.is_quiet() or run.push_what_is_kept_back())
    run.house.switch("hang")
    run.traffic.go(room)
    [(leave,)] = run.house.homeserver_sql(
        "SELECT event_id FROM current_state_events WHERE type = 'm.room.member'"
        f" AND room_id = '{room.room_id}' AND state_key = '{leaver.matrix_id}'")
    try:
        return eventually("the leave is on its way", 10, lambda: run.house.homeserver_sql(
            f"SELECT 1 FROM application_services_txns WHERE as_id = 'tributary' AND event_ids LIKE '%{leave}%'"))
    except TimeoutError:
        return False


def _of_shared(run) -> str:
    """A message of the shared group that stands."""
    truth = run.truths[run.cast.room("shared").room_id]
    return next(message.event_id for message in truth.messages.values() if not message.is_deleted)


def _row_gone(run, _reader: Reader) -> str:
    """a message's row is gone:"""
    event_id = _of_shared(run)
    run.house.sql("UPDATE tributary.messages SET event_id = '$elsewhere' WHERE event_id = %s", (event_id,))
    return f"UPDATE tributary.messages SET event_id = '{event_id}' WHERE event_id = '$elsewhere'"


def _other_body(run, _reader: Reader) -> str:
    """a message says something else:"""
    event_id = _of_shared(run)
    run.house.sql("UPDATE tributary.messages SET body = body || '!' WHERE event_id = %s", (event_id,))
    return f"UPDATE tributary.messages SET body = left(body, -1) WHERE event_id = '{event_id}'"


def _member_gone(run, _reader: Reader) -> str:
    """a member is not one in the table:"""
    row = run.house.sql("UPDATE tributary.participants SET membership = 'ban' WHERE id = (SELECT id FROM"
                        " tributary.participants WHERE membership = 'join' AND NOT is_service LIMIT 1) RETURNING id")
    return f"UPDATE tributary.participants SET membership = 'join' WHERE id = '{row[0][0]}'"


def _sees_on(run, _reader: Reader) -> str:
    """whoever has left sees what comes later:"""
    row = run.house.sql("UPDATE tributary.room_grants g SET until_at = NULL FROM (SELECT id, until_at::text FROM"
                        " tributary.room_grants o WHERE until_at IS NOT NULL AND NOT EXISTS (SELECT FROM"
                        " tributary.room_grants n WHERE n.room_id = o.room_id AND n.connection_id = o.connection_id"
                        " AND n.until_at IS NULL) LIMIT 1) old WHERE old.id = g.id RETURNING old.*")
    return f"UPDATE tributary.room_grants SET until_at = '{row[0][1]}' WHERE id = '{row[0][0]}'"


def _sees_what_was_said_while_away(run, _reader: Reader) -> str:
    """whoever came back sees what was said while they were away:"""
    row = run.house.sql("UPDATE tributary.room_grants g SET from_at = NULL FROM (SELECT id, from_at::text FROM"
                        " tributary.room_grants WHERE from_at IS NOT NULL AND room_id = %s LIMIT 1) old"
                        " WHERE old.id = g.id RETURNING old.*", (run.cast.room(f"left-{BACK_AGAIN}").room_id,))
    return f"UPDATE tributary.room_grants SET from_at = '{row[0][1]}' WHERE id = '{row[0][0]}'"


def _foreign_room(run, _reader: Reader) -> str:
    """somebody is given another's room:"""
    room_id = run.cast.room("shared").room_id
    dave = run.cast.people["dave"].user_id
    run.house.sql("INSERT INTO tributary.room_grants (connection_id, user_id, room_id, conversation_id)"
                  " SELECT c.id, c.user_id, r.room_id, r.conversation_id FROM tributary.messenger_connections c,"
                  " tributary.rooms r WHERE c.user_id = %s AND r.room_id = %s", (dave, room_id))
    run.house.sql("INSERT INTO tributary.conversation_access (user_id, conversation_id) SELECT user_id, conversation_id"
                  " FROM tributary.room_grants WHERE user_id = %s AND room_id = %s", (dave, room_id))
    return (f"DELETE FROM tributary.conversation_access WHERE user_id = '{dave}' AND conversation_id ="
            f" (SELECT conversation_id FROM tributary.rooms WHERE room_id = '{room_id}');"
            f" DELETE FROM tributary.room_grants WHERE user_id = '{dave}' AND room_id = '{room_id}'")


def _nobodys_stored(run, _reader: Reader) -> str:
    """what is nobody's is kept as a dead letter:"""
    run.house.sql("INSERT INTO tributary.dead_letters (id, room_id, event_id, raw, error)"
                  " VALUES (gen_random_uuid(), '!x', '$x', %s, 'x')", (run.cast.nobodys,))
    return "DELETE FROM tributary.dead_letters WHERE room_id = '!x'"


def _frame_twice(_run, reader: Reader) -> None:
    """a frame comes twice:"""
    reader.take(_raw(reader.log[-1]))


def _older_frame(_run, reader: Reader) -> None:
    """a frame comes after a later one:"""
    reader.take(_raw(reader.log[-3]))


def _frame_missing(_run, reader: Reader) -> None:
    """a frame never came:"""
    del reader.log[len(reader.log) // 2]


def _sent_although_known(run, _reader: Reader) -> str:
    """what is said behind a leave is sent although the leave was known:"""
    leaver, truth = run.cast.people[LEAVES], run.truths[run.cast.room(f"left-{UNSEEN}").room_id]
    away = truth.away[leaver.matrix_id][-1]
    event_id = next(message.event_id for message in truth.messages.values() if away.has(message))
    [(position, at)] = run.house.sql(
        "UPDATE tributary.outbox o SET created_at = now() FROM (SELECT user_id, position, created_at::text"
        " FROM tributary.outbox WHERE user_id = %s AND message_id = (SELECT id FROM tributary.messages"
        " WHERE event_id = %s) ORDER BY position DESC LIMIT 1) old WHERE (o.user_id, o.position) ="
        " (old.user_id, old.position) RETURNING old.position, old.created_at", (leaver.user_id, event_id))
    return (f"UPDATE tributary.outbox SET created_at = '{at}'"
            f" WHERE user_id = '{leaver.user_id}' AND position = {position}")


def _frame_not_sent_again(_run, reader: Reader) -> None:
    """a frame does not come again from further back:"""
    reader.left_out.append(next(frame for frame in reversed(reader.log) if frame.shown))


def _frames_swapped(_run, reader: Reader) -> None:
    """two frames have changed places:"""
    reader.log[-1], reader.log[-2] = reader.log[-2], reader.log[-1]


def _announced_twice(_run, reader: Reader) -> None:
    """a message is announced twice:"""
    created = next(frame for frame in reader.log if frame.kind == "message.created")
    reader.log.append(dataclasses.replace(created, position=reader.head + 1))


def _stale_frame(_run, reader: Reader) -> None:
    """the last frame of a message is older than its last change:"""
    nth = max(nth for nth, frame in enumerate(reader.log) if frame.shown and not frame.shown[2])
    event_id, body, *rest = reader.log[nth].shown
    reader.log[nth] = dataclasses.replace(reader.log[nth], shown=(event_id, body + "!", *rest))


def _foreign_frame(run, reader: Reader) -> None:
    """a frame says what is somebody else's:"""
    stranger = next(room for room in run.cast.rooms if not room.viewers)
    reader.take({"type": "typing", "data": {"text": run.cast.body(stranger)}})


def _raw(frame) -> dict:
    return {"type": frame.kind, "cursor": frame.cursor, "data": {"conversationId": frame.about}}


BROKEN = [
    ("lost", _row_gone), ("lost", _other_body), ("lost", _member_gone), ("leaked", _sees_on),
    ("leaked", _sees_what_was_said_while_away), ("leaked", _foreign_room),
    ("leaked", _nobodys_stored), ("doubled", _frame_twice), ("reordered", _older_frame), ("lost", _frame_missing),
    ("lost", _frame_not_sent_again), ("reordered", _frames_swapped), ("doubled", _announced_twice),
    ("lost", _stale_frame), ("leaked", _foreign_frame), ("leaked", _sent_although_known),
]
