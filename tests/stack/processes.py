"""Starting, recognising and stopping processes, with nothing but pids and /proc."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from state import Stack, StackError

# A fresh Synapse makes its whole database first; on a busy machine that takes a while.
HEALTHY_WITHIN = 240.0
STOPPED_WITHIN = 15.0


def environment(home: Path, **more: str) -> dict[str, str]:
    """A small environment, without the proxies and options of whoever starts the stack."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8", **more}


def stat(pid: int) -> tuple[str, int] | None:
    """State and start time of a process; the pair of pid and start time is never used twice."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[19])


def alive(entry: dict | None) -> bool:
    """Whether the recorded process still runs and is still ours."""
    found = stat(entry["pid"]) if entry else None
    return found is not None and found[0] != "Z" and found[1] == entry["started"]


@contextmanager
def uninterrupted():
    """Holds Ctrl-C back: what was started and is not recorded would never be stopped."""
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


def start(stack: Stack, name: str, command: list, env: dict[str, str], healthy: Callable[[], bool], **options) -> None:
    """Starts a component in a session of its own and waits until it is healthy; one that runs is left alone."""
    if alive(stack.data["pids"].get(name)):
        return
    begun = time.monotonic()
    with open(stack.log(name), "ab") as log, uninterrupted():
        process = subprocess.Popen([str(part) for part in command], env=env, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True, **options)
        found = stat(process.pid)
        entry = {"pid": process.pid, "started": found[1] if found else 0}
        stack.update(lambda data: data["pids"].update({name: entry}))
    while not healthy():
        failure = None
        if process.poll() is not None:
            failure = f"ended with exit code {process.returncode}"
        elif time.monotonic() - begun > HEALTHY_WITHIN:
            failure = f"is not healthy after {HEALTHY_WITHIN:.0f} s"
            stop(stack, name, signal.SIGTERM)
        if failure:
            raise StackError(f"{name} {failure}; {tail(stack.log(name))}")
        time.sleep(0.05)
    print(f"stack: {name} is up after {time.monotonic() - begun:.1f} s", flush=True)


def stop(stack: Stack, name: str, gentle: signal.Signals) -> None:
    """Asks a component to end and makes it end when it does not."""
    entry = stack.data["pids"].get(name)
    if alive(entry):
        os.kill(entry["pid"], gentle)
        if not _gone(entry, STOPPED_WITHIN):
            print(f"stack: {name} does not stop, killing it", flush=True)
            os.killpg(entry["pid"], signal.SIGKILL)
            if not _gone(entry, STOPPED_WITHIN):
                raise StackError(f"{name} cannot be stopped, pid {entry['pid']}")
    stack.update(lambda data: data["pids"].pop(name, None))


def _gone(entry: dict, within: float) -> bool:
    deadline = time.monotonic() + within
    while alive(entry):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def status(stack: Stack, names: list[str]) -> dict:
    """What runs, and how much memory each whole process group holds."""
    report = {}
    for name in names:
        entry = stack.data["pids"].get(name)
        running = alive(entry)
        report[name] = {
            "running": running,
            "pid": entry["pid"] if running else None,
            "rss_kib": _group_rss(entry["pid"]) if running else 0,
            "log": str(stack.log(name)),
        }
    return report


def _group_rss(group: int) -> int:
    """Resident memory of a session in KiB; proportional, so that Postgres's shared pages count once."""
    total = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if int((path / "stat").read_text().rpartition(")")[2].split()[3]) != group:
                continue
            for line in (path / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except (OSError, IndexError):
            continue
    return total


def answers(url: str) -> bool:
    """Whether an HTTP GET gets a 200 at once."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def tail(path: Path, lines: int = 30) -> str:
    """The end of a log, for an error message."""
    text = path.read_text(errors="replace").splitlines()[-lines:]
    return f"the end of {path}:\n" + "\n".join(text)
