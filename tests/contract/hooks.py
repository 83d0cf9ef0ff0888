"""What schemathesis cannot know: who calls what, and ids and cursors that there are.

Random ids are nobody's, so most of the valid ones are exchanged for real ones; which, the random
one decides, so that the same seed asks for the same. At the end it writes down what was answered.
"""

import atexit
import json
import os
import zlib
from collections import Counter
from pathlib import Path

import schemathesis
from schemathesis.core.parameters import ParameterLocation

FACTS = json.loads(os.environ["TRIBUTARY_CONTRACT"])
ANSWERED: dict[str, Counter] = {}


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
    exchange(case.path_parameters, ParameterLocation.PATH, case, FACTS["ids"].get(path, {}))
    exchange(case.query, ParameterLocation.QUERY, case, FACTS["queries"].get(path, {}))
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
        case.body = pick(case.body, [*bodies, None]) or case.body
    return case


@schemathesis.hook
def after_call(_context, case, response) -> None:
    """Counts, but what was asked with another method."""
    if response.request.method != case.operation.method.upper():
        return
    label = case.operation.label
    ANSWERED.setdefault(label, Counter())[response.status_code] += 1
    if label == "POST /api/admin/backfill" and response.status_code == 202:
        # Those of before have ended meanwhile.
        jobs = [job["id"] for job in response.json()["jobs"] if job["state"] in ("queued", "waiting")]
        known = FACTS["ids"]["/api/admin/backfill/{id}/cancel"]
        known["id"] = jobs or known["id"]


@atexit.register
def write_down() -> None:
    """Tells the driver, which wants every operation to have succeeded."""
    Path(os.environ["TRIBUTARY_CONTRACT_ANSWERED"]).write_text(json.dumps(ANSWERED))


def exchange(values, location, case, known: dict) -> None:
    """Takes three of four values of these parameters from those that are known."""
    for name, there in known.items():
        if values and name in values and there and is_valid(case, location):
            chosen = pick(values[name], [*there * 3, *[None] * len(there)])
            values[name] = chosen or values[name]


def is_valid(case, location) -> bool:
    """Whether this part is what the description says."""
    return case.meta is None or not case.meta.is_negative_at(location)


def pick(value, among: list):
    """One of them, by the value alone."""
    return among[zlib.crc32(repr(value).encode()) % len(among)]
