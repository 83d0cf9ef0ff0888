"""What schemathesis cannot know: who calls what, and ids and cursors that there are.

Random ids are nobody's, so most of the valid ones are exchanged for real ones; which, the random
one decides, so that the same seed asks for the same. At the end it writes down what was answered.
"""

import atexit
import json
import os
import urllib.request
import zlib
from collections import Counter
from pathlib import Path

import schemathesis
from schemathesis.core.parameters import ParameterLocation

FACTS = json.loads(os.environ["TRIBUTARY_CONTRACT"])
ANSWERED: dict[str, Counter] = {}
CANCEL = "POST /api/admin/backfill/{id}/cancel"


@schemathesis.auth(refresh_interval=None)
class Keys:
    """The key that an operation asks for. What takes everything away has a customer of its own."""

    def get(self, case, _context) -> str | None:
        scheme = next((name for one in case.operation.definition.raw.get("security", []) for name in one), None)
        return FACTS["customers"].get(case.operation.label) or FACTS["keys"].get(scheme)

    def set(self, case, key, _context) -> None:
        if key:
            case.headers["Authorization"] = f"Bearer {key}"


@schemathesis.hook
def map_case(_context, case):
    """Exchanges what is valid for what is there."""
    path = case.operation.path
    if case.operation.label == CANCEL and not has_succeeded(CANCEL):
        FACTS["ids"][path]["id"] = active_backfills()
    exchange(case.path_parameters, ParameterLocation.PATH, case, FACTS["ids"].get(path, {}))
    exchange(case.query, ParameterLocation.QUERY, case, FACTS["queries"].get(path, {}))
    for name, words in FACTS["words"].get(path, {}).items():
        if name in (case.query or {}) and is_valid(case, ParameterLocation.QUERY):
            case.query[name] = pick(case.query[name], words)
    for name, value in (case.query or {}).items():
        # Postgres' text has no NUL, so a query with one is refused; the schema does not say it.
        if isinstance(value, str) and is_valid(case, ParameterLocation.QUERY):
            case.query[name] = value.replace("\0", "")
    cursor = (case.query or {}).get("cursor")
    if cursor is not None and is_valid(case, ParameterLocation.QUERY):
        # None but the list's own is one, whatever the schema says of its characters.
        cursors = FACTS["cursors"].get(path, [])
        if cursors:
            case.query["cursor"] = pick(cursor, cursors)
        else:
            del case.query["cursor"]
    bodies = FACTS["bodies"].get(case.operation.label)
    if bodies and case.body and is_valid(case, ParameterLocation.BODY):
        strangers = [None] if has_succeeded(case.operation.label) else []
        case.body = pick(case.body, [*bodies, *strangers]) or case.body
    return case


@schemathesis.hook
def after_call(_context, case, response) -> None:
    """Counts, but what was asked with another method."""
    if response.request.method != case.operation.method.upper():
        return
    ANSWERED.setdefault(case.operation.label, Counter())[response.status_code] += 1


def active_backfills() -> list[str]:
    """A job that has not ended by the time it is cancelled: its room's history never comes."""
    request = urllib.request.Request(
        FACTS["url"] + "/api/admin/backfill", json.dumps({"roomId": FACTS["silentRoom"]}).encode(),
        {"Authorization": f"Bearer {FACTS['keys']['admin']}", "Content-Type": "application/json"}, method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [job["id"] for job in json.load(answer)["jobs"]]


@atexit.register
def write_down() -> None:
    """Tells the driver, which wants every operation to have succeeded."""
    Path(os.environ["TRIBUTARY_CONTRACT_ANSWERED"]).write_text(json.dumps(ANSWERED))


def exchange(values, location, case, known: dict) -> None:
    """Takes three of four values of these parameters from those that are known.

    All, until the operation has succeeded: of some hardly a dozen values are ever made up.
    """
    strangers = 1 if has_succeeded(case.operation.label) else 0
    for name, there in known.items():
        if values and name in values and there and is_valid(case, location):
            chosen = pick(values[name], [*there * 3, *[None] * len(there) * strangers])
            values[name] = chosen or values[name]


def has_succeeded(label: str) -> bool:
    """Whether anything was answered with a 2xx."""
    return any(status // 100 == 2 for status in ANSWERED.get(label, ()))


def is_valid(case, location) -> bool:
    """Whether this part is what the description says."""
    return case.meta is None or not case.meta.is_negative_at(location)


def pick(value, among: list):
    """One of them, by the value alone."""
    return among[zlib.crc32(repr(value).encode()) % len(among)]
