"""What a reader counts of itself, for the report, and what it makes of a replay."""

import base64
import unittest
from unittest.mock import patch

import reader
from websocket import Refused

TRIES = 300


def cursor(position: int) -> str:
    """As much of one as a reader looks at."""
    return base64.urlsafe_b64encode(position.to_bytes(8, "big")).decode().rstrip("=")


class Counts(unittest.TestCase):
    """A reader at a door that is shut every other time."""

    def test_from_further_back_is_said_of_connections_that_came_about(self) -> None:
        page = reader.Reader("reader", "user", 0, lambda _user: "", cursor(0), [], 7)
        page.log = [reader.Frame(at, f"cursor{at}", "message.created", "", None) for at in range(5)]
        tried, opened = [], []

        class Door:
            """Says nothing."""

            def __init__(self, _port: int, path: str, *_others: object) -> None:
                tried.append(path.removeprefix("/ws?since="))
                if len(tried) == TRIES:
                    page._stop.set()
                if len(tried) % 2:
                    raise Refused
                opened.append(tried[-1])

            def frame(self, _patience: float) -> None:
                """None: closed."""

            def close(self) -> None:
                """Gone."""

        with patch("reader.WebSocket", Door), patch("reader.time.sleep"):
            page._run()
        self.assertEqual(page.connections, len(opened))
        self.assertEqual(page.resumed_back, sum(since != "cursor4" for since in opened))
        # There was something to count, and not to count.
        self.assertLess(0, page.resumed_back)
        self.assertLess(page.resumed_back, sum(since != "cursor4" for since in tried))


def raw(position: int) -> dict:
    """A frame about a message of its own."""
    message = {"id": f"m{position}", "matrixEventId": f"${position}", "body": "", "deletedAt": None, "reactions": []}
    return {"type": "message.created", "cursor": cursor(position), "data": {"message": message}}


class Replays(unittest.TestCase):
    """A reader that has five frames and resumes behind the first."""

    def setUp(self) -> None:
        self.page = reader.Reader("reader", "user", 0, lambda _user: "", cursor(0), [], 7)
        for position in range(1, 6):
            self.page.take(raw(position))
        self.page._at = 0

    def _is_sent(self, *positions: int) -> tuple[list[int], list[int], dict[str, int]]:
        for position in positions:
            self.page.take(raw(position))
        wrong = {kind: len(found) for kind, found in self.page.wrong.items() if found}
        return ([frame.position for frame in self.page.log], [frame.position for frame in self.page.left_out], wrong)

    def test_the_same_again_is_right(self) -> None:
        self.assertEqual(self._is_sent(2, 3, 4, 5, 6), ([1, 2, 3, 4, 5, 6], [], {}))

    def test_what_is_left_out_is_kept_once_and_what_follows_is_right(self) -> None:
        self.assertEqual(self._is_sent(2, 4, 5, 6), ([1, 2, 3, 4, 5, 6], [3], {}))

    def test_all_that_is_left_out_is_kept(self) -> None:
        self.assertEqual(self._is_sent(7, 8), ([1, 2, 3, 4, 5, 7, 8], [2, 3, 4, 5], {}))

    def test_what_is_not_sent_again_before_live_is_kept(self) -> None:
        self.page.take({"type": "live", "cursor": cursor(5)})
        self.assertEqual(self._is_sent(6), ([1, 2, 3, 4, 5, 6], [2, 3, 4, 5], {}))

    def test_live_further_back_than_it_was_says_nothing_of_what_follows(self) -> None:
        self.page.take({"type": "live", "cursor": cursor(3)})
        self.assertEqual(self._is_sent(4, 5), ([1, 2, 3, 4, 5], [2, 3], {}))

    def test_what_comes_behind_what_follows_it_is_reordered(self) -> None:
        self.assertEqual(self._is_sent(2, 4, 3), ([1, 2, 3, 4, 5], [3], {"reordered": 1}))

    def test_what_was_not_there_before_is_wrong(self) -> None:
        del self.page.log[2]
        self.assertEqual(self._is_sent(2, 3, 4), ([1, 2, 4, 5], [], {"doubled": 1}))
