"""docker/Caddyfile before three stand-ins that write down what reaches them."""

import http.server
import itertools
import json
import os
import posixpath
import random
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import unquote

from house import CA, CADDY, DOCKER, ROOT, TRIBUTARY_HOST, answers, caddy_environment, free_ports
from wire import Door, certified

MATRIX_HOST = "matrix.example.org"


class Upstream(http.server.ThreadingHTTPServer):
    """Answers everything, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, name: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), Recorder)
        self.name = name
        self.seen: list[dict] = []
        self.gone = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def numbered(self) -> list[dict]:
        """What `reached` asked."""
        return [request for request in list(self.seen) if "x-number" in request["headers"]]

    def of(self, number: str) -> list[dict]:
        """The one of this number, if it came here."""
        return [request for request in self.numbered() if request["headers"]["x-number"] == [number]]

    def handle_error(self, *_: object) -> None:
        """Connections break off, as some tests have it."""


class Recorder(http.server.BaseHTTPRequestHandler):
    """Of one request."""

    protocol_version = "HTTP/1.1"
    server: Upstream

    def _answer(self) -> None:
        size = 0
        left = int(self.headers.get("Content-Length") or 0)
        while left and (part := self.rfile.read(min(left, 1 << 16))):
            left, size = left - len(part), size + len(part)
        self.server.seen.append({"method": self.command, "target": self.path, "size": size, "whole": not left,
                                 "headers": {name.lower(): self.headers.get_all(name) for name in self.headers}})
        if self.path.startswith("/ws?broken-off"):
            self.close_connection = True
            return
        if self.path == "/api/export?cursor=endless":
            self._stream()
            return
        body = json.dumps({"upstream": self.server.name}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        """A line, and then one each tenth of a second until the reader is gone."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"5\r\nline\n\r\n")
                time.sleep(0.1)
        except OSError:
            self.server.gone.set()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


def setUpModule() -> None:  # noqa: N802
    """Starts Caddy before the stand-ins."""
    global home, upstreams, matrix, tributary, ports
    home = Path(unittest.enterModuleContext(tempfile.TemporaryDirectory(prefix="tributary-proxy-")))
    names = ("synapse", "meta", "tributary", "https", "http", "health")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    upstreams = {name: Upstream(name, ports[name]) for name in names[:3]}
    at = {name: f"127.0.0.1:{ports[name]}" for name in upstreams}
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **caddy_environment(home, ports, at, MATRIX_HOST)}
    log = unittest.enterModuleContext(open(home / "log", "wb"))
    caddy = subprocess.Popen(CADDY, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    unittest.addModuleCleanup(caddy.wait)
    unittest.addModuleCleanup(caddy.terminate)
    deadline = time.monotonic() + 30
    while subprocess.run(answers(f"http://127.0.0.1:{ports['health']}/"), capture_output=True, check=False).returncode:
        assert caddy.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
        time.sleep(0.1)
    matrix, tributary = certified(ports["https"], home / CA, MATRIX_HOST, TRIBUTARY_HOST)


NUMBERS = itertools.count()


def reached(door: Door, target: str, method: str = "GET", headers: dict | None = None, **more: object) -> str | int:
    """Which upstream a request comes to, or the status that the proxy answers by itself."""
    number = str(next(NUMBERS))
    answer = door.ask(method, target, {**(headers or {}), "X-Number": number}, **more)
    found = [name for name, upstream in upstreams.items() if upstream.of(number)]
    assert len(found) < 2, found
    return found[0] if found else answer.status


def seen(name: str) -> dict:
    """The newest request of `reached` that came to an upstream, to the letter."""
    return max(upstreams[name].numbered(), key=lambda request: int(request["headers"]["x-number"][0]))


# What is published, and where it goes.
OPEN = [
    (MATRIX_HOST, "synapse", [
        "/_matrix/client/versions", "/_matrix/client/v3/login", "/_matrix/client/v3/sync?timeout=30000",
        "/_matrix/client/v3/rooms/!a%2Fb:example.org/state/m.bridge/fi.mau%2F%2Fx?a=//b",
        "/_matrix/client/v1/media/download/example.org/abc", "/_matrix/media/v3/config",
        "/_synapse/client/oidc/callback", "/_matrix/federation/v1/openid/userinfo?access_token=x",
    ]),
    (MATRIX_HOST, "meta", [
        "/_matrix/provision/v3/whoami?user_id=@a:example.org", "/_matrix/provision/v3/login/start/cookies",
        "/_matrix/provision/v3/resolve_identifier/a%2Fb",
    ]),
    (TRIBUTARY_HOST, "tributary", [
        "/api/conversations", "/api/manager/bridge-login-complete", "/api/messenger/status", "/api/media/1?thumbnail=8x8",
        "/ws", "/ws?since=1", "/webhooks/clerk", "/openapi.json", "/console", "/console/", "/console/client/index.js",
        "/healthz", "/api/search?q=..%2F..%2Fadmin", "/api/conversations?cursor=//",
    ]),
]
# What is not, each with what it would be if somebody read it in another way.
CLOSED = [
    (MATRIX_HOST, [
        "/", "/_synapse/admin/v1/register", "/_synapse/admin/v2/users", "/_matrix/federation/v1/version",
        "/_matrix/federation/v1/openid/userinfo/", "/_matrix/federation/v1/openid", "/_matrix/key/v2/server",
        "/_matrix/app/v1/transactions/1", "/_matrix/app/v1/ping", "/transactions/1", "/users/@a:b", "/health", "/metrics",
        "/_matrix/mau/live", "/_matrix/provision", "/_matrix/provision/", "/_matrix/provision/v1/login", "/debug/pprof/",
        "/_matrix/client", "/_synapse/client", "/_SYNAPSE/ADMIN/v1/register", "/_Matrix/Client/v3/login",
        "/_synapse/admin./v1/register", "/_synapse/admin%20/v1", "/_synapse%2Fadmin/v1/register", "/_synapse/%61dmin/v1/register",
        "/_synapse/admin/v1/users/..%2F..%2F..%2F..%2F_matrix%2Fclient%2Fx",
        "/_synapse/admin/v1/users/%2e%2e/%2e%2e/%2e%2e/%2e%2e/_matrix/client/x",
        "/_matrix/app/v1/transactions/..%2f..%2f..%2fclient%2fx", "/api/conversations", "/ws",
    ]),
    (TRIBUTARY_HOST, [
        "/", "/api", "/api/admin", "/api/admin/", "/api/admin/rooms", "/api/admin?x", "/api/bridge", "/api/bridge/meta/status",
        "/api/Admin/rooms", "/API/admin/rooms", "/Api/conversations", "/api/%61dmin/rooms", "/api/%62ridge/meta/status",
        "/api/admin%2Frooms", "/api%2Fadmin%2Frooms", "/api/admin/..%2Fconversations", "/api/bridge/..%2F..%2Fapi/x",
        "/api/x%2F..%2Fadmin/rooms", "/metrics", "/livez", "/readyz", "/_matrix/app/v1/transactions/1", "/_matrix/app/v1/ping",
        "/transactions/1", "/users/@a:b", "/rooms/x", "/_matrix/client/versions", "/ws/", "/ws/x", "/wsx", "/webhooks/clerk/",
        "/webhooks/", "/openapi.json/x", "/consoles", "/healthz/", "/console%2F..%2Fmetrics", "/_synapse/admin/v1/register",
    ]),
]
# Refused whatever they stand for.
TRICKS = ["//{}", "/x/..{}", "/x/%2e%2e{}", "/x/..%2f{}", "/x/.%2E{}", "/.{}", "/%2e{}", "/x//..{}", "/%2e%2e%2f{}"]


class Paths(unittest.TestCase):
    """Which of them strangers reach."""

    def test_what_is_published_comes_through_as_it_was_sent(self) -> None:
        for host, name, targets in OPEN:
            for target in targets:
                with self.subTest(host=host, target=target):
                    self.assertEqual(reached(door(host), target), name)
                    self.assertEqual(seen(name)["target"], target)

    def test_everything_else_is_not_there(self) -> None:
        for host, targets in CLOSED:
            for target in targets:
                for method in ("GET", "PUT"):
                    with self.subTest(host=host, target=target, method=method):
                        self.assertIn(reached(door(host), target, method), (400, 404))

    def test_no_trick_gets_round_it(self) -> None:
        for host, target in itertools.product((MATRIX_HOST, TRIBUTARY_HOST),
                                              ("/_synapse/admin/v1/register", "/api/admin/rooms", "/_matrix/client/versions")):
            for trick in TRICKS:
                with self.subTest(host=host, target=trick.format(target)):
                    self.assertEqual(reached(door(host), trick.format(target)), 400)
        for prefix, host in (("/_matrix/client", MATRIX_HOST), ("/api", TRIBUTARY_HOST)):
            for way in ("/../..", "/%2e%2e/%2e%2e", "/..%2f..", "/%2E./.%2e", "//..//..", "/..%5c.."):
                target = f"{prefix}{way}/_synapse/admin/v1/register"
                with self.subTest(target=target):
                    self.assertEqual(reached(door(host), target), 400)

    def test_however_a_path_is_read_it_is_published(self) -> None:
        chance = random.Random(8)
        parts = ["_matrix", "_synapse", "client", "admin", "app", "provision", "v3", "federation", "api", "bridge", "console",
                 "ws", "metrics", "..", ".", "", "%2e%2e", "%2E", "..%2f", "%2f", "%2F..", "%252e%252e", "%61dmin", "ADMIN",
                 "admin;x", "%00", "%5c", "a%2Fb", "x"]
        for _ in range(1500):
            host = chance.choice((MATRIX_HOST, TRIBUTARY_HOST))
            target = "/" + "/".join(chance.choice(parts) for _ in range(chance.randint(1, 7)))
            name = reached(door(host), target)
            if not isinstance(name, str):
                self.assertIn(name, (400, 404), target)
                continue
            for reading in readings(target):
                with self.subTest(host=host, target=target, reading=reading):
                    self.assertTrue(published(name, reading))

    def test_an_absolute_address_is_none_of_another_host(self) -> None:
        target = f"https://{TRIBUTARY_HOST}/_synapse/admin/v1/register"
        self.assertIn(reached(matrix, target), (400, 404, 421))

    def test_of_what_tributary_describes_all_is_open_but_what_is_for_inside(self) -> None:
        described = json.loads((ROOT / "openapi.json").read_text())["paths"]
        inside = ("/api/admin/", "/api/bridge/", "/livez", "/readyz", "/metrics")
        for path in described:
            target = path.replace("{", "").replace("}", "")
            expected = 404 if path.startswith(inside) else "tributary"
            with self.subTest(path=path):
                self.assertEqual(reached(tributary, target), expected)


def door(host: str) -> Door:
    """Of a host."""
    return matrix if host == MATRIX_HOST else tributary


def readings(target: str) -> set[str]:
    """What programs may take a path for: as it is, decoded once, without dots, or both."""
    once = unquote(target)
    return {target, once, posixpath.normpath(target), posixpath.normpath(once).replace("//", "/")}


def published(name: str, path: str) -> bool:
    """Whether a path, to the letter, belongs to those that an upstream may be asked for."""
    prefixes = {
        "synapse": ("/_matrix/client", "/_matrix/media", "/_synapse/client", "/_matrix/federation/v1/openid/userinfo"),
        "meta": ("/_matrix/provision/v3",),
        "tributary": ("/api", "/ws", "/webhooks/clerk", "/openapi.json", "/console", "/healthz"),
    }
    inside = ("/api/admin", "/api/bridge")
    under = lambda prefix: path == prefix or path.startswith(f"{prefix}/")  # noqa: E731
    return any(map(under, prefixes[name])) and not any(map(under, inside))


class Requests(unittest.TestCase):
    """What else happens to them on their way."""

    def test_clients_cannot_say_where_they_come_from(self) -> None:
        forged = {"X-Forwarded-For": ["9.9.9.9", "8.8.8.8"], "Forwarded": "for=9.9.9.9", "X-Forwarded-Proto": "http",
                  "X-Forwarded-Host": "evil.example.org", "X-Real-IP": "9.9.9.9"}
        for host, target, name in ((TRIBUTARY_HOST, "/api/x", "tributary"), (MATRIX_HOST, "/_matrix/client/x", "synapse"),
                                   (MATRIX_HOST, "/_matrix/provision/v3/x", "meta")):
            self.assertEqual(reached(door(host), target, headers=forged), name)
            got = seen(name)["headers"]
            self.assertEqual(got["x-forwarded-for"], ["127.0.0.1"])
            self.assertEqual((got["x-forwarded-proto"], got["x-forwarded-host"]), (["https"], [host]))
            self.assertEqual((got["host"], got.get("forwarded"), got.get("x-real-ip")), ([host], None, None))

    def test_nobody_speaks_another_protocol_behind_it(self) -> None:
        everywhere = ((TRIBUTARY_HOST, "/api/x", "tributary"), (TRIBUTARY_HOST, "/ws", "tributary"),
                      (MATRIX_HOST, "/_matrix/client/x", "synapse"), (MATRIX_HOST, "/_matrix/provision/v3/x", "meta"))
        for upgrade in ("h2c", ["h2c", "websocket"], "h2c, websocket", "tls/1.0", "websocket-2"):
            for host, target, name in everywhere:
                asked = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": upgrade, "HTTP2-Settings": "AAMAAABkAAQAAP__"}
                self.assertEqual(reached(door(host), target, headers=asked), name)
                got = seen(name)["headers"]
                is_socket = target == "/ws" and "websocket" in (upgrade if isinstance(upgrade, list) else [])
                self.assertEqual(got.get("upgrade"), ["websocket"] if is_socket else None, (target, upgrade))
                self.assertIsNone(got.get("http2-settings"), (target, upgrade))
        for host, target, name in everywhere:
            asked = {"Connection": "Upgrade", "Upgrade": "WebSocket"}
            self.assertEqual(reached(door(host), target, headers=asked), name)
            self.assertEqual(seen(name)["headers"].get("upgrade"), ["websocket"] if target == "/ws" else None)

    def test_bodies_have_a_limit_of_their_own_on_each_path(self) -> None:
        mib = 1 << 20
        for host, target, name, most in ((TRIBUTARY_HOST, "/webhooks/clerk", "tributary", 500_000),
                                         (MATRIX_HOST, "/_matrix/client/v3/keys/upload", "synapse", 15 * mib),
                                         (MATRIX_HOST, "/_matrix/provision/v3/login", "meta", 15 * mib),
                                         (MATRIX_HOST, "/_matrix/media/v3/upload?filename=x", "synapse", 90 * mib)):
            with self.subTest(target=target):
                self.assertEqual(reached(door(host), target, "POST", body=bytes(most)), name)
                self.assertEqual(seen(name)["size"], most)
                try:
                    status = door(host).ask("POST", target, body=bytes(most + 12 * mib)).status
                except (ConnectionError, ssl.SSLError):
                    # It hangs up on whoever goes on sending, who then may not get to read why.
                    status = 413
                # Caddy 2.6, Debian's, takes it for a mistake of its own.
                self.assertIn(status, (413, 502))
                self.assertFalse([request for request in upstreams[name].seen if request["whole"] and request["size"] > most])

    def test_tls_is_all_there_is(self) -> None:
        command = ["curl", "-s", "--noproxy", "*", "--resolve", f"{TRIBUTARY_HOST}:{ports['http']}:127.0.0.1", "-o", "/dev/null",
                   "-w", "%{http_code} %{redirect_url}", f"http://{TRIBUTARY_HOST}:{ports['http']}/api/x"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.assertRegex(said, rf"^308 https://{TRIBUTARY_HOST}")
        for host, target in ((TRIBUTARY_HOST, "/api/x"), (TRIBUTARY_HOST, "/nowhere"), (MATRIX_HOST, "/_matrix/client/x")):
            headers = door(host).ask("GET", target).headers
            self.assertEqual(headers["Strict-Transport-Security"], "max-age=31536000")
            self.assertEqual((headers["X-Content-Type-Options"], headers["Server"]), ("nosniff", None))

    def test_another_name_of_this_host_is_nobodys(self) -> None:
        for host in ("evil.example.org", f"{TRIBUTARY_HOST}.", "127.0.0.1"):
            answer = tributary.ask("GET", "/api/conversations", {"Host": host})
            self.assertEqual((answer.status, answer.body), (421, b""), host)

    def test_an_export_is_sent_on_as_it_comes_and_broken_off_with_its_reader(self) -> None:
        upstreams["tributary"].gone.clear()
        connection, response = tributary.begin("GET", "/api/export?cursor=endless")
        self.assertEqual(response.read(15), b"line\n" * 3)
        response.close()
        connection.sock.close()
        connection.close()
        self.assertTrue(upstreams["tributary"].gone.wait(60))

    def test_where_to_find_what(self) -> None:
        expected = {"client": {"m.homeserver": {"base_url": f"https://{MATRIX_HOST}"}},
                    "server": {"m.server": f"{MATRIX_HOST}:443"}, "mautrix": {"fi.mau.bridges": [f"https://{MATRIX_HOST}"]}}
        for name, content in expected.items():
            answer = matrix.ask("GET", f"/.well-known/matrix/{name}")
            self.assertEqual((answer.status, answer.json()), (200, content))
            self.assertEqual(answer.headers["Content-Type"], "application/json")
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")

    def test_whoever_does_not_finish_a_request_is_given_up(self) -> None:
        slow = tributary.connect()
        self.addCleanup(slow.close)
        slow.sendall(b"GET /api/x HTTP/1.1\r\nHost: ")
        self.assertEqual(slow.recv(1), b"")

    def test_no_log_has_a_token_in_it(self) -> None:
        headers = {"Sec-WebSocket-Protocol": "bearer.SECRET1", "Authorization": "Bearer SECRET2", "Cookie": "SECRET3"}
        answer = tributary.ask("GET", "/ws?broken-off&token=SECRET4", headers)
        self.assertEqual(answer.status, 502)
        log = (home / "log").read_text()
        self.assertIn("/ws?...", log)
        self.assertNotIn("SECRET", log)


class Configuration(unittest.TestCase):
    """What Caddy makes of it with names of the internet."""

    def test_certificates_are_those_of_an_authority(self) -> None:
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "MATRIX_HOST": MATRIX_HOST, "TRIBUTARY_HOST": TRIBUTARY_HOST,
               "PROXY_OPTIONS": "email ops@example.org"}
        command = ["caddy", "adapt", "--validate", "--config", DOCKER / "Caddyfile", "--adapter", "caddyfile"]
        adapted = json.loads(subprocess.run(command, env=env, capture_output=True, check=True).stdout)
        ours, others = adapted["apps"]["tls"]["automation"]["policies"]
        self.assertEqual(set(ours["subjects"]), {MATRIX_HOST, TRIBUTARY_HOST})
        self.assertTrue(all(issuer["module"] in ("acme", "zerossl") and issuer["email"] == "ops@example.org"
                            for issuer in ours["issuers"]))
        self.assertEqual([issuer["module"] for issuer in others["issuers"]], ["internal"])
        self.assertEqual(adapted["admin"], {"disabled": True})


if __name__ == "__main__":
    unittest.main()
