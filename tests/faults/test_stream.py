"""What a customer's stream says of a leave."""

import unittest

from stream import Stream

MESSAGE, END = ("m", "c", "message.created"), (None, "c", "conversation.updated")
ELSEWHERE = (None, "d", "conversation.updated")


def stream(*rows: tuple) -> Stream:
    """One position and second after the other."""
    return Stream([(nth, *row, nth * 1000) for nth, row in enumerate(rows, 1)])


class Knew(unittest.TestCase):
    """They left in the first second."""

    def test_an_end_behind_a_message_was_not_known(self) -> None:
        self.assertFalse(stream(MESSAGE, END).knew("m", 1000, None))
        self.assertFalse(stream(END, MESSAGE, END).knew("m", 1000, None))

    def test_a_message_behind_the_end_is_a_leak(self) -> None:
        self.assertTrue(stream(END, MESSAGE).knew("m", 1000, None))
        self.assertTrue(stream(END, MESSAGE, ELSEWHERE).knew("m", 1000, None))
        self.assertTrue(stream(END, MESSAGE, MESSAGE).knew("m", 1000, None))

    def test_what_comes_with_a_return_is_no_end(self) -> None:
        self.assertTrue(stream(END, MESSAGE, END).knew("m", 1000, 3000))
        self.assertFalse(stream(MESSAGE, END).knew("m", 1000, 2000))

    def test_what_comes_before_the_leave_is_no_end(self) -> None:
        self.assertFalse(stream(END, MESSAGE).knew("m", 1001, None))

    def test_a_message_that_no_row_tells_of_is_a_leak(self) -> None:
        self.assertTrue(stream(END).knew("m", 1000, None))
