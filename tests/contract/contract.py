#!/usr/bin/env python3
"""Asks the program whether it keeps to what it says of itself.

    contract.py validate                      openapi.json is OpenAPI 3.1
    contract.py fuzz   [--seed N] [--examples N]   nothing is answered that it does not describe
    contract.py prisma                        a web app's Prisma reads the tables

`fuzz` and `prisma` start a Tributary with content on a database of its own, at --postgres
(TRIBUTARY_TEST_POSTGRES), from --program. With the Python of `stack.py install --with-contract`.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DOCUMENT = ROOT / "openapi.json"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("command", choices=["validate", "fuzz", "prisma"])
    top.add_argument("--program", type=Path, default=ROOT / "target/debug/tributary")
    top.add_argument("--postgres", default=os.environ.get("TRIBUTARY_TEST_POSTGRES"))
    top.add_argument("--seed", type=int, default=20261120, help="0: another one each time")
    top.add_argument("--examples", type=int, default=30)
    return top


def validate() -> int:
    """Whether the committed description is one."""
    from openapi_spec_validator import validate as check

    check(json.loads(DOCUMENT.read_text()))
    print(f"{DOCUMENT.name}: OpenAPI 3.1")
    return 0


def facts(house) -> dict:
    """Keys, ids, cursors and bodies, for the hooks."""
    from content import DIRECT, GROUP, QUIET

    alice, bob, eve = (house.token(f"user_{name}") for name in ("alice", "bob", "eve"))
    admin = house.keys["admin"]
    conversations = house.get("/api/conversations", alice)["items"]
    ids = [conversation["id"] for conversation in conversations]
    pages = [house.get(f"/api/conversations/{id}/messages?limit=20", alice) for id in ids]
    messages = [message["id"] for page in pages for message in page["items"]]
    files = stored(house, ids, alice)
    own = house.get("/api/messenger/status", alice)["connectionId"]
    spared = house.get("/api/messenger/status", eve)["connectionId"]
    rooms = [DIRECT, GROUP]
    listed = {path: house.get(f"{path}?limit=1", admin) for path in (
        "/api/admin/audit", "/api/admin/backfill", "/api/admin/connections",
        "/api/admin/dead-letters", "/api/admin/rooms",
    )}
    listed["/api/conversations"] = house.get("/api/conversations?limit=1", alice)
    cursors = {path: [page["nextCursor"]] for path, page in listed.items() if page["nextCursor"]}
    cursors["/api/conversations/{id}/messages"] = [page["nextCursor"] for page in pages if page["nextCursor"]]
    letters = [letter["id"] for letter in listed["/api/admin/dead-letters"]["items"]]
    house.call("POST", "/api/admin/backfill", admin, {"roomId": QUIET})
    backfills = [job["id"] for job in house.get("/api/admin/backfill", admin)["items"]]
    assert messages and letters and backfills
    report = {"matrixUserId": "@new:lab.local", "bridgeUserId": "1004", "remoteName": "New"}
    status, reported = house.call("POST", "/api/manager/bridge-login-complete", house.keys["manager"], report)
    assert status == 200, reported
    return {
        "url": house.url,
        "silentRoom": QUIET,
        "keys": {"clerk": alice} | house.keys,
        "customers": {"DELETE /api/account": bob, "DELETE /api/messenger/connections/{id}": eve},
        "ids": {
            "/api/conversations/{id}": {"id": ids},
            "/api/conversations/{id}/messages": {"id": ids},
            "/api/conversations/{id}/read": {"id": ids},
            "/api/messages/{id}": {"id": messages},
            "/api/media/{id}": {"id": files},
            "/api/messenger/connections/{id}": {"id": [spared]},
            "/api/admin/backfill/{id}": {"id": backfills},
            "/api/admin/backfill/{id}/cancel": {"id": backfills},
            "/api/admin/dead-letters/{id}/replay": {"id": letters},
            "/api/admin/rooms/{roomId}": {"roomId": rooms},
            "/api/bridge/{bridgeId}/status": {"bridgeId": ["meta"]},
        },
        # What no schema says: they are exchanged whenever they are valid.
        "words": {
            "/api/analytics": {
                "timeZone": ["UTC", "GMT", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"],
                "from": ["2026-01-31", "2026-01-31T12:00:00Z", "1970-01-01"],
                "to": ["2099-12-31", "2099-12-31T00:00:00.5+02:00"],
            },
        },
        "queries": {
            "/api/messenger/status": {"connectionId": [own]},
            "/api/admin/backfill": {"roomId": rooms},
            "/api/admin/dead-letters": {"roomId": rooms},
        },
        "cursors": cursors,
        "bodies": {
            "POST /api/messenger/link": [{"code": reported["linkCode"]}],
            "POST /api/manager/bridge-login-complete": [report | {"matrixUserId": "@newer:lab.local"}],
            "POST /api/admin/connections": [{"userId": "user_new", "matrixUserId": "@newest:lab.local"}],
            "POST /api/media/tickets": [{"ids": files}, {"ids": []}],
            "POST /api/admin/backfill": [{"roomId": rooms[0]}, {"roomId": QUIET}, {"all": True, "days": 1}, {"connectionId": own}],
            "PATCH /api/admin/rooms/{roomId}": [{"enabled": True}, {"enabled": False}, {"backfill": True}],
        },
    }


def stored(house, conversations: list[str], token: str) -> list[str]:
    """The files of these conversations, once the archive has them."""
    from house import eventually

    def files() -> list[str]:
        pages = [house.get(f"/api/conversations/{id}/messages?limit=200", token) for id in conversations]
        messages = [message for page in pages for message in page["items"]]
        return [file["mediaId"] for message in messages for file in message["attachments"] if file["state"] == "stored"]

    eventually("a file is stored", files)
    return files()


def fuzz(args: argparse.Namespace) -> int:
    """Asks every operation for everything, by the description that is served."""
    from house import House

    seed = args.seed or random.SystemRandom().randrange(2**32)
    with House(args.program, args.postgres) as house, tempfile.NamedTemporaryFile() as answered:
        environment = os.environ | {
            "TRIBUTARY_CONTRACT": json.dumps(facts(house)), "TRIBUTARY_CONTRACT_ANSWERED": answered.name,
        }
        command = [
            Path(sys.executable).parent / "st", "--config-file", HERE / "schemathesis.toml", "run",
            f"{house.url}/openapi.json", "--seed", str(seed), "--max-examples", str(args.examples),
        ]
        done = subprocess.run(command, env=environment, cwd=HERE)
        silent = unheard(json.loads(Path(answered.name).read_text()))
        failed = done.returncode or silent
        if failed:
            print(house.log(), file=sys.stderr)
    if failed:
        print(f"the same again: contract.py fuzz --seed {seed} --examples {args.examples}", file=sys.stderr)
    return 1 if failed else 0


def unheard(answered: dict[str, dict[str, int]]) -> list[str]:
    """Prints what was answered how often; the operations of which no success was seen."""
    for label, statuses in sorted(answered.items()):
        print(f"{label:48} " + "  ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
    # One wants a signature, one a socket, and one a letter that can be read after all; they have
    # tests of their own.
    unheard = {label for label, statuses in answered.items() if not any(it.startswith("2") for it in statuses)}
    unheard -= {"POST /webhooks/clerk", "GET /ws", "POST /api/admin/dead-letters/{id}/replay"}
    for label in sorted(unheard):
        print(f"{label}: never succeeded, so nothing was learned of it", file=sys.stderr)
    return sorted(unheard)


def prisma(args: argparse.Namespace) -> int:
    """Runs tests/prisma against a database with content."""
    from house import House

    with House(args.program, args.postgres) as house:
        environment = os.environ | {
            "TRIBUTARY_TEST_DATABASE": house.database_url, "TRIBUTARY_TEST_URL": house.url,
            "TRIBUTARY_TEST_TOKEN": house.token("user_alice"),
        }
        return subprocess.run(["npm", "test"], env=environment, cwd=ROOT / "tests/prisma").returncode


def main() -> int:
    """Does what the command line says."""
    # Whoever ends it leaves no database behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    args = parser().parse_args()
    if args.command == "validate":
        return validate()
    return {"fuzz": fuzz, "prisma": prisma}[args.command](args)


if __name__ == "__main__":
    sys.exit(main())
