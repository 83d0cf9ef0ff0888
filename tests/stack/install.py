"""What all stacks of a checkout share: Synapse's venv and the Go binaries; and the venv of tests/contract."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from state import StackError

HERE = Path(__file__).resolve().parent
BRIDGE = HERE.parent / "bridge"
REQUIREMENTS = HERE / "requirements.txt"
OF_CONTRACT = HERE.parent / "contract" / "requirements.txt"


def install(cache: Path, with_contract: bool = False) -> None:
    """Brings the cache up to date; a stamp of the inputs makes the second time fast."""
    cache.mkdir(parents=True, exist_ok=True)
    _venv(cache / "venv", REQUIREMENTS)
    if with_contract:
        _venv(cache / "contract", OF_CONTRACT)
    _unless_stamped(cache / "bin.stamp", stamp_of_binaries(), lambda: _build(cache / "bin"))


def _venv(venv: Path, requirements: Path) -> None:
    _unless_stamped(venv.with_suffix(".stamp"), stamp_of_venv(requirements), lambda: _make_venv(venv, requirements))


def _unless_stamped(stamp: Path, wanted: str, make) -> None:
    if stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(wanted)


def digest(parts: list[bytes]) -> str:
    """One hash of several parts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def stamp_of_venv(requirements: Path = REQUIREMENTS) -> str:
    """Changes with what is in it, Synapse unless another list is given, and with Python's version."""
    return digest([sys.version.encode(), requirements.read_bytes()])


def stamp_of_binaries() -> str:
    """Changes with the bridge's and the switch's source."""
    files = sorted(path for path in BRIDGE.rglob("*") if path.suffix == ".go" or path.name in ("go.mod", "go.sum"))
    return digest([part for path in files for part in (str(path.relative_to(BRIDGE)).encode(), path.read_bytes())])


def _make_venv(venv: Path, requirements: Path) -> None:
    print(f"stack: installing {requirements.parent.name}/{requirements.name} into {venv}", flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    _run([sys.executable, "-m", "venv", venv])
    # The list is complete, so nothing is resolved; wheels only, so nothing is compiled.
    _run([venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
          "--only-binary", ":all:", "-r", requirements])


def _build(target: Path) -> None:
    print(f"stack: building the bridge and the switch into {target}", flush=True)
    target.mkdir(exist_ok=True)
    go = os.environ | {
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
        "CGO_ENABLED": "1",  # for SQLite
    }
    # goolm is the pure Go implementation of Olm, so libolm is not needed.
    for tries_left in (2, 1, 0):
        try:
            return _run(["go", "build", "-tags", "goolm", "-o", f"{target}/", "./..."], cwd=BRIDGE, env=go)
        except StackError:
            # Unlike npm and pip, go does not ask a registry again.
            if not tries_left:
                raise


def _run(command: list, **options) -> None:
    try:
        subprocess.run([str(part) for part in command], check=True, **options)
    except FileNotFoundError as error:
        raise StackError(f"{error.filename} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise StackError(f"'{' '.join(map(str, command))}' failed with exit code {error.returncode}") from error
