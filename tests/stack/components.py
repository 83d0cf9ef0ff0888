"""The components of a stack: how each is started, stopped and known to be healthy."""

import hashlib
import hmac
import json
import secrets
import signal
import urllib.error
import urllib.request
from pathlib import Path

import postgres
import processes
from state import Stack, StackError

# The order of starting. Tributary, which others start, comes before the bridge: the bridge's
# own start waits until somebody has taken its status.
ORDER = ["postgres", "synapse", "switch", "bridge"]


def up(stack: Stack, names: list[str]) -> None:
    """Starts components in the order given."""
    starters = {"postgres": postgres.start, "synapse": _synapse, "switch": _switch, "bridge": _bridge}
    for name in names:
        starters[name](stack)


def down(stack: Stack, names: list[str]) -> None:
    """Stops components, the last one started first. Those that do not run are passed over."""
    unknown = set(names) - set(ORDER)
    if unknown:
        raise StackError(f"no such component: {', '.join(sorted(unknown))}")
    for name in reversed(ORDER):
        if name in names or not names:
            # To Postgres SIGINT means a fast shutdown; SIGTERM would wait for its clients.
            processes.stop(stack, name, signal.SIGINT if name == "postgres" else signal.SIGTERM)


def _synapse(stack: Stack) -> None:
    registration = Path(stack.data["tributary"]["registration"])
    if not registration.exists():
        raise StackError(f"{registration} is missing: Tributary's generate-registration writes it, "
                         f"with --config {stack.data['tributary']['config']}")
    home = stack.dir / "synapse"
    python = Path(stack.data["cache"]) / "venv" / "bin" / "python"
    _wants(python)
    url = stack.data["synapse_url"]
    processes.start(
        stack, "synapse", [python, "-m", "synapse.app.homeserver", "-c", home / "homeserver.yaml"],
        processes.environment(home), lambda: processes.answers(f"{url}/health"), cwd=home)


def _switch(stack: Stack) -> None:
    switch = stack.data["switch"]
    if switch is None:
        raise StackError("this stack has no switch: it was made without --with-switch")
    program = Path(stack.data["cache"]) / "bin" / "switch"
    _wants(program)
    env = processes.environment(stack.dir, SWITCH_ADDR=_address(switch["url"]), SWITCH_TARGET=switch["target"],
                                SWITCH_CONTROL_ADDR=_address(switch["control_url"]))
    processes.start(stack, "switch", [program], env, lambda: processes.answers(f"{switch['control_url']}/health"))


def _bridge(stack: Stack) -> None:
    bridge, home = stack.data["bridge"], stack.dir / "bridge"
    program = Path(stack.data["cache"]) / "bin" / "bridge"
    _wants(program)
    env = processes.environment(home, BRIDGE_CONTROL_ADDR=_address(bridge["control_url"]))
    processes.start(stack, "bridge", [program, "--config", home / "config.yaml", "--no-update"],
                    env, lambda: processes.answers(f"{bridge['control_url']}/health"), cwd=home)


def _address(url: str) -> str:
    return url.removeprefix("http://")


def _wants(program: Path) -> None:
    if not program.exists():
        raise StackError(f"{program} is missing: run 'stack.py install' first")


def register_user(stack: Stack, name: str, admin: bool = False) -> dict:
    """Registers a Matrix user with the shared secret."""
    url = f"{stack.data['synapse_url']}/_synapse/admin/v1/register"
    nonce, password = _call(url)["nonce"], secrets.token_urlsafe(12)
    parts = [nonce, name, password, "admin" if admin else "notadmin"]
    mac = hmac.new(stack.data["registration_shared_secret"].encode(), "\0".join(parts).encode(), hashlib.sha1)
    made = _call(url, {"nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac.hexdigest()})
    return {"userId": made["user_id"], "accessToken": made["access_token"], "password": password}


def _call(url: str, body: dict | None = None) -> dict:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise StackError(f"{url}: {error.code} {error.read().decode(errors='replace')}") from error
    except OSError as error:
        raise StackError(f"{url}: {error}") from error
