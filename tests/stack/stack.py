#!/usr/bin/env python3
"""A whole Matrix installation for tests: Postgres, Synapse, a bridge and a switch.

    stack.py install --cache DIR [--with-contract]  Synapse's venv, the bridge's and the switch's binaries;
                                                    also the venv of tests/contract
    stack.py history --cache DIR                    a long history, made once and kept in the cache
    stack.py init    --dir DIR --cache DIR [...]    ports, secrets and configuration of one stack
    stack.py up      --dir DIR COMPONENT...         start in this order, wait until each is healthy
    stack.py down    --dir DIR [COMPONENT...]       stop, all in reverse order when none is named
    stack.py restart --dir DIR COMPONENT...
    stack.py status  --dir DIR [--json]
    stack.py user    --dir DIR NAME                 register a Matrix user, print its token
    stack.py clear   --dir DIR                      remove what a stopped stack has elsewhere
    stack.py secrets --dir DIR                      fail when a log of Tributary's tells a secret

Only the standard library is used, and everything listens on 127.0.0.1.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

import components
import configs
import discretion
import history
import install
import postgres
import processes
from state import StackError, Stack


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, *, on_dir: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name)
        if on_dir:
            sub.add_argument("--dir", type=Path, required=True)
        return sub

    install_ = command("install", on_dir=False)
    install_.add_argument("--cache", type=Path, required=True)
    install_.add_argument("--with-contract", action="store_true")
    command("history", on_dir=False).add_argument("--cache", type=Path, required=True)
    init = command("init")
    init.add_argument("--cache", type=Path, required=True)
    init.add_argument("--with-switch", action="store_true")
    init.add_argument("--with-history", action="store_true")
    init.add_argument("--in-memory", action="store_true")
    init.add_argument("--tributary-port", type=int)
    for name in ("up", "restart"):
        command(name).add_argument("components", nargs="+", choices=components.ORDER)
    command("down").add_argument("components", nargs="*", default=[], metavar="COMPONENT")
    command("status").add_argument("--json", action="store_true")
    command("clear")
    command("secrets")
    user = command("user")
    user.add_argument("name")
    user.add_argument("--admin", action="store_true")
    return top


def print_status(stack: Stack, as_json: bool) -> None:
    """Shows what runs and what it takes."""
    report = processes.status(stack, components.ORDER)
    if as_json:
        print(json.dumps(report, indent=2))
        return
    for name, entry in report.items():
        line = f"pid {entry['pid']}, {entry['rss_kib'] // 1024} MiB" if entry["running"] else "down"
        print(f"{name:10} {line}")


def run(args: argparse.Namespace) -> None:
    """Does what the command line says."""
    if args.command == "install":
        install.install(args.cache.resolve(), args.with_contract)
        return
    if args.command == "history":
        history.make(args.cache.resolve())
        return
    if args.command == "init":
        cache = args.cache.resolve()
        found = history.facts(cache) if args.with_history else None
        configs.init(args.dir.resolve(), cache, args.with_switch, args.in_memory, args.tributary_port)
        if found:
            history.bring(Stack(args.dir.resolve()), found)
        return
    stack = Stack(args.dir.resolve())
    if args.command == "up":
        components.up(stack, args.components)
    elif args.command == "down":
        components.down(stack, args.components)
    elif args.command == "restart":
        components.down(stack, args.components)
        components.up(stack, args.components)
    elif args.command == "status":
        print_status(stack, args.json)
    elif args.command == "clear":
        postgres.clear(stack)
    elif args.command == "secrets":
        discretion.check(stack)
    elif args.command == "user":
        print(json.dumps(components.register_user(stack, args.name, args.admin)))


def main() -> int:
    """Runs a command; a failure of the stack is a message and exit code 1, not a traceback."""
    # What is half made is stopped and removed either way; Ctrl-C does not reach a script's background.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(parser().parse_args())
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
