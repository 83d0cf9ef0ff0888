"""As much of RFC 6455 as a reader of text frames needs."""

import base64
import json
import os
import socket
import struct

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Refused(OSError):
    """The upgrade was not granted."""


class WebSocket:
    """A connection that says nothing but pongs."""

    def __init__(self, port: int, path: str, token: str, patience: float = 10) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._buffer = b""
        request = (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
                   f"Sec-WebSocket-Protocol: tributary.v1, bearer.{token}\r\n\r\n")
        try:
            self._socket.sendall(request.encode())
            while b"\r\n\r\n" not in self._buffer:
                self._fill()
        except OSError:
            self.close()
            raise
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status != 101:
            self.close()
            raise Refused(f"status {status}")

    def close(self) -> None:
        """Gone without a word, as a phone in a tunnel is."""
        self._socket.close()

    def frame(self, patience: float) -> dict | None:
        """The next frame; None when the other side has closed. A TimeoutError loses nothing."""
        self._socket.settimeout(patience)
        while True:
            kind, payload = self._next()
            if kind == TEXT:
                return json.loads(payload)
            if kind == CLOSE:
                return None
            if kind == PING:
                self._pong(payload)

    def _next(self) -> tuple[int, bytes]:
        self._want(2)
        length, at = self._buffer[1] & 0x7F, 2
        for short, form, size in ((126, "!H", 2), (127, "!Q", 8)):
            if length == short:
                self._want(at + size)
                length, at = struct.unpack_from(form, self._buffer, at)[0], at + size
                break
        self._want(at + length)
        kind, payload = self._buffer[0] & 0x0F, self._buffer[at:at + length]
        self._buffer = self._buffer[at + length:]
        return kind, payload

    def _want(self, size: int) -> None:
        while len(self._buffer) < size:
            self._fill()

    def _fill(self) -> None:
        piece = self._socket.recv(65536)
        if not piece:
            raise ConnectionError("closed without a word")
        self._buffer += piece

    def _pong(self, payload: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[nth % 4] for nth, byte in enumerate(payload))
        self._socket.sendall(bytes([0x80 | PONG, 0x80 | len(payload)]) + mask + masked)
