"""``replay``: run a receipt again and say what differs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from retrieval import images
from retrieval.commands import again
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.measure import receipts


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("replay", help="run a receipt again and say what differs")
    command.add_argument("receipt", type=Path, help="a JSON file of the page, --json or --receipt")
    command.add_argument("--image", type=Path, help="the query's picture, if it was one")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Run it again."""
    data = written(options.receipt)
    given = receipts.loaded(data)
    if "kind" in given:
        return again.replayed(lab, given)
    old = receipts.read(data)
    image = images.read(options.image) if options.image else None
    new = receipts.replay(lab, old, image)
    differ = receipts.differences(old, new)
    return {
        "same": not differ,
        "differences": differ,
        "circumstances": receipts.circumstances(old, new),
        "receipt": new,
    }


def written(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        BadQuery: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadQuery(f"cannot read {path}: {error.strerror}; give the receipt's path") from error


def show(answer: dict[str, Any]) -> str:
    """What is the same, what differs, and what may be why."""
    head = f"the same {_same(answer)}" if answer["same"] else "it differs:"
    lines = [head, *(f"  {each}" for each in answer["differences"])]
    if answer["circumstances"]:
        lines += ["since then:", *(f"  {each}" for each in answer["circumstances"])]
    return "\n".join(lines)


def _same(answer: dict[str, Any]) -> str:
    if "count" in answer:
        return f"figures in {answer['count']:,} rows; their times are not compared"
    ranks = sum(len(each["rows"]) for each in answer["receipt"]["panels"])
    return f"{ranks} rows in the same order"
