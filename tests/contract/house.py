"""The program with customers and content: everything came in the way it does in earnest."""

import json
import os
import secrets
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
from content import CUSTOMERS, ROOMS, everything
from homeserver import BOT, Homeserver

PATIENCE = 120
BATCH = 100


class House:
    """A Tributary of its own, on a database of its own; a context that leaves nothing behind."""

    def __init__(self, program: Path, postgres: str) -> None:
        self.program, self._postgres = program.resolve(), postgres
        self.keys = {name: secrets.token_hex(16) for name in ("admin", "manager", "bridge")}
        self._database = f"contract_{secrets.token_hex(8)}"
        self.database_url = urlunsplit(urlsplit(postgres)._replace(path=f"/{self._database}"))
        bind = f"127.0.0.1:{free_port()}"
        self.url = f"http://{bind}"
        self._homeserver = Homeserver(ROOMS)
        self._folder = tempfile.TemporaryDirectory(prefix="tributary-contract-")
        self._process: subprocess.Popen | None = None
        folder = Path(self._folder.name)
        run = subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-out", folder / "dev.key"])
        run.check_returncode()
        config = self._config(bind)
        # YAML, as all JSON is.
        (folder / "config.yaml").write_text(json.dumps(config))
        self._environment = os.environ | {"TRIBUTARY_CONFIG": str(folder / "config.yaml")}

    def _config(self, bind: str) -> dict:
        ghosts = r"@facebook_(?<id>.+):lab\.local"
        endless = 1_000_000
        return {
            "server": {"bind": bind, "public_url": self.url},
            "homeserver": {"url": self._homeserver.url, "server_name": "lab.local"},
            "bridges": [{
                "id": "meta", "network": "facebook", "bot": BOT, "ghosts": ghosts, "as_token": self.keys["bridge"],
            }],
            "database": {"url": self.database_url},
            "clerk": {
                "development_key_file": "dev.key",
                "webhook_secret": "whsec_" + "c2VjcmV0LXRoYXQtaXMtbG9uZy1lbm91Z2g=",
            },
            "manager": {"api_key": self.keys["manager"], "ownership_proof": "trusted"},
            "admin": {"api_key": self.keys["admin"]},
            "limits": {"per_ip_per_second": endless, "per_user_per_second": endless, "burst": endless},
            "log": {"filter": "warn"},
        }

    def __enter__(self) -> "House":
        try:
            self._sql(f"CREATE DATABASE {self._database} TEMPLATE template0 LOCALE 'C.UTF-8'", self._postgres)
            self.run("generate-registration")
            self._start()
            self._link()
            self._fill()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()
        self._homeserver.stop()
        self._sql(f"DROP DATABASE IF EXISTS {self._database} WITH (FORCE)", self._postgres)
        self._folder.cleanup()

    def log(self) -> str:
        """What the program said."""
        return (Path(self._folder.name) / "log").read_text()

    def run(self, *command: str) -> str:
        """Runs a command of the program; what it prints."""
        done = subprocess.run(
            [self.program, *command], env=self._environment, cwd=self._folder.name, capture_output=True, text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stderr}")
        return done.stdout.strip()

    def token(self, user_id: str) -> str:
        """A session token, as long as one may live."""
        return self.run("dev-token", "--user", user_id, "--ttl", "600")

    def call(self, method: str, path: str, key: str, body: object = None) -> tuple[int, object]:
        """Asks the program; status and JSON."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null")

    def get(self, path: str, key: str) -> dict:
        """What is answered to a GET that must succeed."""
        status, answer = self.call("GET", path, key)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {answer}")
        return answer

    def _start(self) -> None:
        log = (Path(self._folder.name) / "log").open("w")
        self._process = subprocess.Popen(
            [self.program, "run"], env=self._environment, cwd=self._folder.name, stdout=log, stderr=log,
        )

        def is_ready() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(self.log())
            try:
                return self.call("GET", "/readyz", "")[0] == 200
            except OSError:
                return False

        eventually("the program is ready", is_ready)

    def _link(self) -> None:
        for matrix_user_id, (user_id, remote_id) in CUSTOMERS.items():
            body = {"userId": user_id, "matrixUserId": matrix_user_id, "bridgeUserId": remote_id}
            status, answer = self.call("POST", "/api/admin/connections", self.keys["admin"], body)
            assert status == 200, answer

    def _fill(self) -> None:
        events = everything()
        # The first of a room says that there is one; what follows is kept once it is known whose it is.
        self._push({event["room_id"]: event for event in reversed(events)}.values(), 0)
        for user_id, _ in CUSTOMERS.values():
            token = self.token(user_id)
            eventually("the rooms are there", lambda: self.get("/api/conversations", token)["items"])
        token = self.token("user_alice")
        eventually("all of them", lambda: len(self.get("/api/conversations", token)["items"]) == 3)
        for nth in range(0, len(events), BATCH):
            self._push(events[nth : nth + BATCH], nth + 1)

    def _push(self, events, transaction: int) -> None:
        registration = (Path(self._folder.name) / "registration.yaml").read_text()
        key = next(line.split()[1] for line in registration.splitlines() if line.startswith("hs_token:"))
        path = f"/_matrix/app/v1/transactions/{quote(str(transaction))}"
        status, answer = self.call("PUT", path, key, {"events": list(events)})
        assert status == 200, answer

    @staticmethod
    def _sql(statement: str, url: str) -> None:
        conn = psycopg2.connect(url)
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute(statement)
        conn.close()


def eventually(what: str, is_so) -> None:
    """Waits until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {PATIENCE} seconds")
        time.sleep(0.05)


def free_port() -> int:
    """One that nobody listens at, below the range that outgoing connections take theirs from."""
    while True:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
