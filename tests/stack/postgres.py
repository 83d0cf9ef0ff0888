"""The stack's own Postgres cluster, run by an unprivileged user when the stack is root's."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import processes
from state import Stack, StackError

# Where files are in memory, on Linux.
MEMORY = Path("/dev/shm")
# What has to be free there, and of the memory: a run of all tests takes a third of it.
ROOM = 6 << 30
# What clusters are called that are not in their stack's directory.
PREFIX = "tributary-postgres-"
# A cluster in memory that nobody runs is left over when nobody has touched it for so many seconds: one that was
# stopped, and one that was killed.
FORGOTTEN, KILLED = 3600, 86400


def programs() -> Path:
    """Where the server's programs are; Debian keeps them out of the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not versions:
        raise StackError("Postgres's server is not installed (Debian: postgresql)")
    return versions[-1].parent


def owner() -> dict:
    """How to run a server process: Postgres refuses root, so root's stacks use another user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise StackError("there is neither a user 'postgres' nor 'nobody' to run Postgres as")


def start(stack: Stack) -> None:
    """Starts the cluster, made on first use."""
    ours, tools = owner(), programs()
    data = _data_directory(stack, ours)
    env = processes.environment(data)
    fresh = not (data / "PG_VERSION").exists()
    if fresh:
        _make_cluster(stack, tools, data, env, ours)
    port = stack.data["postgres"]["port"]
    ready = [tools / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    processes.start(
        stack, "postgres",
        [tools / "postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1",
         "-c", "unix_socket_directories=", "-c", "max_connections=200"],
        env, lambda: subprocess.run(ready, env=env, check=False).returncode == 0, cwd=data, **ours)
    if fresh:
        _make_databases(stack, tools)


def _data_directory(stack: Stack, ours: dict) -> Path:
    """The cluster's directory, outside the stack's when it is to be in memory, or the server's user cannot get there."""
    recorded = stack.data["postgres"].get("data_dir")
    if recorded:
        if not Path(recorded).exists():
            raise StackError(f"the cluster in {recorded} is gone, and this stack with it: make another")
        return Path(recorded)
    data = stack.dir / "postgres"
    if stack.data["postgres"].get("in_memory") and _has_room(ours):
        data = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY))
    elif subprocess.run(["test", "-x", stack.dir], check=False, **ours).returncode != 0:
        data = Path(tempfile.mkdtemp(prefix=PREFIX))
        print(f"stack: {stack.dir} is closed to Postgres's user, the cluster is in {data}", flush=True)
    data.mkdir(mode=0o700, exist_ok=True)
    if ours:
        os.chown(data, ours["user"], ours["group"])
    stack.update(lambda whole: whole["postgres"].update({"data_dir": str(data)}))
    return data


def _has_room(ours: dict) -> bool:
    """Whether a cluster in memory leaves enough of it to others."""
    try:
        _clear_forgotten(ours)
        facts = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        room = min(int(facts["MemAvailable"].split()[0]) << 10, shutil.disk_usage(MEMORY).free, _granted())
        if room >= ROOM and os.access(MEMORY, os.W_OK | os.X_OK):
            return True
        print(f"stack: {room >> 20} MiB of memory are free, too few for the cluster", flush=True)
    except (OSError, KeyError, ValueError) as error:
        print(f"stack: no cluster in memory: {error}", flush=True)
    return False


def _granted() -> int:
    """How much memory a container has left, in bytes."""
    try:
        group = Path("/sys/fs/cgroup")
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):
        # No container, or no limit.
        return sys.maxsize


def _clear_forgotten(ours: dict) -> None:
    """Removes what stacks have left in memory that were killed."""
    users = {os.geteuid(), ours.get("user")}
    for data in MEMORY.glob(f"{PREFIX}*"):
        try:
            # It may be run where this cannot see it: in another container.
            may_run = (data / "postmaster.pid").exists()
            forgotten = time.time() - data.stat().st_mtime > (KILLED if may_run else FORGOTTEN)
            if data.stat().st_uid in users and forgotten and not _is_run(data):
                shutil.rmtree(data)
        except OSError as error:
            print(f"stack: {data} is left over and stays: {error}", flush=True)


def _is_run(data: Path) -> bool:
    """Whether a server runs there: its working directory is its cluster's."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.path.samefile(process / "cwd", data):
                return True
        except OSError:
            continue
    return False


def clear(stack: Stack) -> None:
    """Removes a stopped stack's cluster where it is not in the stack's own directory."""
    data = Path(stack.data["postgres"].get("data_dir") or stack.dir)
    if not data.name.startswith(PREFIX) or not data.exists():
        return
    if _is_run(data):
        raise StackError(f"Postgres still runs in {data}")
    shutil.rmtree(data)


def _make_cluster(stack: Stack, tools: Path, data: Path, env: dict, ours: dict) -> None:
    with tempfile.NamedTemporaryFile("w") as password:
        # A file of the server's user: the stack's own cannot be read by it.
        if ours:
            os.chown(password.name, ours["user"], ours["group"])
        password.write(stack.data["postgres"]["postgres_password"] + "\n")
        password.flush()
        command = [tools / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256",
                   f"--pwfile={password.name}", "-E", "UTF8", "--locale=C.UTF-8"]
        made = subprocess.run(command, env=env, cwd=data, text=True, capture_output=True, check=False, **ours)
    if made.returncode != 0:
        raise StackError(f"initdb failed: {made.stderr or made.stdout}")


def _make_databases(stack: Stack, tools: Path) -> None:
    """Synapse wants the C collation; Tributary's database is as a hosted one would be."""
    for name, locale in (("synapse", "C"), ("tributary", "C.UTF-8")):
        password = stack.data["postgres"][f"{name}_password"]
        sql(stack, tools, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        sql(stack, tools, f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE '{locale}'")
    if "history" in stack.data:
        _restore(stack, tools)


def _restore(stack: Stack, tools: Path) -> None:
    """Fills Synapse's database with the kept history, as its own role."""
    dump = Path(stack.data["history"]["directory"]) / "synapse.dump"
    as_synapse(stack, tools / "pg_restore", "--no-owner", "--exit-on-error", "-j", "2", "-d", "synapse", dump)
    sql(stack, tools, "ANALYZE", "synapse")


def as_synapse(stack: Stack, *command) -> None:
    """Runs one of Postgres's programs as Synapse's role."""
    at = stack.data["postgres"]
    env = processes.environment(stack.dir, PGPASSWORD=at["synapse_password"], PGHOST=at["host"],
                                PGPORT=str(at["port"]), PGUSER="synapse")
    done = subprocess.run([str(part) for part in command], env=env, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise StackError(f"{command[0]} failed: {done.stderr}")


def sql(stack: Stack, tools: Path, statement: str, database: str = "postgres") -> None:
    """Runs one statement as the superuser."""
    at = stack.data["postgres"]
    env = processes.environment(stack.dir, PGPASSWORD=at["postgres_password"])
    done = subprocess.run([tools / "psql", "-q", "-X", "-h", at["host"], "-p", str(at["port"]), "-U", "postgres",
                           "-v", "ON_ERROR_STOP=1", database],
                          input=statement, env=env, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise StackError(f"psql failed: {done.stderr}")
