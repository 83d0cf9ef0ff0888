"""All that the suite stands on: two stacks, two replicas, and the links between them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg2

from http_json import must
from links import Links
from replica import Replica

STACK = Path(__file__).resolve().parent.parent / "stack"
sys.path.insert(0, str(STACK))
import configs  # noqa: E402
import postgres  # noqa: E402
import processes  # noqa: E402
from state import Stack  # noqa: E402

DISK = "448m"
ENDLESS = "1000000"


class House:
    """A context: everything runs inside it, and nothing is left behind but logs when `keep` is set."""

    def __init__(self, run: Path, cache: Path, program: Path, seed: int) -> None:
        self.run, self.cache, self.program, self.keep = run, cache, program.resolve(), False
        self.outer, self.inner = run / "homeserver", run / "database"
        self.links = Links(seed)
        self.disk: Path | None = None
        self.cluster: Path | None = None
        self.replicas: list[Replica] = []
        self._tokens: dict[str, tuple[float, str]] = {}
        self._lock, self._ends = threading.Lock(), threading.Event()

    def __enter__(self) -> "House":
        try:
            self._start()
        except BaseException:
            self.keep = True
            self.__exit__()
            raise
        return self

    def __exit__(self, kind: type | None = None, *_: object) -> None:
        self.keep = self.keep or kind is not None
        self._ends.set()
        for replica in self.replicas:
            replica.signal(signal.SIGCONT)
            replica.signal(signal.SIGKILL)
        for directory in (self.outer, self.inner):
            if directory.exists():
                self.stack("down", directory, check=False)
        if self.disk:
            subprocess.run(["umount", self.disk], check=False)
        if self.cluster:
            shutil.rmtree(self.cluster, ignore_errors=True)
        data = self.facts["postgres"].get("data_dir") if (self.outer / "stack.json").exists() else None
        if data and not self.keep:
            shutil.rmtree(data, ignore_errors=True)
        if not self.keep:
            shutil.rmtree(self.run, ignore_errors=True)

    @property
    def facts(self) -> dict:
        """stack.json of the homeserver's side."""
        return json.loads((self.outer / "stack.json").read_text())

    def stack(self, command: str, directory: Path, *more: str, check: bool = True) -> str:
        """A command of the stack, as a process of its own: it wants a main thread."""
        done = subprocess.run([sys.executable, STACK / "stack.py", command, "--dir", directory, *more],
                              capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"stack {command} {' '.join(more)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def up(self, component: str, directory: Path | None = None, patience: float = 240) -> None:
        """Starts a component, however often its start fails because of what else is broken."""
        deadline = time.monotonic() + patience
        while True:
            try:
                self.stack("up", directory or self.outer, component)
                return
            except RuntimeError:
                if time.monotonic() > deadline or self._ends.is_set():
                    raise
                time.sleep(0.3)

    def kill(self, component: str, directory: Path | None = None, number: int = signal.SIGKILL) -> None:
        """A component's main process is gone."""
        entry = Stack(directory or self.outer).data["pids"].get(component)
        if processes.alive(entry):
            os.kill(entry["pid"], number)

    def switch(self, mode: str) -> None:
        """What becomes of the homeserver's pushes."""
        body = {"mode": mode} | ({"classes": ["transactions"]} if mode != "pass" else {})
        must("PUT", self.facts["switch"]["control_url"] + "/mode", "", body)

    def pushes(self) -> list[dict]:
        """What came through to the replicas of the homeserver's pushes, and what they answered."""
        return must("GET", self.facts["switch"]["control_url"] + "/pushes")

    def sql(self, statement: str, parameters: tuple = (), patience: int = 20) -> list[tuple]:
        """Asks Tributary's database as its superuser, around all links."""
        return _sql(self._database("postgres"), statement, parameters, patience)

    def homeserver_sql(self, statement: str) -> list[tuple]:
        """Asks the homeserver's database."""
        return _sql(self.facts["postgres"]["admin_url"].rsplit("/", 1)[0] + "/synapse", statement, (), 20)

    def token(self, user_id: str) -> str:
        """A session token with some minutes left."""
        with self._lock:
            made, token = self._tokens.get(user_id, (-1e9, ""))
            if time.monotonic() - made > 240:
                token = subprocess.run(
                    [self.program, "dev-token", "--config", self.outer / "tributary.yaml", "--user", user_id,
                     "--ttl", "600"], capture_output=True, text=True, check=True).stdout.strip()
                self._tokens[user_id] = (time.monotonic(), token)
            return token

    def api(self, method: str, path: str, key: str, body: object = None, patience: float = 30) -> dict:
        """Asks the first replica, which must answer."""
        return must(method, self.replicas[0].url + path, key, body, patience)

    def dump(self):
        """All of Tributary's database, line by line."""
        process = subprocess.Popen([postgres.programs() / "pg_dump", "--data-only", self._database("postgres")],
                                   stdout=subprocess.PIPE)
        yield from process.stdout
        if process.wait():
            raise RuntimeError("pg_dump failed")

    def _database(self, role: str, port: int | None = None) -> str:
        at = Stack(self.inner).data["postgres"]
        return f"postgres://{role}:{at[f'{role}_password']}@127.0.0.1:{port or at['port']}/tributary"

    def _start(self) -> None:
        port = self.links.add("pushes")
        self.stack("init", self.inner, "--cache", str(self.cache))
        self._mount()
        # It listens before the other stack looks for ports that are free.
        self.stack("up", self.inner, "postgres")
        self.stack("init", self.outer, "--cache", str(self.cache), "--with-switch", "--tributary-port", str(port))
        config = self.outer / "tributary.yaml"
        subprocess.run([self.program, "generate-registration", "--config", config], check=True, capture_output=True)
        # Little to keep, so that the disk is small and full soon.
        for setting in ("max_wal_size = '80MB'", "min_wal_size = '32MB'", "deadlock_timeout = '500ms'"):
            self.sql(f"ALTER SYSTEM SET {setting}")
        self.sql("SELECT pg_reload_conf()")
        self.stack("up", self.outer, "postgres", "synapse", "switch")
        self._replicas(config)
        self.stack("up", self.outer, "bridge")

    def _mount(self) -> None:
        """The cluster's disk: small, and its own. Whoever may not mount has none that can be filled."""
        self.cluster = Path(tempfile.mkdtemp(prefix="tributary-faults-"))
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", self.cluster],
                                 capture_output=True, check=False)
        self.disk = self.cluster if mounted.returncode == 0 else None
        # Somebody else's processes have to get through to their own directory.
        self.cluster.chmod(0o711)
        data = self.cluster / "data"
        data.mkdir(mode=0o700)
        owner = postgres.owner()
        if owner:
            os.chown(data, owner["user"], owner["group"])
        Stack(self.inner).update(lambda whole: whole["postgres"].update({"data_dir": str(data)}))

    def _replicas(self, config: Path) -> None:
        synapse = int(self.facts["synapse_url"].rsplit(":", 1)[1])
        database = Stack(self.inner).data["postgres"]["port"]
        # The bridge comes up after them, and has its two already.
        bridges = {int(self.facts["bridge"][name].rsplit(":", 1)[1]) for name in ("url", "control_url")}
        ports = [port for port in configs.free_ports(4) if port not in bridges][:2]
        for index, port in enumerate(ports, 1):
            asks, sql = self.links.add(f"asks {index}", synapse), self.links.add(f"sql {index}", database)
            self.replicas.append(Replica(
                f"replica {index}", self.program, config, self.outer / "logs" / f"replica-{index}.log", port, {
                    "TRIBUTARY__HOMESERVER__URL": f"http://127.0.0.1:{asks}",
                    "TRIBUTARY__DATABASE__URL": self._database("tributary", sql),
                    "TRIBUTARY__LIMITS__PER_IP_PER_SECOND": ENDLESS,
                    "TRIBUTARY__LIMITS__PER_USER_PER_SECOND": ENDLESS,
                    "TRIBUTARY__LIMITS__BURST": ENDLESS,
                    "TRIBUTARY__LOG__FORMAT": "json",
                }))
        self.links.add("sockets", *ports)
        self.links.all["pushes"].lead_to(ports)
        for replica in self.replicas:
            replica.start()
        for replica in self.replicas:
            replica.wait_ready()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._ends.wait(0.5):
            for replica in self.replicas:
                replica.revive()


def _sql(url: str, statement: str, parameters: tuple, patience: int) -> list[tuple]:
    try:
        with closing(psycopg2.connect(url, connect_timeout=30, options=f"-c statement_timeout={patience}s")) as conn:
            conn.autocommit = True
            with conn.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
    except psycopg2.Error as error:
        raise RuntimeError(f"the database: {error}") from error
