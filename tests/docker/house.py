"""What docker/setup makes, run on loopback: real Postgres, Synapse, bridge, Tributary and Caddy.

The files are those that containers get, placed by docker/place-config, with the names of the
containers replaced by addresses of this machine; the databases are made by docker/postgres.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "stack"))

import configs  # noqa: E402
import postgres  # noqa: E402
from configs import free_ports  # noqa: E402

DOCKER = ROOT / "docker"
TRIBUTARY_HOST = "tributary.example.org"
MATRIX_HOST = "matrix.example.org"
APP_ORIGIN = "https://app.example.org"
CLERK_KEY = "pk_live_Y2xlcmsuZXhhbXBsZS5vcmck"
ISSUER = "https://clerk.example.org"
STAND_IN = "server-name.example.org"
# A fresh Synapse makes its whole database first; on a busy machine that takes a while.
PATIENCE = 240.0
# Longer than the proxy gives whoever sends the head of a request.
HEARTBEAT = 12


def setup(directory: Path, *arguments: str, shell: str = "sh", **environment: str) -> subprocess.CompletedProcess:
    """Runs docker/setup."""
    return subprocess.run([*shell.split(), DOCKER / "setup", "--dir", directory, *arguments], text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, check=False,
                          env={"PATH": os.environ["PATH"], **environment})


def told(**others: str) -> list[str]:
    """The options that setup needs."""
    options = {"tributary-host": TRIBUTARY_HOST, "matrix-host": MATRIX_HOST, "app-origin": APP_ORIGIN,
               "clerk-key": CLERK_KEY, **others}
    return [part for name, value in options.items() for part in (f"--{name}", value)]


class House:
    """All of it; `close` leaves nothing behind."""

    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="tributary-docker-"))
        self.dir.chmod(0o711)
        self.program = Path(os.environ["TRIBUTARY_TEST_PROGRAM"]).resolve()
        self.cache = Path(os.environ["TRIBUTARY_TEST_CACHE"]).resolve()
        names = ("postgres", "synapse", "meta", "control", "tributary", "operator", "https", "http", "health")
        # `_local` puts them in place of the containers', one after the other: none may be one of those.
        while {8008, 29319, 29330, 29331} & set(ports := free_ports(len(names))):
            pass
        self.ports = dict(zip(names, ports, strict=True))
        self.server_name = f"localhost:{self.ports['https']}"
        self._running: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "House":
        try:
            done = setup(self.dir, *told(), "--server-name", STAND_IN)
            assert done.returncode == 0, done.stderr
            self._place()
            self._clerk_key()
            self._postgres()
            self.start_synapse()
            self.start_tributary()
            self.start_proxy()
            self.start_bridge()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops everything, the last one started first, and forgets it."""
        for name in reversed(list(self._running)):
            self.stop(name)
        shutil.rmtree(self.dir, ignore_errors=True)

    def secret(self, name: str) -> str:
        """One that setup made."""
        return (self.dir / "config" / "secrets" / name).read_text().strip()

    def log(self, name: str) -> str:
        """What a program has said so far."""
        return (self.dir / f"{name}.log").read_text(errors="replace")

    # What containers get.

    def _place(self) -> None:
        to, data, tools = self.dir / "to", self.dir / "data", self.dir / "tools"
        for folder in [*(to / name for name in ("synapse", "meta", "tributary")),
                       *(data / name for name in ("synapse", "tributary", "caddy"))]:
            folder.mkdir(parents=True)
        env = {"PATH": os.environ["PATH"], "FROM": str(self.dir / "config"), "TO": str(to), "DATA": str(data)}
        # Here all of it is run by one user: who would own it is tested for itself.
        tools.mkdir()
        (tools / "chown").write_text("#!/bin/sh\n")
        (tools / "chown").chmod(0o755)
        env["PATH"] = f"{tools}:{env['PATH']}"
        subprocess.run(["sh", DOCKER / "place-config"], env=env, check=True)
        for file in [file for file in to.rglob("*") if file.is_file()]:
            file.parent.chmod(0o700)
            file.chmod(0o600)
            file.write_text(self._local(file))

    def _local(self, file: Path) -> str:
        """A file with addresses of this machine."""
        ports, text = self.ports, file.read_text()
        for name, port in (("synapse", 8008), ("meta", 29319), ("tributary", 29330)):
            text = text.replace(f"http://{name}:{port}", f"http://127.0.0.1:{ports[name]}")
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{ports[name]}").replace(f"port: {port}", f"port: {ports[name]}")
        text = text.replace("0.0.0.0:29331", f"127.0.0.1:{ports['operator']}").replace("0.0.0.0", "127.0.0.1")
        text = text.replace("@postgres/", f"@127.0.0.1:{ports['postgres']}/")
        text = text.replace("host: postgres\n", f"host: 127.0.0.1\n    port: {ports['postgres']}\n")
        text = text.replace("/config/", f"{file.parent}/").replace("/data", f"{self.dir}/data/{file.parent.name}")
        # The proxy's address.
        text = text.replace("172.31.93.2", "127.0.0.1")
        for quoted in (str, lambda name: name.replace(".", "\\.")):
            text = text.replace(quoted(STAND_IN), quoted(self.server_name))
        return text

    def _clerk_key(self) -> None:
        """A key in place of Clerk's."""
        configs.write_development_key(self.dir / "clerk.key")
        public = ["openssl", "pkey", "-in", self.dir / "clerk.key", "-pubout", "-out", self.dir / "clerk.pub"]
        subprocess.run(public, check=True)

    # The programs.

    def start(self, name: str, command: list, ready: list | None = None, cwd: Path | None = None, **more: object) -> None:
        """Starts one and waits until a command says that it is ready."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "LANG": "C.UTF-8", **more.pop("env", {})}
        with open(self.dir / f"{name}.log", "ab") as log:
            self._running[name] = subprocess.Popen(command, env=env, cwd=cwd or self.dir, stdin=subprocess.DEVNULL,
                                                   stdout=log, stderr=log, **more)
        deadline = time.monotonic() + PATIENCE
        while ready and subprocess.run(ready, env=env, capture_output=True, check=False).returncode != 0:
            if self._running[name].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{name} did not start: {self.log(name)[-3000:]}")
            time.sleep(0.1)

    def stop(self, name: str) -> int:
        """Stops one; its exit code."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _postgres(self) -> None:
        tools, ours = postgres.programs(), postgres.owner()
        home, port = self.dir / "postgres", self.ports["postgres"]
        home.mkdir(mode=0o700)
        password = self.dir / "postgres-password"
        password.write_text(self.secret("postgres"))
        if ours:
            os.chown(home, ours["user"], ours["group"])
            os.chown(password, ours["user"], ours["group"])
        arguments = os.environ.get("TRIBUTARY_TEST_INITDB", "--encoding=UTF8 --locale=C --data-checksums").split()
        subprocess.run([tools / "initdb", "-D", home, "-U", "postgres", "-A", "scram-sha-256",
                        f"--pwfile={password}", *arguments], check=True, capture_output=True, cwd=home, **ours)
        at = self._at()
        self.start("postgres", [tools / "postgres", "-D", home, "-p", str(port), "-c", "listen_addresses=127.0.0.1",
                                "-c", "unix_socket_directories="],
                   [tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], cwd=home, env=at, **ours)
        self.make_databases()

    def _at(self) -> dict[str, str]:
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.ports["postgres"])}

    def make_databases(self) -> None:
        """As the container does when its cluster is made."""
        passwords = dict(line.split("=") for line in (self.dir / "config" / "postgres.env").read_text().split())
        env = {"PATH": f"{postgres.programs()}:{os.environ['PATH']}", "PGPASSWORD": self.secret("postgres"), **self._at(), **passwords}
        subprocess.run([DOCKER / "postgres" / "databases.sh"], env=env, check=True)

    def start_synapse(self) -> None:
        """Synapse."""
        home = self.dir / "to" / "synapse"
        self.start("synapse", [self.cache / "venv" / "bin" / "python", "-m", "synapse.app.homeserver", "--config-path",
                               home / "homeserver.yaml"],
                   answers(f"http://127.0.0.1:{self.ports['synapse']}/health"), cwd=self.dir / "data" / "synapse")

    def start_tributary(self, *, wait: bool = True) -> None:
        """Tributary; whether it is ready says its own health check."""
        env = {"TRIBUTARY_CONFIG": str(self.dir / "to" / "tributary" / "config.yaml"),
               "TRIBUTARY__CLERK__JWT_KEY_FILE": str(self.dir / "clerk.pub"),
               "TRIBUTARY__WEBSOCKET__HEARTBEAT_SECONDS": str(HEARTBEAT)}
        self.start("tributary", [self.program, "run"], [self.program, "healthcheck"] if wait else None, env=env)

    def start_proxy(self) -> None:
        """Caddy, with certificates of its own making."""
        upstreams = {name: f"127.0.0.1:{self.ports[name]}" for name in ("synapse", "meta", "tributary")}
        env = caddy_environment(self.dir, self.ports, upstreams, "localhost")
        self.start("proxy", CADDY, answers(f"http://127.0.0.1:{self.ports['health']}/"), env=env)

    def start_bridge(self) -> None:
        """The bridge."""
        env = {"BRIDGE_CONTROL_ADDR": f"127.0.0.1:{self.ports['control']}", "SSL_CERT_FILE": str(self.dir / CA)}
        config = self.dir / "to" / "meta" / "config.yaml"
        self.start("bridge", [self.cache / "bin" / "bridge", "--config", config, "--no-update"],
                   answers(f"http://127.0.0.1:{self.ports['meta']}/_matrix/mau/ready"), env=env)


CADDY = ["caddy", "run", "--config", str(DOCKER / "Caddyfile"), "--adapter", "caddyfile"]
# Where Caddy keeps the authority that it made.
CA = Path("caddy") / "caddy" / "pki" / "authorities" / "local" / "root.crt"


def caddy_environment(directory: Path, ports: dict, upstreams: dict, matrix_host: str) -> dict[str, str]:
    """What compose.yaml gives the proxy, for this machine."""
    options = ["local_certs", f"https_port {ports['https']}", f"http_port {ports['http']}",
               "default_bind 127.0.0.1"]
    return {"TRIBUTARY_HOST": TRIBUTARY_HOST, "MATRIX_HOST": matrix_host, "PROXY_OPTIONS": "\n".join(options),
            "SYNAPSE": upstreams["synapse"], "BRIDGE": upstreams["meta"], "TRIBUTARY": upstreams["tributary"],
            "HEALTH_PORT": str(ports["health"]), "XDG_DATA_HOME": str(directory / "caddy"),
            "XDG_CONFIG_HOME": str(directory / "caddy-config")}


def answers(url: str) -> list:
    """A command that succeeds when this address answers."""
    return ["curl", "-fsS", "--noproxy", "*", "--max-time", "3", "-o", "/dev/null", url]
