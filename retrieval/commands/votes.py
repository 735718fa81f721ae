"""``votes``: what blind votes came to, or their judgements for other programs."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from retrieval.commands.listing import table
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.measure.tally import as_csv, contests, gains, qrels
from retrieval.measure.votes import current, votes


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("votes", help="what blind votes on this machine came to")
    command.add_argument("--gallery", default="stamps")
    command.add_argument("--qrels", action="store_true", help="print TREC relevance judgements")
    command.add_argument("--csv", action="store_true", help="print the judgements as CSV")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Read the votes of a gallery, and count.

    Raises:
        BadQuery: there are none.
    """
    gallery = lab.gallery(options.gallery)
    every, bad = votes(lab).read(gallery.name)
    given = current(gallery, every)
    if not given:
        old = f"; {len(every)} are on pictures that it had before" if every else ""
        raise BadQuery(
            f"nobody has voted on {gallery.name} here{old}; the tab Quality has a blind vote"
        )
    texts = {"qrels": qrels(given)} if options.qrels else {}
    return {
        "gallery": gallery.name,
        "revision": gallery.revision,
        "votes": len(given),
        "outdated": len(every) - len(given),
        "unreadable": bad,
        "contests": [
            {**asdict(each), "rate": each.rate, "interval": each.interval}
            for each in contests(given)
        ],
        "ndcg": [asdict(each) for each in gains(given)],
        **texts,
        **({"csv": as_csv(given)} if options.csv else {}),
    }


def show(answer: dict[str, Any]) -> str:
    """Who won how often, and nDCG@10; or the judgements alone."""
    for kind in ("qrels", "csv"):
        if kind in answer:
            return str(answer[kind]).rstrip("\n")
    title = f"{answer['gallery']}: {answer['votes']} votes"
    tables = [
        table(title, [_contest(each) for each in answer["contests"]]),
        table("by the pictures that were marked", [_gain(each) for each in answer["ndcg"]]),
    ]
    rows = (answer["contests"], answer["ndcg"])
    return "\n\n".join(text for text, some in zip(tables, rows, strict=True) if some)


def _contest(each: dict[str, Any]) -> dict[str, Any]:
    low, high = each["interval"]
    rate = "none chose" if each["rate"] is None else f"{each['rate']:.0%} [{low:.0%}, {high:.0%}]"
    votes = f"{each['won']} : {each['lost']}, {each['ties']} ties"
    return {"panel": each["one"], "against": each["other"], "votes": votes, "win rate": rate}


def _gain(each: dict[str, Any]) -> dict[str, Any]:
    ndcg = f"{each['ndcg']:.3f} [{each['low']:.3f}, {each['high']:.3f}]"
    return {"panel": each["panel"], "queries": each["queries"], "nDCG@10": ndcg}
