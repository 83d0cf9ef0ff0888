"""A long history, made once on a stack of its own and kept in the cache for later ones.

Making it takes minutes, since a homeserver stores some fifty events a second. What is kept is what a later stack
needs to go on from there: a dump of Synapse's database, its signing key and the bridge's database. Ports, passwords
and tokens are each stack's own: nothing in the databases depends on them, but on the server's name and on the ids
of the registrations, which are always the same.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import components
import configs
import install
import past
import postgres
import synapse_config
import yamlish
from state import Stack, StackError, write_private

# How many rooms, and messages in each of them. A smaller history is made faster.
SIZE = os.environ.get("TRIBUTARY_TEST_HISTORY", "20x2000")


def kept(cache: Path) -> Path:
    """Where the history of this size, made by these programs, is or will be."""
    names = (configs.SERVER_NAME, configs.BOT, configs.GHOSTS)
    programs = (str(postgres.programs()), install.stamp_of_venv(), install.stamp_of_binaries())
    sources = [Path(module.__file__).read_bytes() for module in (past, synapse_config)]
    parts = [part.encode() for part in (SIZE, *names, *programs)]
    return cache / "history" / install.digest(parts + sources)[:16]


def facts(cache: Path) -> dict:
    """What is in the kept history, as stack.json has it."""
    found = kept(cache) / "history.json"
    if not found.exists():
        raise StackError(f"{found} is missing: run 'stack.py history' first")
    return {"directory": str(found.parent)} | json.loads(found.read_text())


def make(cache: Path) -> None:
    """Makes the history, unless it is kept already."""
    target = kept(cache)
    if (target / "history.json").exists():
        return
    # The key names these programs, so it is they who make it.
    install.install(cache)
    rooms, messages = map(int, SIZE.split("x"))
    begun = time.monotonic()
    print(f"stack: making a history of {rooms} rooms with {messages} messages each", flush=True)
    with tempfile.TemporaryDirectory(prefix="tributary-history-") as directory:
        # Postgres runs as another user below it.
        Path(directory).chmod(0o711)
        stack = _stack_for_making(Path(directory) / "stack", cache)
        try:
            told = _make(stack, rooms, messages)
            # The bridge's database is whole when the bridge has ended.
            components.down(stack, ["bridge", "synapse"])
            _keep(stack, told, target)
        finally:
            components.down(stack, [])
    took = time.monotonic() - begun
    print(f"stack: {told['events']} events in {took:.0f} s, kept in {target}", flush=True)


def _stack_for_making(directory: Path, cache: Path) -> Stack:
    """A stack without Tributary, whose homeserver does nothing but store."""
    configs.init(directory, cache, with_switch=False, in_memory=False, tributary_port=None)
    stack = Stack(directory)
    home = directory / "synapse"
    config = synapse_config.homeserver(directory, home, stack.data)
    unwanted = Path(stack.data["tributary"]["registration"])
    unwanted.touch()
    config["app_service_config_files"].remove(str(unwanted))
    config |= {name: {"enabled": False} for name in ("push", "presence", "stats", "user_directory")}
    write_private(home / "homeserver.yaml", yamlish.dump(config) + "\n")
    bridge = configs.bridge_config(directory / "bridge", stack.data)
    # Nobody would take its status, and its start waits for somebody.
    del bridge["homeserver"]["status_endpoint"]
    write_private(directory / "bridge" / "config.yaml", yamlish.dump(bridge) + "\n")
    return stack


def _make(stack: Stack, rooms: int, messages: int) -> dict:
    components.up(stack, ["postgres"])
    postgres.sql(stack, postgres.programs(), "ALTER ROLE synapse SET synchronous_commit = off")
    components.up(stack, ["synapse", "bridge"])
    customer = components.register_user(stack, past.CUSTOMER) | {"remoteId": past.REMOTE_ID}
    return past.Past(stack.data, customer).happen(rooms, messages)


def _keep(stack: Stack, told: dict, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        half = Path(name) / "half"
        half.mkdir()
        dump = postgres.programs() / "pg_dump"
        postgres.as_synapse(stack, dump, "-Fc", "-Z", "1", "--no-owner", "-f", half / "synapse.dump", "synapse")
        shutil.copy(stack.dir / "synapse" / "signing.key", half)
        # With what a bridge that had to be killed has left beside it.
        with (contextlib.closing(sqlite3.connect(stack.dir / "bridge" / "bridge.db")) as whole,
              contextlib.closing(sqlite3.connect(half / "bridge.db")) as copy):
            whole.backup(copy)
        write_private(half / "history.json", json.dumps(told, indent=2) + "\n")
        half.rename(target)


def bring(stack: Stack, found: dict) -> None:
    """Gives a new stack the history: what is in Postgres comes when that is started."""
    directory = Path(found["directory"])
    shutil.copy(directory / "signing.key", stack.dir / "synapse" / "signing.key")
    shutil.copy(directory / "bridge.db", stack.dir / "bridge" / "bridge.db")
    stack.update(lambda data: data.update({"history": found}))
