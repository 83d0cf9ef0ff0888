"""A new stack: ports, secrets and every component's configuration."""

import json
import secrets
import socket
import subprocess
from pathlib import Path

import synapse_config
import yamlish
from state import StackError, write_private

SERVER_NAME = "lab.local"
BOT = "facebookbot"
GHOSTS = "facebook_"


def init(directory: Path, cache: Path, with_switch: bool, in_memory: bool, tributary_port: int | None) -> None:
    """Writes stack.json and the configuration beside it. An existing stack is left alone."""
    if (directory / "stack.json").exists():
        raise StackError(f"{directory} is a stack already")
    if not directory.exists():
        # Others may pass through, but not look: Postgres runs as another user below it.
        directory.mkdir(parents=True)
        directory.chmod(0o711)
    (directory / "logs").mkdir(exist_ok=True)
    stack = describe(directory, cache, with_switch, in_memory, tributary_port)
    write_private(directory / "tributary.yaml", yamlish.dump(tributary_config(stack)) + "\n")
    write_development_key(directory / "dev-clerk.key")
    synapse_config.write(directory, stack)
    write_bridge(directory, stack)
    write_private(directory / "stack.json", json.dumps(stack, indent=2) + "\n")


def free_ports(count: int) -> list[int]:
    """Ports that are free now and below the range that outgoing connections take theirs from."""
    found: list[int] = []
    while len(found) < count:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def describe(directory: Path, cache: Path, with_switch: bool, in_memory: bool, tributary_port: int | None) -> dict:
    """The contents of stack.json."""
    token = secrets.token_hex
    ports = free_ports(8)

    def local(port: int) -> str:
        return f"http://127.0.0.1:{port}"

    tributary = tributary_port or ports[6]
    switch = {"url": local(ports[4]), "control_url": local(ports[5]), "target": local(tributary)} if with_switch else None
    database = {"host": "127.0.0.1", "port": ports[0], "in_memory": in_memory}
    for name in ("postgres", "synapse", "tributary"):
        database[f"{name}_password"] = token(16)
    at = f"127.0.0.1:{ports[0]}"
    return {
        "server_name": SERVER_NAME,
        "cache": str(cache),
        "synapse_url": local(ports[1]),
        "registration_shared_secret": token(32),
        "postgres": database | {
            "admin_url": f"postgres://postgres:{database['postgres_password']}@{at}/postgres",
            "database_url": f"postgres://tributary:{database['tributary_password']}@{at}/tributary",
        },
        "bridge": {
            "id": "meta",
            "url": local(ports[2]),
            "control_url": local(ports[3]),
            "bot": f"@{BOT}:{SERVER_NAME}",
            "provisioning_secret": token(16),
            "as_token": token(32),
            "hs_token": token(32),
            "double_puppet_as_token": token(32),
            "double_puppet_hs_token": token(32),
        },
        "switch": switch,
        "tributary": {
            "bind": f"127.0.0.1:{tributary}",
            "url": local(tributary),
            "public_url": switch["url"] if switch else local(tributary),
            "config": str(directory / "tributary.yaml"),
            "registration": str(directory / "registration.yaml"),
        },
        "clerk": {"issuer": local(ports[7]), "development_key": str(directory / "dev-clerk.key")},
        "manager_api_key": token(24),
        "admin_api_key": token(24),
        "pids": {},
    }


def tributary_config(stack: dict) -> dict:
    """Tributary's configuration; its registration is written by its own command."""
    bridge = stack["bridge"]
    return {
        "server": {"bind": stack["tributary"]["bind"], "public_url": stack["tributary"]["public_url"]},
        "homeserver": {"url": stack["synapse_url"], "server_name": SERVER_NAME},
        "appservice": {"registration": "registration.yaml"},
        "bridges": [{
            "id": bridge["id"],
            "network": "facebook",
            "bot": bridge["bot"],
            "ghosts": f"@{GHOSTS}(?<id>.+):{SERVER_NAME.replace('.', chr(92) + '.')}",
            "as_token": bridge["as_token"],
            "provisioning_url": bridge["url"],
            "provisioning_secret": bridge["provisioning_secret"],
        }],
        "database": {"url": stack["postgres"]["database_url"]},
        "data_dir": "./data",
        "clerk": {"issuer": stack["clerk"]["issuer"], "development_key_file": "dev-clerk.key"},
        "manager": {"api_key": stack["manager_api_key"], "ownership_proof": "required"},
        "admin": {"api_key": stack["admin_api_key"]},
    }


def write_development_key(path: Path) -> None:
    """The key that signs session tokens in place of Clerk."""
    command = ["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    try:
        made = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(f"openssl could not make a key: {error}") from error
    write_private(path, made.stdout)


def registration(name: str, url: str | None, tokens: tuple[str, str], bot: str, users: list[dict], **more) -> str:
    """An application service's registration."""
    return yamlish.dump({
        "id": name, "url": url, "as_token": tokens[0], "hs_token": tokens[1], "sender_localpart": bot,
        "rate_limited": False, "namespaces": {"users": users}, **more,
    }) + "\n"


def write_bridge(directory: Path, stack: dict) -> None:
    """The bridge's configuration and both of its registrations."""
    bridge, home = stack["bridge"], directory / "bridge"
    home.mkdir(exist_ok=True)
    domain = SERVER_NAME.replace(".", "\\.")
    write_private(home / "registration.yaml", registration(
        bridge["id"], bridge["url"], (bridge["as_token"], bridge["hs_token"]), secrets.token_hex(16),
        [{"regex": f"^@{BOT}:{domain}$", "exclusive": True}, {"regex": f"^@{GHOSTS}.*:{domain}$", "exclusive": True}],
        **{"receive_ephemeral": True, "de.sorunome.msc2409.push_ephemeral": True}))
    write_private(home / "doublepuppet.yaml", registration(
        "doublepuppet", None, (bridge["double_puppet_as_token"], bridge["double_puppet_hs_token"]),
        secrets.token_hex(16), [{"regex": f"@.*:{domain}", "exclusive": False}]))
    write_private(home / "config.yaml", yamlish.dump(bridge_config(home, stack)) + "\n")


def bridge_config(home: Path, stack: dict) -> dict:
    """What differs from bridgev2's own defaults, which fill in the rest."""
    bridge = stack["bridge"]
    host, port = bridge["url"].removeprefix("http://").split(":")
    return {
        "bridge": {"permissions": {"*": "relay", SERVER_NAME: "user"}},
        "database": {"type": "sqlite3-fk-wal", "uri": f"file:{home}/bridge.db?_txlock=immediate"},
        "homeserver": {
            "address": stack["synapse_url"],
            "domain": SERVER_NAME,
            "status_endpoint": f"{stack['tributary']['public_url']}/api/bridge/{bridge['id']}/status",
        },
        "appservice": {
            "address": bridge["url"], "hostname": host, "port": int(port), "id": bridge["id"],
            "bot": {"username": BOT, "displayname": "Facebook Messenger bridge bot"},
            "as_token": bridge["as_token"], "hs_token": bridge["hs_token"],
            "username_template": GHOSTS + "{{.}}",
        },
        "provisioning": {"shared_secret": bridge["provisioning_secret"]},
        "double_puppet": {"servers": {}, "secrets": {SERVER_NAME: f"as_token:{bridge['double_puppet_as_token']}"}},
        "logging": {"min_level": "debug", "writers": [{"type": "stdout", "format": "json"}]},
    }
