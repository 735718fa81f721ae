"""``build``: galleries, vectors and indexes, with progress; what is stopped goes on later."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from retrieval.about import unfit
from retrieval.commands.bar import progress
from retrieval.commands.compare import declared
from retrieval.commands.precision import against_float32, sentence
from retrieval.embedders import EMBEDDERS
from retrieval.errors import BadKnob, BadQuery, BadVectors, NotReady, Refused, Unreachable
from retrieval.galleries.base import Gallery
from retrieval.galleries.catalog import Entry
from retrieval.hosted.cost import estimate
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.partial import Ahead
from retrieval.store import vectors_key


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("build", help="embed a gallery and index it")
    command.add_argument("--gallery", action="append", help="default: those that ship")
    command.add_argument("--embedder", action="append", help="default: all that are ready")
    command.add_argument(
        "--index", action="append", help="INDEX?knob=n, or EMBEDDER@INDEX?knob=n; default: all"
    )
    command.add_argument("--limit", type=int, help="rows of a gallery from the hub, at most")
    command.add_argument(
        "--ray", metavar="ADDRESS", help="embed by a Ray cluster: HOST:PORT, or auto"
    )
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Build what is missing.

    Raises:
        UnknownName: before anything is built.
        BadQuery: the limit is no number of rows.
    """
    if options.limit is not None and options.limit < 1:
        raise BadQuery(f"--limit is {options.limit}; it must be 1 or more")
    galleries = options.gallery or [e.name for e in lab.catalog.entries() if e.kind == "parquet"]
    entries = [lab.catalog.entry(name) for name in galleries]
    wanted = asked(lab, options.embedder, options.index)
    lab.work.heard = progress()  # downloads, in a log too
    return {"built": [_gallery(lab, entry, wanted, options) for entry in entries]}


def asked(
    lab: Lab, embedders: list[str] | None, indexes: list[str] | None
) -> dict[str, list[Panel]]:
    """The panels to build by embedder; none stands for every index that fits.

    Raises:
        UnknownName: of an embedder or an index.
        BadKnob: a knob that is not declared or out of its range.
    """
    whole = [Panel.parse(text) for text in indexes or () if "@" in text]
    bare = [text for text in indexes or () if "@" not in text]
    names = embedders or ([] if whole and not bare else ready(lab))
    wanted: dict[str, list[Panel]] = {name: [] for name in names}
    every = (f"{quote(name, safe='')}@{text}" for name in names for text in bare)
    for panel in (*whole, *map(Panel.parse, every)):
        wanted.setdefault(panel.embedder, []).append(panel)
    for name, panels in wanted.items():
        lab.spec(name)
        for panel in panels:
            declared(lab, panel)
    return wanted


def ready(lab: Lab, about: str | None = None) -> list[str]:
    """Embedders that can be used now, without paying; what costs money must be named.

    Args:
        lab: whose.
        about: what a gallery is about, for those alone that are for it; of any where not given.
    """
    states = lab.states()
    return [
        spec.name
        for spec in EMBEDDERS.specs()
        if states[spec.name].kind == "ready"
        and not spec.key
        and (about is None or not unfit(spec, about))
    ]


def _gallery(
    lab: Lab, entry: Entry, wanted: dict[str, list[Panel]], options: argparse.Namespace
) -> dict[str, Any]:
    if entry.kind == "hub":
        from retrieval.galleries import hub

        hub.build(entry, lab.cache, options.limit, progress())
    gallery = lab.gallery(entry.name)
    wanted = _fitting(lab, gallery, wanted, options)
    with agreed(lab, gallery, list(wanted)):
        rows = [
            _embedder(lab, gallery, name, panels, options.ray) for name, panels in wanted.items()
        ]
    return {"gallery": entry.name, "rows": len(gallery), "embedders": rows}


def _fitting(
    lab: Lab, gallery: Gallery, wanted: dict[str, list[Panel]], options: argparse.Namespace
) -> dict[str, list[Panel]]:
    """What was named, and of what was not named that which is for this gallery."""
    whole = [Panel.parse(text).embedder for text in options.index or () if "@" in text]
    named = {*whole, *(options.embedder or ())}
    return {
        name: panels
        for name, panels in wanted.items()
        if name in named or not unfit(lab.spec(name), gallery.about)
    }


@contextmanager
def agreed(lab: Lab, gallery: Gallery, names: list[str]) -> Iterator[None]:
    """Say what hosted embedders would charge for a gallery, and ask, before anything is sent.

    What was agreed to holds inside the block.

    Raises:
        Refused: the answer is no, or there is nobody to ask.
        NotReady: a key is missing.
    """
    specs = [spec for spec in map(lab.spec, names) if spec.key]
    sent = [each for each in specs if lab.store.find(vectors_key(gallery, each)) is None]
    for spec in sent:
        lab.embedder(spec.name)  # which sends nothing, but says that a key is missing
        said = estimate(spec, gallery.name, len(gallery)).sentence()
        sys.stderr.write(f"{spec.name} is paid by use: {said}\n")
    before = lab.paid
    if sent and not (before or _yes()):
        raise Refused("nothing was sent; say y when asked, or give --yes")
    lab.paid = before or bool(sent)
    try:
        yield
    finally:
        lab.paid = before


def _yes() -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stderr.write("Send them, and pay? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _embedder(
    lab: Lab, gallery: Gallery, name: str, panels: list[Panel], ray: str | None
) -> dict[str, Any]:
    vectors = lab.vectors(gallery, name, progress(), _elsewhere(lab, gallery, name, ray))
    metric = lab.spec(name).metric
    fitting = [Panel(name, each.name) for each in INDEXES.specs() if metric in each.metrics]
    return {
        "embedder": name,
        "bytes": vectors.nbytes,
        "indexes": (
            {_named(each): _index(lab, gallery, each) for each in panels}
            or {each.index: _index_if_fits(lab, gallery, each) for each in fitting}
        ),
        "overlap": against_float32(lab, gallery, name, vectors),
    }


def _elsewhere(lab: Lab, gallery: Gallery, name: str, address: str | None) -> Ahead | None:
    if address is None:
        return None
    from retrieval.cluster import ahead

    return ahead(lab, gallery, name, address)


def _named(panel: Panel) -> str:
    return str(panel).partition("@")[2]


def _index_if_fits(lab: Lab, gallery: Gallery, panel: Panel) -> str:
    """As ``_index``; what nobody named may lack library or server, or not suit these vectors."""
    try:
        return _index(lab, gallery, panel)
    except (BadKnob, BadVectors, NotReady, Unreachable) as error:
        return str(error)


def _index(lab: Lab, gallery: Gallery, panel: Panel) -> str:
    built = lab.index(gallery, panel)
    return f"built in {built.seconds:.2f} s" if built.fresh else "was there"


def show(answer: dict[str, Any]) -> str:
    """What was built, a line each."""
    return "\n".join(
        f"{gallery['gallery']} x {row['embedder']}: {row['bytes'] / 1e6:.1f} MB of vectors; "
        + ", ".join(f"{name} {said}" for name, said in row["indexes"].items())
        + (f"; {sentence(row['overlap'])}" if row["overlap"] else "")
        for gallery in answer["built"]
        for row in gallery["embedders"]
    )
