"""Connections that can be cut: small TCP proxies, each of which finds one of its backends."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from concurrent.futures import Future

# cut: what is there is reset and what comes is refused; hang: nothing passes either way, and nobody is told;
# mute: requests pass, answers do not; slow: every piece is late.
MODES = ("pass", "cut", "hang", "mute", "slow")
LATE = (0.02, 0.25)
RESET = struct.pack("ii", 1, 0)


class Link:
    """One listening port; behind it whichever backend takes the connection."""

    def __init__(self, links: "Links", name: str, backends: list[int], seed: int) -> None:
        self.name, self._backends, self._links = name, backends, links
        self._mode, self._random = "pass", random.Random(f"{seed} {name}")
        self._open: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Event()
        self.port = 0

    def set(self, mode: str) -> None:
        """From any thread. What was held back is reset, not passed on late, as when a machine is gone."""
        self._links.call(self._set, mode)

    def reset(self) -> None:
        """Breaks what is open; what comes is let through."""
        self._links.call(self._abort)

    def _set(self, mode: str) -> None:
        before, self._mode = self._mode, mode
        if mode == "cut" or before in ("hang", "mute"):
            self._abort()
        self._changed.set()
        self._changed = asyncio.Event()

    def _abort(self) -> None:
        for writer in list(self._open):
            # One whose peer has reset it meanwhile is closed already.
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def lead_to(self, backends: list[int]) -> None:
        """Where it leads from now on."""
        self._backends = backends

    async def listen(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        other = None
        try:
            if self._mode == "cut":
                self._abort()
                return
            while self._mode == "hang":
                await self._changed.wait()
            found = await self._connect()
            if found:
                answers, other = found
                self._open.add(other)
                await asyncio.gather(self._pump(reader, other, True), self._pump(answers, writer, False))
        except OSError:
            pass
        finally:
            for each in filter(None, (writer, other)):
                self._open.discard(each)
                each.close()

    async def _connect(self):
        for port in self._random.sample(self._backends, len(self._backends)):
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
        return None

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_request: bool) -> None:
        try:
            while piece := await source.read(65536):
                if self._mode == "slow":
                    await asyncio.sleep(self._random.uniform(*LATE))
                while self._mode == "hang" or (self._mode == "mute" and not is_request):
                    await self._changed.wait()
                target.write(piece)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()
        except OSError:
            target.transport.abort()


class Links:
    """All of them, in a thread of their own."""

    def __init__(self, seed: int) -> None:
        self._seed, self._loop = seed, asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _loop, _context: None)
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.all: dict[str, Link] = {}

    def add(self, name: str, *backends: int) -> int:
        """A new one; the port it listens at."""
        link = Link(self, name, list(backends), self._seed)
        asyncio.run_coroutine_threadsafe(link.listen(), self._loop).result(10)
        self.all[name] = link
        return link.port

    def call(self, what, *arguments) -> None:
        """Does something in their thread, and waits for it."""
        done: Future[None] = Future()

        def do() -> None:
            try:
                done.set_result(what(*arguments))
            except Exception as error:  # noqa: BLE001: whoever asked for it is told
                done.set_exception(error)

        self._loop.call_soon_threadsafe(do)
        done.result(30)
