"""The whole product from what docker/setup makes, and what a customer goes through."""

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import time
import unittest
import urllib.request
from pathlib import Path
from urllib.parse import quote

from house import APP_ORIGIN, CA, DOCKER, HEARTBEAT, ISSUER, TRIBUTARY_HOST, House
from wire import WebSocket, certified

CUSTOMER = "user_customer"
PASSWORD = "a password of somebody's"


def setUpModule() -> None:  # noqa: N802
    """Starts it once."""
    global house, tributary, matrix
    house = unittest.enterModuleContext(House())
    tributary, matrix = certified(house.ports["https"], house.dir / CA, TRIBUTARY_HOST, "localhost")


def inside(port: str, path: str, body: object = None) -> dict:
    """JSON from what has no way in from outside."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{house.ports[port]}{path}", data,
                                     {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as response:
        return json.load(response)


def add_user(name: str) -> str:
    """A Matrix account, as the operator makes it."""
    nonce = inside("synapse", "/_synapse/admin/v1/register")["nonce"]
    parts = "\0".join([nonce, name, PASSWORD, "notadmin"])
    mac = hmac.new(house.secret("synapse-registration").encode(), parts.encode(), hashlib.sha1).hexdigest()
    made = inside("synapse", "/_synapse/admin/v1/register",
                  {"nonce": nonce, "username": name, "password": PASSWORD, "admin": False, "mac": mac})
    return made["user_id"]


def session_token(user: str = CUSTOMER, origin: str = APP_ORIGIN) -> str:
    """What Clerk would give the web app."""
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": user, "sid": "sess_one", "azp": origin, "iat": now, "nbf": now, "exp": now + 60}
    parts = [{"alg": "RS256", "typ": "JWT", "kid": "ins_one"}, claims]
    text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    sign = ["openssl", "dgst", "-sha256", "-sign", house.dir / "clerk.key"]
    return f"{text}.{base64url(subprocess.run(sign, input=text.encode(), capture_output=True, check=True).stdout)}"


def base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Journey(unittest.TestCase):
    """From nothing to a linked customer."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.user = add_user("customer")
        login = {"type": "m.login.password", "password": PASSWORD,
                 "identifier": {"type": "m.id.user", "user": "customer"}}
        answer = matrix.ask("POST", "/_matrix/client/v3/login", {"Content-Type": "application/json"},
                            json.dumps(login).encode())
        cls.access = answer.json()["access_token"]
        cls._log_in_at_the_bridge()
        cls._link()

    @classmethod
    def openid(cls) -> dict:
        """A proof of being this Matrix user."""
        path = f"/_matrix/client/v3/user/{quote(cls.user)}/openid/request_token"
        return matrix.call("POST", path, cls.access, {})

    @classmethod
    def _log_in_at_the_bridge(cls) -> None:
        """As the desktop program does: it finds the bridge, and has a Matrix session."""
        found = matrix.ask("GET", "/.well-known/matrix/mautrix").json()["fi.mau.bridges"]
        assert found == ["https://localhost"], found
        at, user = "/_matrix/provision/v3", f"user_id={quote(cls.user)}"
        step = matrix.call("POST", f"{at}/login/start/imaginary?{user}", cls.access, {})
        path = f"{at}/login/step/{step['login_id']}/{step['step_id']}/user_input?{user}"
        done = matrix.call("POST", path, cls.access, {"remote_id": "1001", "remote_name": "Customer"})
        assert done["type"] == "complete", done

    @classmethod
    def _link(cls) -> None:
        report = {"matrixUserId": cls.user, "bridgeUserId": "1001", "openIdToken": cls.openid()}
        code = tributary.call("POST", "/api/manager/bridge-login-complete", house.secret("manager-key"), report)
        tributary.call("POST", "/api/messenger/link", session_token(), {"code": code["linkCode"]})

    def status(self) -> str:
        """How the connection is doing."""
        return tributary.call("GET", "/api/messenger/status", session_token())["status"]

    def test_what_is_written_in_messenger_comes_out_of_the_socket(self) -> None:
        deadline = time.monotonic() + 120
        while self.status() != "CONNECTED" and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertEqual(self.status(), "CONNECTED")
        socket = WebSocket(tributary, "/ws", {
            "Origin": APP_ORIGIN, "Sec-WebSocket-Protocol": f"tributary.v1, bearer.{session_token()}"})
        self.addCleanup(socket.close)
        self.assertEqual((socket.status, socket.headers["Sec-WebSocket-Protocol"]), (101, "tributary.v1"))
        socket.until("live")
        inside("control", "/chat", {"remoteId": "1001", "chatId": "2001", "type": "dm",
                                    "members": [{"id": "2001", "name": "Carol"}]})
        inside("control", "/message", {"remoteId": "1001", "chatId": "2001", "senderId": "2001", "text": "Hello"})
        self.assertEqual(socket.until("message.created")["data"]["message"]["body"], "Hello")

    def test_a_page_of_another_origin_gets_no_socket(self) -> None:
        token = {"Sec-WebSocket-Protocol": f"tributary.v1, bearer.{session_token()}"}
        for origin, status in (("https://evil.example.org", 403), (f"https://{TRIBUTARY_HOST}", 101)):
            socket = WebSocket(tributary, "/ws", {"Origin": origin, **token})
            socket.close()
            self.assertEqual(socket.status, status, origin)

    def test_a_socket_on_which_nothing_happens_stays_open(self) -> None:
        headers = {"Origin": APP_ORIGIN, "Sec-WebSocket-Protocol": f"tributary.v1, bearer.{session_token('user_idle')}"}
        # Before there is a socket: who looks at the clock late would find the silence too short.
        begun = time.monotonic()
        socket = WebSocket(tributary, "/ws", headers)
        self.addCleanup(socket.close)
        socket.until("live")
        self.assertEqual(socket.receive(ping=True), {})
        self.assertGreater(time.monotonic() - begun, HEARTBEAT - 2)
        socket.send({"type": "ping"})
        self.assertEqual(socket.receive()["type"], "pong")

    def test_the_bridge_takes_a_matrix_token_of_the_user_alone(self) -> None:
        def whoami(user: str, token: str) -> int:
            path = f"/_matrix/provision/v3/whoami?user_id={quote(user)}"
            return matrix.ask("GET", path, {"Authorization": f"Bearer {token}"}).status

        self.assertEqual(whoami(self.user, self.access), 200)
        for user, token in ((f"@other:{house.server_name}", self.access), (self.user, "wrong"), (self.user, "openid:wrong")):
            self.assertEqual(whoami(user, token), 401, (user, token[:7]))

    def test_whoever_gets_an_openid_token_can_ask_whose_it_is(self) -> None:
        # The bridge does so too, but never at a private address such as this one.
        path = "/_matrix/federation/v1/openid/userinfo?access_token="
        self.assertEqual(matrix.ask("GET", path + self.openid()["access_token"]).json(), {"sub": self.user})
        self.assertEqual(matrix.ask("GET", path + "wrong").status, 401)

    def test_the_export_comes_through_to_its_end(self) -> None:
        answer = tributary.ask("GET", "/api/export", {"Authorization": f"Bearer {session_token()}"})
        lines = [json.loads(line) for line in answer.body.splitlines()]
        self.assertEqual((lines[0]["type"], lines[-1]["type"]), ("header", "end"))

    def test_the_double_puppet_acts_for_the_customer(self) -> None:
        rooms = {"remoteId": "1001", "chatId": "3001", "type": "dm", "members": [{"id": "3001", "name": "Dave"}]}
        room = inside("control", "/chat", rooms)["roomId"]
        joined = matrix.call("GET", "/_matrix/client/v3/joined_rooms", self.access)["joined_rooms"]
        self.assertIn(room, joined)


class Services(unittest.TestCase):
    """What each got from setup."""

    def test_synapse_is_closed_and_knows_all_three_registrations(self) -> None:
        register = matrix.ask("POST", "/_matrix/client/v3/register", {"Content-Type": "application/json"}, b"{}")
        self.assertEqual(register.status, 403)
        for name in ("tributary-as-token", "meta-as-token", "doublepuppet-as-token"):
            whoami = matrix.call("GET", "/_matrix/client/v3/account/whoami", house.secret(name))
            self.assertTrue(whoami["user_id"].endswith(house.server_name), name)

    def test_each_role_has_its_own_database_in_the_right_collation(self) -> None:
        psql = house_psql("postgres", "postgres", "postgres")
        rows = psql("SELECT datname, datcollate FROM pg_database WHERE datname IN ('synapse', 'meta', 'tributary') ORDER BY 1")
        self.assertEqual(rows.stdout.split(), ["meta|C", "synapse|C", "tributary|C.UTF-8"])
        for role, other in (("meta", "synapse"), ("tributary", "meta"), ("synapse", "tributary")):
            allowed = house_psql(role, f"{role}-database", role)("SELECT 1")
            refused = house_psql(role, f"{role}-database", other)("SELECT 1")
            self.assertEqual((allowed.returncode, refused.returncode), (0, 2), (role, refused.stderr))
            self.assertIn("permission denied", refused.stderr)

    def test_the_operator_is_served_inside_alone(self) -> None:
        key = {"Authorization": f"Bearer {house.secret('admin-key')}"}
        self.assertEqual(tributary.ask("GET", "/api/admin/rooms", key).status, 404)
        listed = subprocess.run([house.program, "rooms", "list", "--json"], capture_output=True, check=False,
                                env={"TRIBUTARY_CONFIG": str(house.dir / "to" / "tributary" / "config.yaml")})
        self.assertEqual(listed.returncode, 0, listed.stderr)

    def test_health_is_told_outside(self) -> None:
        health = tributary.ask("GET", "/healthz")
        self.assertEqual((health.status, health.json()["db"], health.json()["homeserver"]), (200, "ok", "ok"))

    def test_a_restart_is_waited_for(self) -> None:
        house.stop("tributary")
        house.start_tributary(wait=False)
        self.assertEqual(tributary.ask("GET", "/healthz").status, 200)


class WayBack(unittest.TestCase):
    """docker/backup as its containers run it, and all of it from nothing but what it has kept."""

    TEXT = "what must not be lost"

    def setUp(self) -> None:
        self.backups = house.dir / "backups"
        self.addCleanup(shutil.rmtree, self.backups, ignore_errors=True)
        pgpass = house.dir / "pgpass"
        at = f"127.0.0.1:{house.ports['postgres']}"
        pgpass.write_text((house.dir / "config" / "pgpass").read_text().replace("postgres:5432", at))
        pgpass.chmod(0o600)
        # As compose.yaml has it.
        self.env = {
            "PATH": f"{house.program.parent}:/usr/bin:/bin", "PGPASSFILE": str(pgpass), "BACKUP_DIR": str(self.backups),
            "BACKUP_DATABASES": f"synapse=postgresql://synapse@{at}/synapse meta=postgresql://meta@{at}/meta",
            "BACKUP_FILES": f"{house.dir}/config {house.dir}/.env", "BACKUP_MEDIA": f"synapse={house.dir}/data/synapse/media",
            "TRIBUTARY_CONFIG": str(house.dir / "to" / "tributary" / "config.yaml"),
            "TRIBUTARY_DATA": str(house.dir / "data" / "tributary")}

    def backup(self, *arguments: str, **others: str) -> subprocess.CompletedProcess:
        return subprocess.run([DOCKER / "backup", *arguments], env={**self.env, **others}, capture_output=True, text=True,
                              check=False, timeout=300)

    def made(self) -> list[Path]:
        return sorted(self.backups.glob("[0-9]*Z"))

    def test_all_of_it_comes_back(self) -> None:
        access = self.customer()
        kept = matrix.ask("POST", "/_matrix/media/v3/upload?filename=a.txt",
                          {"Authorization": f"Bearer {access}", "Content-Type": "text/plain"}, b"a file").json()["content_uri"]
        tributary_before = self.messages()
        self.assertIn(self.TEXT, tributary_before)
        self.two_at_once()
        newest = self.made()[-1]
        files = subprocess.run(["tar", "-tf", newest / "files.tar"], capture_output=True, text=True, check=True).stdout
        for file in ("config/synapse/signing.key", "config/secrets/admin-key", "/.env"):
            self.assertIn(file, files)

        refused = self.backup("restore", "newest")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is not empty", refused.stderr)
        for service in ("bridge", "tributary", "synapse"):
            house.stop(service)
        self.lose_everything()
        self.refuse_what_is_broken(newest)
        done = self.backup("restore", "newest")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.copy_nothing_again()
        house.start_synapse()
        house.start_tributary()
        house.start_bridge()

        # Nobody has to log in again: not at the homeserver, not at Messenger.
        self.assertEqual(matrix.call("GET", "/_matrix/client/v3/account/whoami", access)["user_id"], self.user)
        path = f"/_matrix/client/v1/media/download/{kept.removeprefix('mxc://')}"
        self.assertEqual(matrix.ask("GET", path, {"Authorization": f"Bearer {access}"}).body, b"a file")
        logins = matrix.call("GET", f"/_matrix/provision/v3/whoami?user_id={quote(self.user)}", access)["logins"]
        self.assertEqual([login["id"] for login in logins], ["1001"])
        self.assertEqual(self.messages(), tributary_before)
        self.write("and it goes on")
        self.until("and it goes on")

    def customer(self) -> str:
        """One with a chat; their access token."""
        if not hasattr(Journey, "access"):
            Journey.setUpClass()
        self.user = Journey.user
        members = [{"id": "2001", "name": "Carol"}]
        inside("control", "/chat", {"remoteId": "1001", "chatId": "2001", "type": "dm", "members": members})
        self.write(self.TEXT)
        self.until(self.TEXT)
        return Journey.access

    def write(self, text: str) -> None:
        inside("control", "/message", {"remoteId": "1001", "chatId": "2001", "senderId": "2001", "text": text})

    def messages(self) -> set[str]:
        """What Tributary shows of all chats."""
        token = session_token()
        chats = tributary.call("GET", "/api/conversations", token)["items"]
        pages = [tributary.call("GET", f"/api/conversations/{chat['id']}/messages", token)["items"] for chat in chats]
        return {message["body"] for page in pages for message in page}

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 120
        while text not in self.messages():
            self.assertLess(time.monotonic(), deadline, text)
            time.sleep(0.2)

    def two_at_once(self) -> None:
        """The schedule's, and one by hand meanwhile: both are whole."""
        log = self.backups.parent / "loop.log"
        with log.open("w") as stderr:
            loop = subprocess.Popen([DOCKER / "backup", "loop"], env={**self.env, "BACKUP_EVERY": "3600"}, stderr=stderr)
        try:
            done = self.backup("once")
            self.assertEqual(done.returncode, 0, done.stderr)
            deadline = time.monotonic() + 120
            while len(self.made()) < 2:
                self.assertNotIn("failed", log.read_text())
                self.assertLess(time.monotonic(), deadline, log.read_text())
                time.sleep(0.1)
        finally:
            loop.terminate()
            loop.wait()
        self.assertEqual((done.stderr + log.read_text()).count("this one waits"), 1)
        for made in self.made():
            verified = self.backup("verify", made.name)
            self.assertEqual(verified.returncode, 0, verified.stderr)

    def lose_everything(self) -> None:
        as_superuser = house_psql("postgres", "postgres", "postgres")
        for name in ("synapse", "meta", "tributary"):
            for sql in (f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}"):
                done = as_superuser(sql)
                self.assertEqual(done.returncode, 0, done.stderr)
        house.make_databases()
        shutil.rmtree(house.dir / "data" / "synapse" / "media")
        for found in (house.dir / "data" / "tributary").iterdir():
            shutil.rmtree(found)

    def refuse_what_is_broken(self, newest: Path) -> None:
        """A byte of a dump is another one: nothing is touched."""
        dump = newest / "meta.dump"
        whole = dump.read_bytes()
        for broken in (whole[:-1], whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:], None):
            dump.unlink()
            if broken is not None:
                dump.write_bytes(broken)
            for command in ("verify", "restore"):
                refused = self.backup(command, newest.name)
                self.assertEqual(refused.returncode, 1, refused.stderr)
                self.assertIn("is not what was written", refused.stderr)
        dump.write_bytes(whole)
        self.assertFalse((house.dir / "data" / "synapse" / "media").exists())
        tables = house_psql("synapse", "synapse-database", "synapse")("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        self.assertEqual(tables.stdout.strip(), "0")

    def copy_nothing_again(self) -> None:
        """What was restored is as old as its copy: the next backup has no media to copy."""
        def copies() -> dict[Path, int]:
            found = (self.backups / "media").rglob("*")
            # What is copied is another file.
            return {file: file.stat().st_ino for file in found if file.is_file()}

        before = copies()
        self.assertTrue(before)
        done = self.backup("once")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(copies(), before)

    def test_what_cannot_be_packed_is_said(self) -> None:
        failed = self.backup("once", BACKUP_FILES=f"{house.dir}/config {house.dir}/gone")
        self.assertEqual((failed.returncode, self.made()), (1, []))
        self.assertIn("gone", failed.stderr)
        self.assertIn("cannot be packed whole", failed.stderr)

    def test_what_is_not_there_is_not_restored(self) -> None:
        for name in ("newest", "20200101T000000Z", ""):
            refused = self.backup("restore", name)
            self.assertEqual(refused.returncode, 1, name)
            self.assertIn("there is no backup", refused.stderr)
        self.assertEqual(self.backup("restore").returncode, 2)


def house_psql(role: str, secret: str, database: str):  # noqa: ANN201
    """A shell at the database, for one statement."""
    env = {"PATH": "/usr/bin:/bin", "PGPASSWORD": house.secret(secret)}
    command = ["psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(house.ports["postgres"]), "-U", role, database]
    return lambda sql: subprocess.run([*command, "-c", sql], env=env, text=True, capture_output=True, check=False)


if __name__ == "__main__":
    unittest.main()
