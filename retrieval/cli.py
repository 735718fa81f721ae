"""``python -m retrieval list|build|choose|search|compare|evaluate|calibrate|votes|sweep|...``."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from retrieval.commands.bar import progress
from retrieval.errors import BadKnob, LabError, Stopped
from retrieval.lab import Lab
from retrieval.runtime.amounts import amount
from retrieval.runtime.paths import VARIABLE, expanded
from retrieval.types import Precision

COMMANDS = {
    "list": "listing",
    "build": "build",
    "calibrate": "calibrate",
    "choose": "choose",
    "search": "compare",
    "compare": "compare",
    "duplicates": "duplicates",
    "evaluate": "evaluate",
    "knobs": "knobs",
    "load": "load",
    "sweep": "sweep",
    "replay": "replay",
    "train": "train",
    "verify": "verify",
    "votes": "votes",
}
"""The module of each command."""
STOPPED = 130
"""What a shell says of a program that Ctrl-C has ended."""
PIPE = 141
"""What a shell says of a program whose reader has gone."""
LONGEST = 300
"""Characters of a message that quotes what was typed."""


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        """One sentence on stderr, then the end."""
        said = " ".join(message.split())[:LONGEST]
        self.exit(2, f"parallax: {said}; {self.prog} --help says more\n")


def main(argv: Sequence[str]) -> int:
    """Run one command; 0, or 2 with one sentence on stderr.

    Returns:
        130 where it was stopped by Ctrl-C, 141 where nobody reads the answer.
    """
    try:
        options = parser(*argv[:1]).parse_args(argv)
        with caching(options.cache):
            run: Callable[[Lab, argparse.Namespace], Any] = options.run
            mine = lab(options)
            mine.work.heard = progress() if sys.stderr.isatty() else None
            answer = run(mine, options)
        say(json.dumps(answer, ensure_ascii=True) if options.json else options.show(answer))
    except LabError as error:
        return sorry(str(error), STOPPED if isinstance(error, Stopped) else 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the interpreter complains at its end
        return PIPE
    except OSError as error:
        return sorry(f"{error.filename or 'the answer'}: {error.strerror or error}", 2)
    except KeyboardInterrupt:
        return sorry("stopped; the same command goes on from here", STOPPED)
    return 0


@contextmanager
def caching(folder: Path | None) -> Iterator[None]:
    """Everything that is made goes into a folder while the block runs, the networks too."""
    before = os.environ.get(VARIABLE)
    if folder is not None:
        os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        if folder is not None:
            os.environ.pop(VARIABLE)
            os.environ.update({VARIABLE: before} if before is not None else {})


def say(text: str) -> None:
    """Print an answer now, whatever signs the terminal lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    print(text, flush=True)


def sorry(text: str, code: int) -> int:
    """Print one line on stderr, if anybody reads it."""
    with suppress(BrokenPipeError):
        print(f"parallax: {' '.join(text.split())}", file=sys.stderr)
    return code


def lab(options: argparse.Namespace) -> Lab:
    """The lab that the options ask for."""
    folder = options.folder or os.environ.get("PARALLAX_FOLDER")
    return Lab(
        cache=expanded(options.cache) if options.cache else None,
        folder=expanded(folder) if folder else None,
        public=getattr(options, "public", False),
        precision=precision(options.precision or os.environ.get("PARALLAX_PRECISION")),
        memory=amount(options.memory or os.environ.get("PARALLAX_MEMORY")),
        paid=getattr(options, "yes", False),
    )


def precision(text: str | None) -> Precision:
    """What networks compute in.

    Raises:
        BadKnob: it is neither of the two.
    """
    if not text or text == "float32":
        return "float32"
    if text == "bfloat16":
        return "bfloat16"
    raise BadKnob(f"the precision is {text[:80]!r}; it must be float32 or bfloat16")


def parser(name: str = "") -> argparse.ArgumentParser:
    """The commands and their flags.

    Args:
        name: the one that is asked for, whose module alone is imported; else all are.
    """
    modules = [COMMANDS[name]] if name in COMMANDS else dict.fromkeys(COMMANDS.values())
    whole = Parser(prog="python -m retrieval", description=__doc__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for module in modules:
        for command in import_module(f"retrieval.commands.{module}").add(commands):
            _common(command)
    return whole


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--folder", type=Path, help="your own pictures, as the gallery 'folder'")
    command.add_argument("--cache", type=Path, help="where to keep what is built")
    command.add_argument("--memory", help="models that stay loaded, as 8GB: default half of it all")
    command.add_argument(
        "--precision", help="what networks compute in: float32, which is what ships, or bfloat16"
    )
    command.add_argument(
        "--yes", action="store_true", help="send whole galleries to hosted embedders, and pay"
    )
