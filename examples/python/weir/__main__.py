"""The command `python -m weir`: the calls of a store from a shell."""
import argparse
import os
import sys
from typing import List, Optional

from . import Error, Store, __version__

USAGE = """examples:
  python3 -m weir set fs:///tmp/kv greeting hello
  python3 -m weir get fs:///tmp/kv greeting
  python3 -m weir ls redis://127.0.0.1 user/
  python3 -m weir ask lua:/etc/weir/kv.lua tree

exit: 0, 1: the key is not there, 2: an error"""


def get(store: Store, args: argparse.Namespace) -> bool:
    value = store.get(args.key)
    if value is not None:
        sys.stdout.buffer.write(value)
    return value is not None


def set_(store: Store, args: argparse.Namespace) -> bool:
    value = args.value.encode("utf-8", "surrogateescape")
    if args.value == "-":
        value = sys.stdin.buffer.read()
    return store.set(args.key, value, ttl=args.ttl)


def exists(store: Store, args: argparse.Namespace) -> bool:
    return store.exists(args.key)


def rm(store: Store, args: argparse.Namespace) -> bool:
    return store.delete(args.key)


def stat(store: Store, args: argparse.Namespace) -> bool:
    facts = store.stat(args.key)
    if facts is not None:
        rest = "-" if facts.ttl is None else "%.3f s" % facts.ttl
        print("%d bytes, ttl %s" % (facts.size, rest))
    return facts is not None


def ls(store: Store, args: argparse.Namespace) -> bool:
    for entry in store.scan(args.prefix):
        sys.stdout.buffer.write(entry.key + b"\n")
    return True


def ask(store: Store, args: argparse.Namespace) -> bool:
    print(store.ask(" ".join(args.words)))
    return True


COMMANDS = [
    ("get", get, ["key"], "print the value of a key"),
    ("set", set_, ["key", "value"], "store a value; - reads it from stdin"),
    ("exists", exists, ["key"], "tell whether a key is there"),
    ("rm", rm, ["key"], "remove a key"),
    ("stat", stat, ["key"], "print the size of a value and its time to live"),
    ("ls", ls, ["prefix"], "list the keys that begin with a prefix"),
    ("ask", ask, ["words"], "ask a store something, such as help or reload"),
]
SETTINGS = {"prefix": {"nargs": "?", "default": ""}, "words": {"nargs": "+"}}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python3 -m weir", description="A store of weir from the shell.",
        epilog=USAGE, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version",
                     version="weir %s" % __version__)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    for name, run, names, text in COMMANDS:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("url", help="the store: fs:///tmp/kv")
        for argument in names:
            command.add_argument(argument, **SETTINGS.get(argument, {}))
        if name == "set":
            command.add_argument("--ttl", type=float,
                                 help="seconds that the value lives")
    return top


def main(words: Optional[List[str]] = None) -> int:
    """Runs the command. Returns its exit code."""
    args = parser().parse_args(words)
    try:
        with Store(args.url) as store:
            found = args.run(store, args)
            sys.stdout.flush()
            return 0 if found else 1
    except (Error, ValueError) as error:
        print("weir: %s" % error, file=sys.stderr)
        return 2
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            print("weir: cannot read or write: %s" % (error.strerror or error),
                  file=sys.stderr)
        # Python would write what is left at its end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
