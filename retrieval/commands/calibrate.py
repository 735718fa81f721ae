"""``calibrate``: the probability that a picture with a score is a right one, fitted and kept."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from retrieval.commands.build import ready
from retrieval.commands.differences import lines
from retrieval.commands.evaluate import can, tasks, usual
from retrieval.commands.listing import table
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.calibration import Calibration
from retrieval.measure.calibrations import calibrations, fitted, key, kind
from retrieval.measure.tables import header


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("calibrate", help="what a score is worth, fitted and kept")
    command.add_argument("--gallery", default="stamps")
    command.add_argument("--embedder", action="append", help="default: all that are ready")
    command.add_argument("--csv", action="store_true", help="print CSV, a row a bin")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Fit what can be fitted, and keep it.

    Raises:
        BadQuery: nothing can.
    """
    gallery = lab.gallery(options.gallery)
    found = [
        {**asdict(fit), "embedder": name, "asked": wanted}
        for name, wanted, fit in made(lab, gallery, options.embedder or ready(lab, gallery.about))
    ]
    if not found:
        raise BadQuery(
            f"{gallery.name} has neither captions nor labels that these embedders can be asked by"
        )
    names = list(dict.fromkeys(each["embedder"] for each in found))
    told = header("calibrate", gallery, [*map(lab.spec, names)], embedder=names)
    about = {"gallery": gallery.name, "revision": gallery.revision}
    return {**about, "csv": options.csv, "fits": found, **told}


def rows(name: str, asked: str, fit: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A fit as a table: a row a bin; what is of the whole fit stands in each.

    Args:
        name: of the embedder.
        asked: with captions or pictures, ``text`` or ``picture``.
        fit: a ``Calibration`` as JSON has it.
    """
    told = fit["reliability"]
    whole = {"brier_of_the_mean": told["base"]}
    for column, values in (("calibration_error", told["error"]), ("brier", told["brier"])):
        names = (column, f"{column}_low", f"{column}_high")
        whole |= dict(zip(names, values, strict=True))
    for number, (said, was, count) in enumerate(told["bins"]):
        at = {"embedder": name, "asked": asked, "bin": number, "queries": fit["queries"]}
        yield {**at, "said": said, "right": was, "answers": count, **whole}


def made(lab: Lab, gallery: Gallery, names: list[str]) -> Iterator[tuple[str, str, Calibration]]:
    """Fit each embedder to each kind of query that it can be asked, and keep the fit."""
    store = calibrations(lab)
    for task in tasks(gallery, [usual(gallery)]):
        wanted = kind(task)
        for name in names if wanted else []:
            spec = lab.spec(name)
            if wanted and can(spec, task):
                fit = fitted(lab, gallery, name, task)
                store.save(key(gallery, spec, wanted), fit)
                yield name, wanted, fit


def show(answer: dict[str, Any]) -> str:
    """What each fit is worth on queries that it has not seen; or every bin, as CSV."""
    if answer["csv"]:
        head = {"gallery": answer["gallery"], "revision": answer["revision"]}
        every = (rows(each["embedder"], each["asked"], each) for each in answer["fits"])
        return lines([{**head, **row} for each in every for row in each])
    cells = [
        {
            "embedder": each["embedder"],
            "asked with": each["asked"],
            "calibration error": _interval(each["reliability"]["error"]),
            "Brier": _interval(each["reliability"]["brier"]),
            "Brier of the mean": f"{each['reliability']['base']:.3f}",
            "highest": f"{each['curve']['chances'][-1]:.0%} from {each['curve']['scores'][-1]:.3f}",
        }
        for each in answer["fits"]
    ]
    return table(f"{answer['gallery']}: probability of a right picture, held out", cells)


def _interval(value: list[float]) -> str:
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"
