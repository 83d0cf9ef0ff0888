"""What is broken, when and for how long: all of it follows from the seed."""

import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from house import House
from links import MODES
from replica import FAKETIME

from http_json import eventually

AT_ONCE, GAP, LASTS = 3, (0.3, 3.0), (1.0, 6.0)
# Seconds by which a clock is wrong. Ten minutes are where a message counts as history.
SKEW = 590
KINDS = {
    "replica killed": 14, "replica stopped gently": 4, "replica frozen": 7, "replica's clock wrong": 5,
    "database killed": 5, "database stopped at once": 5, "disk full": 4, "no connections left": 4, "pool exhausted": 5,
    "homeserver killed": 4, "homeserver's database killed": 2, "bridge killed": 4,
    "push cut": 5, "push answers lost": 6, "push hangs": 3, "link to homeserver": 6, "link to database": 10,
    "link to sockets": 6,
}


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    at: float
    kind: str
    which: int
    mode: str
    lasts: float
    skew: int

    @property
    def target(self) -> str:
        """Of what cannot be broken twice at once."""
        by_replica = ("replica", "link to homeserver", "link to database")
        name = next((part for part in by_replica if self.kind.startswith(part)), None)
        if name:
            return f"{name} {self.which}"
        if self.kind.startswith("push"):
            return "push"
        return "database" if self.kind in ("database killed", "database stopped at once", "disk full",
                                           "no connections left", "pool exhausted") else self.kind

    def __str__(self) -> str:
        mode = f" {self.mode}" if self.kind.startswith("link") or self.kind == "push cut" else ""
        which = f" {self.which}" if self.target.endswith(str(self.which)) else ""
        return f"{self.at:7.1f} s {self.kind}{which}{mode} for {self.lasts:.1f} s"


def schedule(seed: int, seconds: float, without: set[str]) -> list[Fault]:
    """The same for the same arguments. At first everything once, in some order."""
    dice, faults, at = random.Random(seed), [], 0.0
    kinds = [kind for kind in KINDS if kind not in without]
    first = random.Random(seed).sample(kinds, len(kinds))
    while at < seconds:
        kind = first.pop() if first else dice.choices(kinds, [KINDS[kind] for kind in kinds])[0]
        mode = dice.choice(MODES[1:] + ("reset",))
        faults.append(Fault(at, kind, dice.choice((1, 2)), mode, dice.uniform(*LASTS),
                            dice.choice((-1, 1)) * dice.randrange(60, SKEW)))
        at += dice.uniform(*GAP)
    return faults


class Mischief:
    """Carries a schedule out."""

    def __init__(self, house: House, faults: list[Fault], say) -> None:
        self._house, self._say = house, say
        self._busy = {fault.target: threading.Lock() for fault in faults}
        self._at_once = threading.Semaphore(AT_ONCE)
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []

    def run(self, begun: float, until: float, faults: list[Fault]) -> None:
        """Returns when the last one is undone. What comes too late, because others took long, is left out."""
        threads = []
        for fault in faults:
            time.sleep(max(0.0, begun + fault.at - time.monotonic()))
            self._at_once.acquire()
            if time.monotonic() > until:
                self._at_once.release()
                break
            threads.append(threading.Thread(target=self._do, args=(fault,), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join(400)

    def _do(self, fault: Fault) -> None:
        try:
            with self._busy[fault.target]:
                self._say(str(fault))
                {"replica": self._replica, "link": self._link, "push": self._push}.get(
                    fault.kind.split()[0].removesuffix("'s"), self._component)(fault)
                self.done[fault.kind] += 1
        except Exception as error:  # noqa: BLE001: a fault that cannot be done is told, whatever stands in its way
            self.failed.append(f"{fault}: {type(error).__name__} {error}")
        finally:
            self._at_once.release()

    def _replica(self, fault: Fault) -> None:
        replica = self._house.replicas[fault.which - 1]
        if fault.kind == "replica frozen":
            replica.signal(signal.SIGSTOP)
            time.sleep(fault.lasts)
            replica.signal(signal.SIGCONT)
            return
        replica.signal(signal.SIGTERM if "gently" in fault.kind else signal.SIGKILL)
        if "clock" in fault.kind:
            replica.start(fault.skew)
            time.sleep(fault.lasts + 6)
            replica.signal(signal.SIGKILL)
        else:
            time.sleep(fault.lasts / 2)
        replica.start()

    def _link(self, fault: Fault) -> None:
        names = {"link to homeserver": f"asks {fault.which}", "link to database": f"sql {fault.which}",
                 "link to sockets": "sockets"}
        self._broken(names[fault.kind], fault.mode, fault.lasts)

    def _broken(self, name: str, mode: str, lasts: float) -> None:
        link = self._house.links.all[name]
        if mode == "reset":
            link.reset()
            return
        link.set(mode)
        time.sleep(lasts)
        link.set("pass")

    def _push(self, fault: Fault) -> None:
        if fault.kind == "push cut":
            self._broken("pushes", fault.mode, fault.lasts)
            return
        self._house.switch("drop-response" if fault.kind == "push answers lost" else "hang")
        time.sleep(fault.lasts)
        self._house.switch("pass")

    def _component(self, fault: Fault) -> None:
        house = self._house
        if fault.kind in ("database killed", "database stopped at once"):
            house.kill("postgres", house.inner, signal.SIGKILL if "killed" in fault.kind else signal.SIGQUIT)
            time.sleep(fault.lasts / 2)
            house.up("postgres", house.inner)
        elif fault.kind == "disk full":
            self._fill(house.cluster / "full", fault.lasts)
        elif fault.kind == "no connections left":
            self._refuse(fault.lasts)
        elif fault.kind == "pool exhausted":
            self._hold(fault.lasts)
        else:
            name = {"homeserver killed": "synapse", "bridge killed": "bridge",
                    "homeserver's database killed": "postgres"}[fault.kind]
            house.kill(name)
            time.sleep(fault.lasts / 2)
            house.up(name)

    def _fill(self, path: Path, lasts: float) -> None:
        """Takes all that is left, again and again, as whoever fills a disk does."""
        until, piece = time.monotonic() + lasts, b"\0" * 65536
        try:
            with path.open("wb", buffering=0) as file:
                while time.monotonic() < until:
                    try:
                        file.write(piece)
                    except OSError:
                        time.sleep(0.02)
        finally:
            path.unlink()
        # It may have gone down over it.
        self._house.up("postgres", self._house.inner)

    def _refuse(self, lasts: float) -> None:
        """What max_connections answers, to this role alone, and nobody keeps what they had."""
        self._order("ALTER ROLE tributary CONNECTION LIMIT 1")
        try:
            self._order("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tributary'")
            time.sleep(lasts)
        finally:
            self._order("ALTER ROLE tributary CONNECTION LIMIT -1")

    def _order(self, statement: str) -> None:
        """Has the database do what may be done twice; it may be recovering from the fault before."""
        eventually("the database takes orders", 120, lambda: [self._house.sql(statement)])

    def _hold(self, lasts: float) -> None:
        """Whoever writes waits, until all connections of the pools do."""
        try:
            self._house.sql(f"BEGIN; LOCK TABLE tributary.stream_positions IN EXCLUSIVE MODE;"
                            f" SELECT pg_sleep({lasts:.2f}); COMMIT")
        except RuntimeError:
            # The disk or the homeserver's fault may have ended it early: then the pool is free again.
            self._say("          the lock has ended early")


def unavailable(house: House) -> dict[str, str]:
    """Which faults cannot be done here, and why."""
    missing = {}
    if house.disk is None:
        missing["disk full"] = "a tmpfs cannot be mounted (not root)"
    if not FAKETIME.exists():
        missing["replica's clock wrong"] = "libfaketime is not installed"
    return missing
