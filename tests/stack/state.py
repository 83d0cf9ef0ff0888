"""stack.json: what a stack is and which of its processes run."""

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path


class StackError(Exception):
    """Something a person can act on; shown without a traceback."""


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, all or nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    os.replace(temporary, path)


class Stack:
    """One stack's directory and the contents of its stack.json."""

    def __init__(self, directory: Path):
        self.dir = directory
        self.path = directory / "stack.json"
        if not self.path.exists():
            raise StackError(f"{directory} has no stack.json: run 'stack.py init --dir {directory}' first")
        self.data = json.loads(self.path.read_text())

    @contextmanager
    def _locked(self):
        with open(self.dir / ".stack.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def update(self, change: Callable[[dict], None]) -> None:
        """Changes stack.json under a lock, since components may be started side by side."""
        with self._locked():
            self.data = json.loads(self.path.read_text())
            change(self.data)
            write_private(self.path, json.dumps(self.data, indent=2) + "\n")

    def log(self, component: str) -> Path:
        """Where a component's output goes."""
        return self.dir / "logs" / f"{component}.log"
