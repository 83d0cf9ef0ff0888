"""A Tributary that is killed, frozen and started again, with a right or a wrong clock."""

import os
import signal
import subprocess
import threading
from pathlib import Path

from http_json import call, eventually

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


class Replica:
    """One of the two; whoever ends by itself is started again, as systemd would."""

    def __init__(self, name: str, program: Path, config: Path, log: Path, port: int, settings: dict[str, str]) -> None:
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        self._command, self._log = [str(program), "run", "--config", str(config)], log
        self._settings = {"TRIBUTARY__SERVER__BIND": f"127.0.0.1:{port}", **settings}
        self._process: subprocess.Popen | None = None
        self._lock = threading.Lock()
        self._wanted = False
        self.ended_by_itself = 0

    def start(self, skew_seconds: int = 0) -> None:
        """Starts it; does not wait for it."""
        env = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **self._settings}
        if skew_seconds:
            env |= skewed(skew_seconds)
        with self._lock, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            self._wanted = True

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; one that ends it is waited for."""
        with self._lock:
            ends = number in (signal.SIGKILL, signal.SIGTERM)
            self._wanted = self._wanted and not ends
            if self._process and self._process.poll() is None:
                self._process.send_signal(number)
                if ends:
                    try:
                        self._process.wait(15)
                    except subprocess.TimeoutExpired:
                        self._process.kill()
                        self._process.wait()

    def revive(self) -> None:
        """Starts it again if it has ended although nobody asked for that."""
        with self._lock:
            is_gone = self._wanted and self._process is not None and self._process.poll() is not None
        if is_gone:
            self.ended_by_itself += 1
            self.start()

    def wait_ready(self, patience: float = 120) -> None:
        """Until it serves."""
        eventually(f"{self.name} is ready", patience, lambda: call("GET", f"{self.url}/readyz", patience=2)[0] == 200)


def skewed(seconds: int) -> dict[str, str]:
    """The environment of a process whose wall clock is wrong; its timers are right."""
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
