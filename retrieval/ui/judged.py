"""How ways tell near-duplicates from look-alikes, by pairs that were picked by looking."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.duplicates.asked import Way
from retrieval.duplicates.truth import Rated
from retrieval.ui.figures import escape
from retrieval.ui.marks import Mark
from retrieval.ui.strengths import MARKS, Frame, Line, plot

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def judged(ways: Sequence[Way], rated: Sequence[Rated], others: Sequence[tuple[str, Rated]]) -> str:
    """The ROC curves of the chosen two, and the areas of all.

    Args:
        ways: the hash and the embedding.
        rated: of each.
        others: further embedders by their titles.
    """
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
    rows = "".join(
        _row(title, each, way)
        for title, each, way in (
            *((way.spec.title, each, way) for way, each in zip(ways, rated, strict=True)),
            *((title, each, None) for title, each in others),
        )
    )
    return (
        '<section class="task"><h2>Pairs picked by looking</h2><p class="hint">'
        f"{same} near-duplicates and {len(rated[0].same) - same} look-alikes that are none, hard "
        "ones; how they were picked is written in data/duplicates/README.md. Ringed marks are "
        f'at the settings above.</p><div class="small">{drawn}<table class="figures"><thead><tr>'
        "<th>Way</th><th>area under the curve</th><th>average precision</th>"
        f"<th>here: found</th><th>look-alikes</th></tr></thead><tbody>{rows}</tbody></table></div>"
        "</section>"
    )


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
