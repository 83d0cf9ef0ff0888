"""What a reader counts of itself, for the report."""

import unittest
from unittest.mock import patch

import reader
from websocket import Refused

TRIES = 300


class Counts(unittest.TestCase):
    """A reader at a door that is shut every other time."""

    def test_from_further_back_is_said_of_connections_that_came_about(self) -> None:
        page = reader.Reader("reader", "user", 0, lambda _user: "", "start", [], 7)
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
