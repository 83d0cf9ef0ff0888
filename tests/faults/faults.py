#!/usr/bin/env python3
"""Breaks everything around two replicas of Tributary while known traffic goes through them, and counts what is wrong.

    faults.py --program tributary --cache CACHE [--minutes N] [--seed S] [--verbose]
    faults.py --program tributary --cache CACHE --prove      what is broken on purpose is found

Run by scripts/faults, with the Python of the stack's Synapse (which has psycopg2). See README.md.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import mischief
import prove
from house import House
from report import report
from run import Run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--program", type=Path, default=ROOT / "target/debug/tributary")
    top.add_argument("--cache", type=Path, default=ROOT / ".stack/cache")
    top.add_argument("--dir", type=Path, help="where the stacks are made (.stack/faults-...)")
    top.add_argument("--minutes", type=float, default=3)
    top.add_argument("--seed", type=int, default=None, help="of an earlier run")
    top.add_argument("--only", action="append", default=[], metavar="WORD", help="only faults with this word")
    top.add_argument("--without", action="append", default=[], metavar="WORD", help="all faults but those")
    top.add_argument("--prove", action="store_true", help="break things on purpose and see that it is found")
    top.add_argument("--keep", action="store_true", help="keep the logs also of a run without a fault")
    top.add_argument("--verbose", action="store_true", help="print every fault as it begins")
    return top


def main() -> int:
    """Runs it; 0 when nothing was wrong."""
    command_line = parser()
    args = command_line.parse_args()
    left_out = {kind for kind in mischief.KINDS if any(word in kind for word in args.without)
                or args.only and not any(word in kind for word in args.only)}
    if left_out == set(mischief.KINDS):
        command_line.error(f"no fault is left of: {', '.join(sorted(left_out))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.SystemRandom().randrange(1, 1_000_000) if args.seed is None else args.seed
    print("faults: proving the judge" if args.prove else f"faults: seed {seed}, {args.minutes:g} minutes", flush=True)
    (ROOT / ".stack").mkdir(exist_ok=True)
    directory = args.dir or Path(tempfile.mkdtemp(prefix="faults-", dir=ROOT / ".stack"))
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)
    begun = time.monotonic()

    def say(what: str) -> None:
        if args.verbose:
            print(f"{time.monotonic() - begun:7.1f} | {what}", flush=True)

    with House(directory, args.cache.resolve(), args.program, seed) as house:
        run = Run(house, seed, say)
        run.prepare()
        if args.prove:
            status = prove.prove(run)
        else:
            missing = mischief.unavailable(house)
            faults = mischief.schedule(seed, args.minutes * 60, left_out | set(missing))
            verdict = run.go(faults, args.minutes * 60)
            status = report(run, verdict, missing, seed)
        house.keep = args.keep or status != 0
    if house.keep:
        print(f"logs: {directory}/homeserver/logs, {directory}/database/logs")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
