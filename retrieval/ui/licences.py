"""Licences of what figures are about, in words, and on a picture of a plot."""

from __future__ import annotations

from typing import Protocol

from retrieval.galleries.base import Gallery
from retrieval.types import Licence, Spec
from retrieval.ui.figures import escape


class About(Protocol):
    """What figures are about."""

    @property
    def gallery(self) -> Gallery:
        """Whose pictures."""

    @property
    def embedder(self) -> Spec:
        """Whose vectors."""


def licence(given: Licence) -> str:
    """In words, such as ``GPL-2.0-or-later (on conditions), LINK``."""
    use = {"yes": "", "no": " (no commercial use)", "conditions": " (on conditions)"}
    return f"{given.id}{use[given.commercial]}, {given.link}"


def weights(job: About) -> str:
    """The licence of an embedder's weights, in words."""
    return licence(job.embedder.licence) if job.embedder.licence else "none needed"


def picture(title: str, gallery: Gallery, *embedders: Spec) -> str:
    """A button that gives the plots around it as a PNG, with the licences written under them."""
    about = [f"{gallery.title}: {licence(gallery.licence)}"]
    about += [
        f"{each.title}: {licence(each.licence) if each.licence else 'none needed'}"
        for each in embedders
    ]
    return (
        f'<button type="button" class="plain" data-png="{escape(title)}" '
        f'data-notes="{escape(" · ".join(about))}">PNG</button>'
    )
