"""How ways tell near-duplicates from look-alikes, by pairs that were picked by looking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from retrieval.duplicates.asked import Way, Ways
from retrieval.duplicates.truth import Rated
from retrieval.types import Spec
from retrieval.ui.figures import escape
from retrieval.ui.marks import Mark
from retrieval.ui.strengths import MARKS, Frame, Line, legend, plot
from retrieval.ui.takeaway import takeaway

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def judged(asked: Ways, rated: Sequence[Rated], others: Sequence[tuple[Spec, Rated]]) -> str:
    """The ROC curves of the chosen two, and the areas of all.

    Args:
        asked: the hash and the embedding.
        rated: of each.
        others: further embedders.
    """
    ways = asked.first, asked.second
    frame = Frame(
        "Near-duplicates found",
        "look-alikes found",
        [(share, f"{share:.0%}") for share in SHARES],
    )
    pairs = list(zip(ways, MARKS, rated, strict=True))
    lines = [Line(way.spec.title, mark, each.curve(), dots=False) for way, mark, each in pairs]
    points = "".join(_point(frame, way, mark, each) for way, mark, each in pairs)
    drawn = plot(frame, lines).replace("</svg>", f"{points}</svg>")
    same = int(rated[0].same.sum())
    every = [
        *((way.spec, each, way) for way, each in zip(ways, rated, strict=True)),
        *((spec, each, None) for spec, each in others),
    ]
    rows = "".join(_row(spec.title, each, way) for spec, each, way in every)
    figures = [row for spec, each, _ in every for row in _figures(spec, each)]
    specs = [spec for spec, _, _ in every]
    title = f"Pairs picked by looking: {asked.gallery.title}"
    return (
        '<section class="task"><h2>Pairs picked by looking</h2><p class="hint">'
        f"{same} near-duplicates and {len(rated[0].same) - same} look-alikes that are none, hard "
        "ones; how they were picked is written in data/duplicates/README.md. Ringed marks are "
        f'at the settings above.</p>{legend(lines)}<div class="small">{drawn}'
        '<table class="figures"><thead><tr>'
        "<th>Way</th><th>area under the curve</th><th>average precision</th>"
        f"<th>here: found</th><th>look-alikes</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f"{takeaway(title, figures, asked.gallery, *specs)}</section>"
    )


def _figures(spec: Spec, rated: Rated) -> Iterator[dict[str, Any]]:
    """A row a point of the ROC curve, with the area under it."""
    areas = {"auc": rated.auc, "auc_low": rated.low, "auc_high": rated.high}
    for wrong, found in rated.curve():
        shares = {"look_alikes_found": wrong, "near_duplicates_found": found}
        yield {"embedder": spec.name, **areas, "average_precision": rated.precision, **shares}


def _point(frame: Frame, way: Way, mark: Mark, rated: Rated) -> str:
    found, wrong = rated.at(way.least)
    x, y = frame.x(wrong), frame.y(found)
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="10" fill="none" stroke="currentColor"/>'
    return f"{mark.draw(x, y)}{ring}"


def _row(title: str, rated: Rated, way: Way | None) -> str:
    here = "".join(f"<td data-name='{name}'>{share:.0%}</td>" for name, share in _here(rated, way))
    return (
        f'<tr><th scope="row">{escape(title)}</th><td data-name="area under the curve">'
        f"<b>{rated.auc:.3f}</b> <small>[{rated.low:.3f}, {rated.high:.3f}]</small></td>"
        f'<td data-name="average precision">{rated.precision:.3f}</td>'
        f"{here or '<td></td><td></td>'}</tr>"
    )


def _here(rated: Rated, way: Way | None) -> list[tuple[str, float]]:
    if way is None:
        return []
    found, wrong = rated.at(way.least)
    return [("here: found", found), ("look-alikes", wrong)]
