"""What is chosen in the tab of duplicates, and what can be taken away from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from retrieval.duplicates.asked import Ways
from retrieval.galleries.base import Gallery
from retrieval.types import Metric
from retrieval.ui.figures import escape
from retrieval.ui.licences import picture
from retrieval.ui.measuring import buttons, clock
from retrieval.ui.menu import Menu

COUNT = 100
"""Pictures of a gallery's sample that are measured, where nothing else is asked."""
MOST = 5_000
SECONDS = 60.0
FURTHEST = 32
"""Bits of the radius' slider; beyond half of a hash nothing is alike."""
FILES = (
    ("csv", "groups", "Groups, CSV"),
    ("csv", "detection", "Detection, CSV"),
    ("json", "groups", "All, JSON"),
)


def pickers(
    menu: Callable[[Metric], Menu],
    names: Mapping[str, str],
    radius: float,
    cosine: float,
    about: str,
) -> str:
    """The hash with its radius, the embedding with its threshold.

    Args:
        menu: of the embedders that compare by a metric.
        names: what is chosen, as ``hash`` and ``near``.
        radius: in bits.
        cosine: the threshold.
        about: what the gallery's pictures are of.
    """
    hashes, embedders = menu(Metric.HAMMING), menu(Metric.COSINE)
    return (
        f"{_pick('Hash', 'hash', hashes.embedder_options(names['hash'], about))}"
        '<label class="pick slide"><span>Radius, bits</span><input type="range" data-radius'
        f' min="0" max="{FURTHEST}" step="1" value="{radius:g}"><output>{radius:g}</output></label>'
        f"{_pick('Embedding', 'near', embedders.embedder_options(names['near'], about))}"
        '<label class="pick slide"><span>Cosine from</span><input type="range" data-cosine'
        f' min="0.5" max="1" step="0.001" value="{cosine:.3f}"><output>{cosine:.3f}</output>'
        '</label><button type="button" class="plain" data-equal title="The cosine at which the '
        'embedding finds as many pairs as the hash">Equal pairs</button>'
    )


def tools(gallery: Gallery, public: bool) -> str:
    """What measures the sample of a gallery."""
    return (
        '<section class="task"><h2>Found again after distortion</h2><p class="hint">Pictures of '
        f"{escape(gallery.title)}, drawn by a seed, changed and looked for at the settings above."
        '</p></section><label class="pick"><span>Pictures</span><input class="field" type="number"'
        f' data-pictures min="1" max="{MOST}" value="{COUNT}"></label>'
        f"{clock(public, SECONDS)}{buttons()}"
    )


def files(choice: Ways, drawn: bool) -> str:
    """Links to the figures, and their picture where something is drawn."""
    asked = {
        "gallery": choice.gallery.name,
        "hash": choice.first.spec.name,
        "radius": f"{choice.first.value:g}",
        "near": choice.second.spec.name,
        **({} if choice.equal else {"threshold": f"{choice.second.value:g}"}),
    }
    links = "".join(
        f'<a class="plain" download href="tab/duplicates.{kind}?'
        f'{escape(urlencode({**asked, "table": table}))}">{word}</a>'
        for kind, table, word in FILES
    )
    both = choice.first.spec, choice.second.spec
    title = f"Found again after distortion: {choice.gallery.title}"
    png = picture(title, choice.gallery, *both) if drawn else ""
    return f'<div class="where"><p class="ways">{links}{png}</p></div>'


def _pick(title: str, name: str, options: str) -> str:
    return (
        f'<label class="pick"><span>{title}</span><select class="field" data-way="{name}">'
        f"{options}</select></label>"
    )
