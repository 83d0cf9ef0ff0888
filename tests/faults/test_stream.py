"""What a customer's stream says of a leave, and what a page must have of it."""

import unittest

from reader import Frame, Reader
from stream import Pushes, Stream, compare
from test_reader import cursor
from verdict import Verdict

MESSAGE, END = ("m", "c", "message.created"), (None, "c", "conversation.updated")
ELSEWHERE = (None, "d", "conversation.updated")


def stream(*rows: tuple) -> Stream:
    """One position and second after the other."""
    return Stream([(nth, *row, nth * 1000) for nth, row in enumerate(rows, 1)])


class Knew(unittest.TestCase):
    """They left in the first second."""

    def test_an_end_behind_a_message_was_not_known(self) -> None:
        self.assertFalse(stream(MESSAGE, END).knew("m", 1000))
        self.assertFalse(stream(END, MESSAGE, END).knew("m", 1000))

    def test_a_message_behind_the_end_is_a_leak(self) -> None:
        self.assertTrue(stream(END, MESSAGE).knew("m", 1000))
        self.assertTrue(stream(END, MESSAGE, ELSEWHERE).knew("m", 1000))
        self.assertTrue(stream(END, MESSAGE, MESSAGE).knew("m", 1000))

    def test_what_comes_before_the_leave_is_no_end(self) -> None:
        self.assertFalse(stream(END, MESSAGE).knew("m", 1001))

    def test_a_message_that_no_row_tells_of_is_a_leak(self) -> None:
        self.assertTrue(stream(END).knew("m", 1000))


class Told(unittest.TestCase):
    """Three pushes: one that is not answered, one with something else, and the first again."""

    PUSHES = Pushes([{"answeredMs": 1000 * nth, "outcome": outcome, "events": events} for nth, outcome, events in (
        (1, "502", ["leave"]), (2, "200", ["m1", "m2"]), (3, "200", ["leave", "m3"]), (4, "200", ["leave"]))])

    def test_what_is_told_behind_the_answer_is_told_knowing(self) -> None:
        self.assertTrue(self.PUSHES.had_told("leave", "m1", 3000))
        self.assertFalse(self.PUSHES.had_told("leave", "m1", 2999))

    def test_what_comes_behind_it_in_the_same_push_is_told_knowing(self) -> None:
        self.assertTrue(self.PUSHES.had_told("leave", "m3", 2000))
        self.assertFalse(self.PUSHES.had_told("m3", "leave", 2000))

    def test_what_is_never_pushed_is_not_known(self) -> None:
        self.assertFalse(self.PUSHES.had_told("elsewhere", "m1", 9000))

    def test_when_a_stream_tells(self) -> None:
        self.assertEqual([stream(MESSAGE, END, MESSAGE).told_at(each) for each in "mx"], [3000, 0])


OUTBOX = [(1, "a", "message.created"), (2, "b", "message.created"), (3, "c", "conversation.updated")]
UNSEEN = {"b": "not theirs any more"}


def page(*positions: int) -> Reader:
    """One that has these of the outbox."""
    made = Reader("reader", "user", 0, lambda _user: "", cursor(0), [], 7)
    made.log = [Frame(position, "", kind, about, ("shown",) if "message" in kind else None)
                for position, about, kind in OUTBOX if position in positions]
    made._at = len(made.log) - 1
    return made


def judged(reader: Reader, head: int = 3) -> tuple[int, dict[str, int]]:
    """How much is lost, and what is counted."""
    verdict = Verdict()
    compare(reader, OUTBOX, head, UNSEEN, verdict)
    return len(verdict.wrong["lost"]), dict(verdict.compared)


class Streams(unittest.TestCase):
    """Of three frames, two about messages of which one is theirs to see."""

    def test_all_of_it_is_right(self) -> None:
        self.assertEqual(judged(page(1, 2, 3)), (0, {}))

    def test_what_is_not_theirs_need_not_be_sent(self) -> None:
        self.assertEqual(judged(page(1, 3)), (0, {"not sent, not theirs any more": 1}))

    def test_what_is_theirs_or_no_message_is_lost(self) -> None:
        self.assertEqual(judged(page(2, 3)), (1, {}))
        # And where it ends with what is missing, that it ends there is one more.
        self.assertEqual(judged(page(1, 2)), (2, {}))

    def test_what_ends_a_stream_may_be_nothing_to_be_sent(self) -> None:
        reader = page(1)
        self.assertEqual(judged(reader, 2), (1, {"not sent, not theirs any more": 1}))
        reader.take({"type": "live", "cursor": cursor(2)})
        self.assertEqual(judged(reader, 2), (0, {"not sent, not theirs any more": 1}))

    def test_what_is_not_sent_again_is_judged_as_what_is_not_sent(self) -> None:
        for position, found in ((1, (1, {})), (2, (0, {"not sent again, not theirs any more": 1})), (3, (1, {}))):
            reader = page(1, 2, 3)
            reader.left_out = [frame for frame in reader.log if frame.position == position]
            self.assertEqual(judged(reader), found, position)
