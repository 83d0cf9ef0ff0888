"""Synapse's configuration for a stack."""

import base64
import secrets
from pathlib import Path

import yamlish
from state import write_private


def write(directory: Path, stack: dict) -> None:
    """Synapse's configuration, signing key and logging."""
    home = directory / "synapse"
    home.mkdir(exist_ok=True)
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    write_private(home / "signing.key", f"ed25519 a_lab {seed}\n")
    write_private(home / "log.yaml", yamlish.dump({
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(request)s %(message)s"}},
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stdout"}},
        "root": {"level": "INFO", "handlers": ["out"]},
        "disable_existing_loggers": False,
    }) + "\n")
    write_private(home / "homeserver.yaml", yamlish.dump(homeserver(directory, home, stack)) + "\n")


def homeserver(directory: Path, home: Path, stack: dict) -> dict:
    """One process, no federation, no rate limits, cheap passwords."""
    fast = {"per_second": 100000, "burst_count": 100000}
    limits = {f"rc_{name}": fast for name in (
        "message", "registration", "registration_token_validity", "admin_redaction", "joins_per_room",
        "3pid_validation", "third_party_invite", "room_creation", "reports", "user_directory", "profile")}
    return {
        "server_name": stack["server_name"],
        "public_baseurl": stack["synapse_url"],
        "report_stats": False,
        "signing_key_path": str(home / "signing.key"),
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        "listeners": [{
            "port": int(stack["synapse_url"].rsplit(":", 1)[1]), "type": "http", "tls": False,
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["client", "federation", "openid"], "compress": False}],
        }],
        "database": {"name": "psycopg2", "args": {
            "host": "127.0.0.1", "port": stack["postgres"]["port"], "dbname": "synapse", "user": "synapse",
            "password": stack["postgres"]["synapse_password"], "cp_min": 2, "cp_max": 10,
        }},
        "app_service_config_files": [
            stack["tributary"]["registration"],
            str(directory / "bridge" / "registration.yaml"),
            str(directory / "bridge" / "doublepuppet.yaml"),
        ],
        "media_store_path": str(home / "media"),
        "max_upload_size": "100M",
        "url_preview_enabled": False,
        "log_config": str(home / "log.yaml"),
        "enable_registration": False,
        "registration_shared_secret": stack["registration_shared_secret"],
        "macaroon_secret_key": secrets.token_hex(32),
        "form_secret": secrets.token_hex(32),
        "bcrypt_rounds": 4,
        "rc_login": {"address": fast, "account": fast, "failed_attempts": fast},
        "rc_joins": {"local": fast, "remote": fast},
        "rc_invites": {"per_room": fast, "per_user": fast, "per_issuer": fast},
        "rc_presence": {"per_user": fast},
        "rc_media_create": fast,
        "rc_delayed_event_mgmt": fast,
        **limits,
    }
