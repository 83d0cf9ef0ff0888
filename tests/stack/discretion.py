"""What no log may tell: every secret of a stack, and every one that its tests came by."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import components
from state import Stack, StackError

# What the tests came by, a JSON object a line: {"kind", "value"}.
KEPT = "secrets.jsonl"
# Without these the tests have not been where secrets are.
WANTED = {"session token", "OpenID token", "link code", "message", "wrong credential"}
# Shorter ones are words that a log may use.
SHORTEST = 8
NAMED = re.compile(r"token|secret|password|api_key", re.IGNORECASE)
IN_YAML = re.compile(r"^\s*(as_token|hs_token)\s*:\s*[\"']?([^\"'\s]+)", re.MULTILINE)
# Secrets that nobody told of, by their looks.
SHAPES = {
    "a JWT": re.compile(rb"eyJ[\w-]{8,}\.[\w-]{8,}"),
    "a bearer token": re.compile(rb"[Bb]earer [\w.~+/=-]{8,}"),
    "a token in a URL": re.compile(rb"(?:access_token|[?&]token)=[\w.~+/=-]+"),
    "a Synapse access token": re.compile(rb"\bsyt_\w+"),
    "a password in a URL": re.compile(rb"://[^/\s:@]+:[^/\s@*]+@"),
    "a private key": re.compile(rb"PRIVATE KEY"),
}


def check(stack: Stack) -> None:
    """Fails when a log of Tributary's tells a secret, and when there is nothing to go by."""
    secrets = dict(_all(stack))
    kinds = set(secrets.values())
    if WANTED - kinds:
        raise StackError(f"the tests came by no {', '.join(sorted(WANTED - kinds))}: what was looked for?")
    logs = _logs(stack)
    found = [line for path in logs for line in _told(path, secrets)]
    if found:
        raise StackError("secrets in the logs:\n" + "\n".join(found))
    size = sum(path.stat().st_size for path in logs) / 1e6
    print(f"stack: none of {len(secrets)} secrets of {len(kinds)} kinds is in {len(logs)} logs of {size:.1f} MB")


def _logs(stack: Stack) -> list[Path]:
    """Tributary's: whatever is no other component's."""
    logs = [path for path in sorted((stack.dir / "logs").glob("*.log")) if path.stem not in components.ORDER]
    debug = [path for path in logs if b" DEBUG " in path.read_bytes()]
    if not debug:
        raise StackError(f"no log of Tributary's at debug level in {stack.dir / 'logs'}")
    return logs


def _all(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every secret, and its kind."""
    yield from _named(stack.data, "")
    for path in [Path(stack.data["tributary"]["registration"]), *sorted((stack.dir / "bridge").glob("*.yaml"))]:
        for name, value in IN_YAML.findall(path.read_text()):
            yield value, f"{name} of {path.name}"
    key = Path(stack.data["clerk"]["development_key"]).read_text().splitlines()
    for line in key[1:-1]:
        yield line, "development key"
    kept = stack.dir / KEPT
    for line in kept.read_text().splitlines() if kept.exists() else []:
        entry = json.loads(line)
        if len(entry["value"]) >= SHORTEST:
            yield entry["value"], entry["kind"]


def _named(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _named(item, f"{name}.{key}".lstrip("."))
    elif isinstance(value, str) and NAMED.search(name.rpartition(".")[2]) and len(value) >= SHORTEST:
        yield value, name


def _told(path: Path, secrets: dict[str, str]) -> Iterator[str]:
    """Where, and what kind: the secret itself would only be told once more."""
    text = path.read_bytes()

    def place(at: int) -> str:
        line = text.count(b"\n", 0, at) + 1
        return f"{path.name}:{line}"

    for value, kind in secrets.items():
        # As it is, and as JSON or a debugger would write it.
        for form in {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
            at = text.find(form.encode())
            if at >= 0:
                yield f"{place(at)}: {kind}"
    for kind, shape in SHAPES.items():
        match = shape.search(text)
        if match:
            yield f"{place(match.start())}: {kind}"
