"""What a lab refuses: to strangers in public mode, and what is paid by use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.embedders import typed
from retrieval.errors import Refused, Unreachable
from retrieval.galleries.base import Gallery
from retrieval.indexes import typed as typed_index
from retrieval.indexes.base import knob
from retrieval.store import Key, vectors_key
from retrieval.types import Spec

if TYPE_CHECKING:
    from retrieval.lab import Lab

OWN = "run Parallax on your own machine for that"


def model(lab: Lab, name: str) -> None:
    """Whether an embedder of this name may be looked up.

    Raises:
        Refused: it is typed, in public mode.
    """
    if lab.public and typed.is_typed(name):
        raise Refused(
            f"{name[:80]!r} is a model that somebody types and a public lab loads none; {OWN}"
        )


def index(lab: Lab, name: str) -> None:
    """Whether an index of this name may be looked up.

    Raises:
        Refused: it is typed, in public mode.
    """
    if lab.public and typed_index.is_typed(name):
        raise Refused(
            f"{name[:80]!r} is an index that somebody types and a public lab builds none; {OWN}"
        )


def asking(lab: Lab, name: str, gallery: Gallery | None) -> None:
    """Whether the hub may be asked for the commit of an embedder, and for whose vectors.

    Raises:
        Refused: in public mode.
    """
    if lab.public:
        what = f"has no vectors of {gallery.name}" if gallery else "has no commit"
        raise Refused(f"{name} {what} here and a public lab downloads none; {OWN}")


def loading(lab: Lab, spec: Spec) -> None:
    """Whether an embedder may be loaded.

    Raises:
        Refused: it is not ready, in public mode.
        Unreachable: its weights are neither here nor, as far as is known, to be had.
    """
    from retrieval.readiness import state

    found = state(spec, lab.public)
    if lab.public and found.kind != "ready":
        raise Refused(f"{spec.name} is not for a public lab: {found.reason}")
    if found.kind == "unreachable":  # the hub's client would try for half a minute
        raise Unreachable(f"{spec.name} is not here: {found.reason}")


def texts(lab: Lab, spec: Spec, count: int) -> None:
    """Whether an embedder may be sent so many texts.

    Raises:
        Refused: it is paid by use, and nobody has agreed to pay.
    """
    if spec.key and not lab.paid:
        raise Refused(
            f"{spec.name} would be sent {count:,} texts and is paid by use; only the command "
            "line does that, and only with --yes"
        )


def embedding(lab: Lab, gallery: Gallery, spec: Spec) -> None:
    """Whether a gallery may be embedded, where it is not yet.

    Raises:
        Refused: in public mode, or by an embedder that nobody has agreed to pay.
    """
    if not (lab.public or spec.key) or lab.store.find(vectors_key(gallery, spec)):
        return
    if lab.public:
        raise Refused(
            f"{spec.name} has no vectors of {gallery.name} here and a public lab embeds none; {OWN}"
        )
    if not lab.paid:
        raise Refused(
            f"{spec.name} would be sent {len(gallery):,} pictures of {gallery.name} and is "
            "paid by use; what it costs is said, and asked, by: python -m retrieval build "
            f"--gallery {gallery.name} --embedder {spec.name}"
        )


def building(lab: Lab, gallery: Gallery, key: Key) -> None:
    """Whether an index of a key may be built, where it is not yet.

    Raises:
        Refused: the gallery is none of those that ship, in public mode.
    """
    ours = not lab.public or lab.catalog.entry(gallery.name).kind == "parquet"
    if not ours and lab.store.find(key) is None:
        raise Refused(
            f"{key['index']} is not built for {gallery.name} and a public lab builds indexes "
            "of the shipped galleries only; choose another index"
        )


def knobs(lab: Lab, index: Spec, build: dict[str, int]) -> None:
    """Whether an index may be asked for with these build-time knobs.

    Raises:
        Refused: it is a server, or a knob is off its default, in public mode.
    """
    if lab.public and index.param("address"):
        raise Refused(
            f"{index.name} is a server of the host's, which a public lab does not ask; "
            "choose another index"
        )
    changed = [name for name, value in build.items() if value != knob(index, name).default]
    if lab.public and changed:
        raise Refused(
            f"{', '.join(changed)} would build another index and a public lab builds none; {OWN}"
        )
