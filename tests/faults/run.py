"""One run: traffic, readers and faults at once; then calm; then the comparison."""

import time

import judge
from cast import Cast
from house import House
from http_json import eventually
from mischief import Fault, Mischief
from reader import Reader, position_of
from traffic import Traffic
from truth import Truth, truth_of
from verdict import Verdict

# Seconds: how long it may take until nothing is on its way, and how long it stays wrong before that is the verdict.
READERS, GIVEN_UP_AFTER, RECONCILE_EVERY = 2, 40, 10
# The homeserver waits for up to 512 s before it tries a push again that has failed nine times.
SETTLED = 660
# Seconds for which a push is in the homeserver's hands, and nothing says that it will be tried again.
KEPT_BACK = 10


class Run:
    """Everything of one run."""

    def __init__(self, house: House, seed: int, say) -> None:
        self.house, self._seed, self.say = house, seed, say
        self.cast = Cast(house)
        self.traffic: Traffic | None = None
        self.mischief: Mischief | None = None
        self.readers: list[Reader] = []
        self.starts: dict[str, int] = {}
        self.heads: dict[str, int] = {}
        self.truths: dict[str, Truth] = {}
        self.seconds = self.settling = 0.0
        self.unknown_to_homeserver = 0
        self._at_rest_since: float | None = None

    def prepare(self) -> None:
        """People, rooms, links, and pages that read from here on."""
        self.say("people and rooms")
        self.cast.enter()
        self.traffic = Traffic(self.cast, self._seed)
        for person in self.cast.customers:
            start = self.cast.cursor(person)
            self.starts[person.user_id] = position_of(start)
            self.readers += [
                Reader(f"{person.name}'s page {nth}", person.user_id, self.house.links.all["sockets"].port,
                       self.house.token, start, self.cast.forbidden(person), self._seed)
                for nth in range(1, READERS + 1)]

    def go(self, faults: list[Fault], seconds: float) -> Verdict:
        """Breaks, mends, waits and compares."""
        begun = time.monotonic()
        self.mischief = Mischief(self.house, faults, self.say)
        self.traffic.start(seconds)
        for reader in self.readers:
            reader.start()
        self.mischief.run(begun, begun + seconds, faults)
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
        self.traffic.stop()
        self.seconds = time.monotonic() - begun
        return self.settle()

    def settle(self) -> Verdict:
        """All is well again: what was missed comes in, and then nothing may be wrong."""
        begun = time.monotonic()
        self.say("calm")
        self._mend()
        deadline, asked, verdict, same_since = begun + SETTLED, 0.0, None, begun
        while time.monotonic() < deadline:
            if time.monotonic() - asked > RECONCILE_EVERY:
                eventually("rooms are compared", 60, self._reconcile)
                asked = time.monotonic()
            if not self.is_quiet():
                self.push_what_is_kept_back()
                time.sleep(0.5)
                continue
            before, verdict = verdict, self._compare()
            if verdict.is_clean:
                break
            if before is None or before.wrong != verdict.wrong:
                same_since = time.monotonic()
                self.say(f"not yet: { {kind: len(found) for kind, found in verdict.wrong.items() if found} }")
            if time.monotonic() - same_since > GIVEN_UP_AFTER:
                break
            time.sleep(2)
        self.settling = time.monotonic() - begun
        if verdict is None or not self.truths:
            verdict = self._compare()
            verdict.add("lost", f"not quiet within {SETTLED} s: {self.busy()}")
        self._streams(verdict)
        return verdict

    def _mend(self) -> None:
        for link in self.house.links.all.values():
            link.set("pass")
        for component in ("postgres", "synapse", "switch", "bridge"):
            self.house.up(component)
        self.house.up("postgres", self.house.inner)
        self.house.switch("pass")
        for replica in self.house.replicas:
            replica.wait_ready()

    def _reconcile(self) -> bool:
        self.house.api("POST", "/api/admin/rooms/reconcile", self.cast.facts["admin_api_key"], {})
        return True

    def is_quiet(self) -> bool:
        """Whether nothing is on its way."""
        try:
            return not any(self.busy().values())
        except RuntimeError:
            return False

    def push_what_is_kept_back(self) -> None:
        """What the homeserver was just pushing when it was killed, or made in the moment in which it found the replicas
        up again, it keeps to itself until the next push that fails. So that one fails here."""
        try:
            is_kept_back = self.busy()["pushes"] > 0 and not self._is_down()
        except RuntimeError:
            return
        if not is_kept_back:
            self._at_rest_since = None
            return
        self._at_rest_since = self._at_rest_since or time.monotonic()
        if time.monotonic() - self._at_rest_since < KEPT_BACK:
            return
        self.say("a push is kept back: the next one fails")
        self.house.switch("drop-response")
        try:
            # A push that hangs is given up after a minute.
            eventually("a push fails", 90, self._fails_a_push, every=1)
        finally:
            self.house.switch("pass")
        self.truths, self._at_rest_since = {}, None

    def _fails_a_push(self) -> bool:
        self.traffic.say(self.cast.room("shared"), 1)
        return self._is_down()

    def _is_down(self) -> bool:
        """Whether the homeserver tries again by itself what it could not push."""
        return bool(self.house.homeserver_sql(
            "SELECT 1 FROM application_services_state WHERE as_id = 'tributary' AND state = 'down'"))

    def busy(self) -> dict[str, int]:
        """What is still on its way: pushes that the homeserver retries, and jobs."""
        pushes = self.house.homeserver_sql("SELECT count(*) FROM application_services_txns WHERE as_id = 'tributary'")
        jobs = self.house.sql("SELECT kind, count(*) FROM tributary.jobs"
                              " WHERE state IN ('queued', 'running', 'waiting')"
                              " AND kind IN ('discover', 'backfill', 'reconcile', 'refold', 'discover_bridge')"
                              " GROUP BY kind")
        return {"pushes": pushes[0][0], **dict(jobs)}

    def _compare(self) -> Verdict:
        """The tables and the answers. The homeserver changes nothing any more."""
        verdict = Verdict()
        if not self.truths:
            self.truths = {room.room_id: truth_of(self.cast, room, self.traffic.edits) for room in self.cast.rooms}
        judge.tables(self.cast, self.truths, verdict)
        self.answered = judge.answers(self.cast, self.truths, verdict)
        return verdict

    def _streams(self, verdict: Verdict) -> None:
        self.heads = {person.user_id: position_of(self.cast.cursor(person)) for person in self.cast.customers}
        for reader in self.readers:
            reader.finish(self.heads[reader.user_id], 120)
        judge.sockets(self.cast, self.truths, self.readers, self.starts, self.heads, self.answered, verdict)
        judge.nobodys(self.cast, verdict)
        if not verdict.is_clean:
            # For whoever looks for the cause: the cluster goes with its disk.
            (self.house.run / "tributary.sql").write_bytes(b"".join(self.house.dump()))
