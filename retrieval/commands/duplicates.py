"""``duplicates``: near-duplicates by a hash and by an embedding, and how distortions hide them."""

from __future__ import annotations

import argparse
from typing import Any

from retrieval.commands.bar import line
from retrieval.commands.listing import table
from retrieval.duplicates.asked import EMBEDDER, HASH, RADIUS, ways
from retrieval.duplicates.figures import TABLES, as_csv, figures
from retrieval.duplicates.finder import Finder
from retrieval.errors import BadQuery
from retrieval.lab import Lab

SECONDS = 60.0
SHOWN = 12
"""Groups that are printed; JSON and CSV have all."""


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("duplicates", help="near-duplicates by hash and by embedding")
    command.add_argument("--gallery", default="stamps")
    command.add_argument("--hash", default=HASH)
    command.add_argument("--radius", type=float, default=RADIUS, help="bits that may differ")
    command.add_argument("--embedder", default=EMBEDDER)
    command.add_argument(
        "--threshold", type=float, help="least cosine; default: as many pairs as the hash finds"
    )
    command.add_argument(
        "--measure", type=int, metavar="PICTURES", help="distort and embed so many pictures first"
    )
    command.add_argument(
        "--seconds", type=float, default=SECONDS, help="for each embedder, at most"
    )
    command.add_argument("--csv", choices=TABLES, help="print one of the tables as CSV")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Compare, after measuring where that is asked."""
    finder, gallery = Finder(lab), lab.gallery(options.gallery)
    first, second = lab.spec(options.hash), lab.spec(options.embedder)
    asked = ways(finder, gallery, first, second, options.radius, options.threshold)
    if options.measure is not None:
        if not options.seconds > 0:
            raise BadQuery(f"--seconds is {options.seconds:g}; it must be more than 0")
        for way in (asked.first, asked.second):
            _measure(finder, asked.gallery.name, way.spec.name, options)
    return {**figures(finder, asked), "csv": options.csv}


def show(answer: dict[str, Any]) -> str:
    """The groups that were found, what distortions hide, and how the pairs are told."""
    if answer["csv"]:
        return as_csv(answer, answer["csv"]).rstrip("\n")
    parts = [
        table(
            f"{answer['gallery']}: near-duplicates",
            [_way(answer, "hash"), _way(answer, "embedding")],
        ),
        table("pictures that are found by", [answer["pictures"]]),
        table(f"the first {SHOWN} groups", [_group(each) for each in answer["groups"][:SHOWN]]),
    ]
    if answer["detection"]:
        parts.append(table("detected under distortions", _rates(answer)))
    if answer["truth"]:
        rows = [_truth(each) for each in answer["truth"]]
        parts.append(table("pairs that were picked by looking", rows))
    return "\n\n".join(parts)


def _measure(finder: Finder, gallery: str, name: str, options: argparse.Namespace) -> None:
    opened = finder.lab.gallery(gallery)
    with line() as say:
        for step in finder.measure(opened, name, options.measure, options.seconds):
            say(f"{name}: {step.done} of {step.total} pictures")


def _way(answer: dict[str, Any], kind: str) -> dict[str, Any]:
    way = answer[kind]
    return {
        "by": kind,
        "name": way["name"],
        "threshold": f"{way['threshold']:g}",
        "pairs": f"{way['pairs']:,}",
        "of all pairs": f"{way['share_of_all_pairs']:.2e}",
        "groups": way["groups"],
        "pictures": way["pictures"],
    }


def _group(group: dict[str, Any]) -> dict[str, Any]:
    some = [f"{each['row']} {each['caption'][:24]}" for each in group["pictures"][:3]]
    more = len(group["pictures"]) - len(some)
    return {
        "found by": group["found_by"],
        "pictures": "; ".join(some) + (f"; and {more} more" if more else ""),
    }


def _rates(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "embedder": each["embedder"],
            "distortion": each["distortion"],
            "strength": f"{each['strength']:g}",
            "detected": f"{each['detected']:.2f} [{each['low']:.2f}, {each['high']:.2f}]",
            "another found": f"{each['another_found']:.2f}",
            "pictures": each["pictures"],
        }
        for each in answer["detection"]
    ]


def _truth(each: dict[str, Any]) -> dict[str, Any]:
    return {
        "embedder": each["embedder"],
        "near-duplicates found": f"{each['near_duplicates_found']:.0%}",
        "look-alikes found": f"{each['look_alikes_found']:.0%}",
        "AUC": f"{each['auc']:.3f} [{each['auc_low']:.3f}, {each['auc_high']:.3f}]",
        "average precision": f"{each['average_precision']:.3f}",
    }
