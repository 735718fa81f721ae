"""The tab of quality: how well embedders find what belongs together, and what is lost where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.commands.evaluate import languages, usual
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.panel import Panel
from retrieval.ui import fields
from retrieval.ui.address import PANELS
from retrieval.ui.answers import Answers
from retrieval.ui.duels import duels, lettered
from retrieval.ui.figures import escape
from retrieval.ui.fits import fits
from retrieval.ui.measuring import Pieces, allowed, arriving, buttons
from retrieval.ui.ratings import Progress, Rating, Ratings, asked
from retrieval.ui.splits import splits
from retrieval.ui.tables import rated
from retrieval.ui.turn import LONGEST, SLICE


@dataclass(frozen=True)
class Choice:
    """What the tab shows.

    Attributes:
        gallery: whose pictures.
        panels: those of the search, equal ones once.
        letters: of the panels, as the search has them.
        ratings: each task by each embedder and panel.
        language: that captions ask in.
    """

    gallery: Gallery
    panels: tuple[Panel, ...]
    letters: dict[str, str]
    ratings: list[Rating]
    language: str


class QualityTab:
    """Draws the tab, and measures for it.

    Args:
        answers: whose lab and menu.
    """

    def __init__(self, answers: Answers) -> None:
        self.lab = answers.lab
        self.menu = answers.menu
        self.start = answers.start
        self.fits = answers.chances.fits
        self.ratings = Ratings(answers.lab, self.fits)

    def choice(self, given: object) -> Choice:
        """What was asked for, checked.

        Raises:
            LabError: a part of it is unknown, or of another form; or nothing can be asked.
        """
        sent = fields.mapping(given)
        gallery = self.lab.gallery(fields.text(sent, "gallery", self.start.gallery))
        language = fields.text(sent, "language") or usual(gallery)
        if not asked(gallery, language):
            raise BadQuery(
                f"{gallery.title} has neither captions nor labels to measure by; "
                "choose another gallery"
            )
        texts = fields.texts(sent, "panels", PANELS)
        shown = [self.menu.fit(Panel.parse(each))[0] if each else None for each in texts]
        panels = tuple(dict.fromkeys(filter(None, shown)))
        names = [
            spec.name for spec in self.menu.embedders if self.menu.state(spec.name).kind == "ready"
        ]
        ratings = self.ratings.of(gallery, names, panels, language)
        return Choice(gallery, panels, lettered(shown), ratings, language)

    def draw(self, given: object) -> Pieces:
        """The whole tab, from what was measured before.

        Raises:
            LabError: it cannot be shown, in one sentence.
        """
        choice = self.choice(given)
        return {"head": self._head(choice), **self.pieces(choice)}

    def measure(self, given: object) -> Iterator[Pieces]:
        """Measure what is missing, telling how far it is.

        Yields:
            What has changed; what was measured stays when this is closed.

        Raises:
            LabError: it cannot be measured, in one sentence.
        """
        sent = fields.mapping(given)
        seconds = allowed(self.lab, sent, LONGEST)
        choice = self.choice(sent)
        finished = -1
        steps = self.ratings.measure(choice.gallery, choice.ratings, seconds)
        with arriving(steps) as arrived:
            for batch in arrived:
                now = sum(each.finished for each in choice.ratings)
                yield {
                    **({"say": self._said(batch[-1])} if batch else {}),
                    **(self.pieces(choice) if now != finished else {}),
                }
                finished = now
        left = sum(not each.finished for each in choice.ratings)
        said = "Press again to go on; what was measured is kept." if left else "All measured."
        yield {"head": self._head(choice), "say": said, **self.pieces(choice)}

    def pieces(self, choice: Choice) -> Pieces:
        """The tables of each task, what is lost where, which panels differ, what scores mean."""
        by_task: dict[str, list[Rating]] = {}
        for each in choice.ratings:
            by_task.setdefault(each.task.name, []).append(each)
        return {
            "plot": "".join(
                rated(
                    choice.gallery, name, [each for each in some if each.panel is None], self.menu
                )
                for name, some in by_task.items()
            ),
            "table": splits(choice.gallery, by_task, self.menu)
            + duels(choice.gallery, by_task, self.menu, choice.letters),
            "fits": fits(self.lab, self.fits, choice.gallery, choice.ratings, self.menu),
        }

    def _said(self, progress: Progress) -> str:
        return f"{progress.what}: {progress.done:,} of {progress.total:,} queries"

    def _head(self, choice: Choice) -> str:
        left = sum(each.total - each.done for each in choice.ratings if not each.finished)
        what = f"{left:,} queries to measure" if left else "Everything here is measured"
        slices = f", {SLICE:g} s at a time" if self.lab.public and left else ""
        return (
            f'<p class="lead">How well each embedder finds what belongs together in '
            f"{escape(choice.gallery.title)}. {what}{slices}.</p>{_languages(choice)}"
            f"{buttons(off=not left)}"
        )


def _languages(choice: Choice) -> str:
    """What captions may ask in, where there is a choice."""
    known = languages(choice.gallery)
    if len(known) < 2:
        return ""
    options = "".join(
        f'<option value="{escape(each)}"{" selected" if each == choice.language else ""}>'
        f"{escape(each)}</option>"
        for each in sorted(known)
    )
    return (
        '<label class="pick"><span>Captions in</span>'
        f'<select class="field" data-language>{options}</select></label>'
    )
