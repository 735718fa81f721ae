"""``python -m retrieval list|build|search|compare|verify``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from retrieval.errors import LabError
from retrieval.lab import Lab


def main(argv: Sequence[str]) -> int:
    """Run one command; 0, or 2 with one sentence on stderr."""
    options = parser().parse_args(argv)
    try:
        run: Callable[[Lab, argparse.Namespace], Any] = options.run
        answer = run(lab(options), options)
        print(json.dumps(answer, ensure_ascii=True) if options.json else options.show(answer))
    except LabError as error:
        print(f"parallax: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("parallax: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def lab(options: argparse.Namespace) -> Lab:
    """The lab that the options ask for."""
    folder = options.folder or os.environ.get("PARALLAX_FOLDER")
    return Lab(
        cache=options.cache,
        folder=Path(folder) if folder else None,
        precision=options.precision,
    )


def parser() -> argparse.ArgumentParser:
    """All commands and their flags."""
    from retrieval.commands import build, compare, listing, verify

    whole = argparse.ArgumentParser(prog="python -m retrieval", description=__doc__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for module in (listing, build, compare, verify):
        for command in module.add(commands):
            _common(command)
    return whole


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--folder", type=Path, help="your own pictures, as the gallery 'folder'")
    command.add_argument("--cache", type=Path, help="where to keep what is built")
    command.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default=os.environ.get("PARALLAX_PRECISION", "float32"),
        help="what networks compute in; float32 is what ships",
    )
