"""As much of a homeserver as discovery asks for: rooms that are portals, and who is in them."""

import json
import re
import struct
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

BOT = "@facebookbot:lab.local"


class Homeserver:
    """Answers on a free port of loopback until it is stopped."""

    def __init__(self, rooms: dict[str, dict]) -> None:
        """`rooms`: by id, who is in them, and whether history comes."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = unquote(urlsplit(self.path).path)
                if path.startswith("/_matrix/client/v1/media/download/"):
                    status, kind, body = 200, "image/png", picture(40, 30)
                else:
                    status, answer = answer_to(path, rooms)
                    kind, body = "application/json", json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = _answer

            def log_message(self, *_: object) -> None:
                """It has nothing to tell."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Nobody is answered any more."""
        self._server.shutdown()
        self._server.server_close()


def picture(width: int, height: int) -> bytes:
    """A grey PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x7f" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def answer_to(path: str, rooms: dict[str, dict]) -> tuple[int, object]:
    """Status and JSON."""
    if path == "/_matrix/client/versions":
        return 200, {"versions": ["v1.11"]}
    if path.endswith("/ping"):
        return 200, {"duration_ms": 1}
    if path.endswith("/joined_rooms"):
        return 200, {"joined_rooms": []}
    asked = re.search(r"/rooms/([^/]+)/(messages|state)$", path)
    if not asked or asked[1] not in rooms:
        return 404, {"errcode": "M_NOT_FOUND", "error": "not here"}
    room_id, what = asked.groups()
    if what == "state":
        return 200, state_of(room_id, rooms[room_id])
    if rooms[room_id].get("is_silent"):
        return 503, {"errcode": "M_UNKNOWN", "error": "not now"}
    return 200, {"start": "t0", "chunk": []}


def state_of(room_id: str, room: dict) -> list[dict]:
    """The state of a portal."""

    def event(kind: str, sender: str, state_key: str, content: dict) -> dict:
        return {
            "type": kind, "room_id": room_id, "event_id": f"${kind}-{state_key}-{room_id}", "sender": sender,
            "state_key": state_key, "origin_server_ts": int(time.time() * 1000) - 60_000, "content": content,
        }

    portal = {
        "bridgebot": BOT,
        "protocol": {"id": "facebookgo"},
        "channel": {"id": room_id, "fi.mau.receiver": room.get("receiver", "")},
        "com.beeper.room_type.v2": "dm" if "receiver" in room else "group_dm",
    }
    state = [event("m.room.create", BOT, "", {}), event("m.bridge", BOT, "k", portal)]
    if "name" in room:
        state.append(event("m.room.name", BOT, "", {"name": room["name"]}))
    people = {BOT: "Bridge"} | room["people"]
    return state + [
        event("m.room.member", who, who, {"membership": "join", "displayname": name}) for who, name in people.items()
    ]
