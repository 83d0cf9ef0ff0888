"""HTTP and WebSockets to the letter: requests go out as they are written, tricks included."""

import base64
import http.client
import json
import os
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from pathlib import Path

# Seconds; the proxy closes a connection on which nothing has come for two minutes.
FRESH = 60


def certified(port: int, ca: Path, *hosts: str, within: float = 30) -> list["Door"]:
    """The doors of a proxy that has just been started, when it has made their certificates."""
    deadline = time.monotonic() + within
    while True:
        try:
            doors = [Door(port, ca, host) for host in hosts]
            for door in doors:
                door.connect().close()
            return doors
        except OSError:
            # It has neither an authority nor a certificate yet.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@dataclass
class Answer:
    """A whole answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> dict:
        """Its body."""
        return json.loads(self.body)


class Door:
    """One name behind the proxy; its certificate is verified each time."""

    def __init__(self, port: int, ca: Path, host: str) -> None:
        self.port, self.host = port, host
        self._kept: http.client.HTTPConnection | None = None
        self._kept_since = 0.0
        self._tls = ssl.create_default_context(cafile=str(ca))

    def connect(self, timeout: float = 30) -> ssl.SSLSocket:
        """A connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout)
        return self._tls.wrap_socket(plain, server_hostname=self.host)

    def begin(self, method: str, target: str, headers: dict | None = None, body: bytes | None = None,
              timeout: float = 30) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Sends a request and reads the head of the answer."""
        kept, self._kept = self._kept, None
        if kept and time.monotonic() - self._kept_since > FRESH:
            kept.close()
            kept = None
        connection = kept or self._connection(timeout)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        headers = {"Host": self.host, **(headers or {})}
        if body is not None and "Transfer-Encoding" not in headers:
            headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                connection.putheader(name, one)
        connection.endheaders()
        try:
            if body:
                connection.send(body)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            # It has answered already, and takes no more.
            pass
        return connection, connection.getresponse()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        connection.sock = self.connect(timeout)
        # What http.client would refuse is what is to be tried.
        connection._validate_path = lambda _target: None  # noqa: SLF001
        return connection

    def ask(self, method: str, target: str, headers: dict | None = None, body: bytes | None = None) -> Answer:
        """A request and its whole answer."""
        connection, response = self.begin(method, target, headers, body)
        answer = Answer(response.status, response.headers, response.read())
        if response.will_close or body:
            connection.close()
        else:
            self._kept, self._kept_since = connection, time.monotonic()
        return answer

    def call(self, method: str, target: str, token: str, body: object = None) -> dict:
        """JSON with a bearer token, which has to work."""
        data = None if body is None else json.dumps(body).encode()
        answer = self.ask(method, target, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, data)
        assert 200 <= answer.status < 300, (method, target, answer.status, answer.body[:500])
        return answer.json() if answer.body else {}


class WebSocket:
    """A client that understands what a test needs."""

    def __init__(self, door: Door, target: str, headers: dict) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        asked = {"Host": door.host, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                 "Sec-WebSocket-Key": key, **headers}
        self._socket = door.connect()
        head = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
        self._socket.sendall(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = http.client.parse_headers(self._file)

    def receive(self, *, ping: bool = False, timeout: float = 30) -> dict:
        """The next text frame, or ping; what pings is answered."""
        self._socket.settimeout(timeout)
        while True:
            first, second = self._file.read(2)
            opcode, length = first & 0x0F, second & 0x7F
            if length >= 126:
                length = int.from_bytes(self._file.read(2 if length == 126 else 8), "big")
            data = self._file.read(length)
            if opcode == 1:
                return json.loads(data)
            if opcode == 9:
                self._send(10, data)
                if ping:
                    return {}
            if opcode == 8:
                raise ConnectionError(f"closed with {int.from_bytes(data[:2], 'big')}")

    def until(self, kind: str) -> dict:
        """The next frame of this type."""
        while (frame := self.receive())["type"] != kind:
            pass
        return frame

    def send(self, frame: dict) -> None:
        """A text frame."""
        self._send(1, json.dumps(frame).encode())

    def _send(self, opcode: int, data: bytes) -> None:
        mask = os.urandom(4)
        length = struct.pack("!B", 0x80 | len(data)) if len(data) < 126 else struct.pack("!BH", 0xFE, len(data))
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self._socket.sendall(struct.pack("!B", 0x80 | opcode) + length + mask + masked)

    def close(self) -> None:
        """Goes away without a word."""
        self._file.close()
        self._socket.close()
