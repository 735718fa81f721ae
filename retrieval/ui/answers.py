"""A query from the page: asked of the lab, drawn as the panels finish."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import gradio as gr

from retrieval.embedders import EMBEDDERS
from retrieval.errors import LabError
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.idle import Idle
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result
from retrieval.ui.address import PANELS, Address
from retrieval.ui.arrivals import batches
from retrieval.ui.chances import Chances
from retrieval.ui.examples import texts
from retrieval.ui.figures import escape
from retrieval.ui.idle import Idles
from retrieval.ui.kept import Kept
from retrieval.ui.licences import picture
from retrieval.ui.menu import START, Menu
from retrieval.ui.panel import LETTERS, View, draw, draw_unread
from retrieval.ui.percentiles import Latest, Percentiles
from retrieval.ui.querybar import credit, fastest, over
from retrieval.ui.results import Shown
from retrieval.ui.stages import chart
from retrieval.ui.takeaway import buttons
from retrieval.ui.thumbs import version
from retrieval.ui.unread import Unread, compare
from retrieval.ui.uploads import opened
from retrieval.ui.waiting import Waiting

LOOK = 0.25
"""Seconds between two looks at what has arrived and at what is being made."""
LOG = logging.getLogger(__name__)


class Answers:
    """Answers the page's queries.

    Args:
        lab: which answers.
        menu: what can be picked; everything that is registered by default.
    """

    def __init__(self, lab: Lab, menu: Menu | None = None) -> None:
        self.lab = lab
        self.menu = menu or Menu(lab, EMBEDDERS.specs(), INDEXES.specs())
        self.latest = Latest()
        self.kept = Kept(lab)
        self.chances = Chances(lab)
        self.idles = Idles(lab)

    @property
    def start(self) -> Address:
        """The page without an address."""
        names = [entry.name for entry in self.lab.catalog.entries()]
        return Address(names[0], tuple(Panel.parse(text) for text in START))

    def stream(self, asked: object) -> Generator[list[Any]]:
        """Answer what the page sent: ``{"address": "?...", "file": {"path": ...}}``.

        Yields:
            The HTML over the panels, of each of the four panels, and under them;
            ``gr.skip()`` for what has not changed.

        Raises:
            gr.Error: with one sentence.
        """
        with sentences():
            given = asked if isinstance(asked, Mapping) else {}
            address = Address.parse(given.get("address", ""), self.start)
            number = given.get("asked")
            image = opened(given.get("file"))
            gallery = self.lab.catalog.open(address.gallery)
            if image is None and address.text is None and address.row is None:
                address = _first_example(address, gallery)
            yield from self._answers(address, gallery, image, number if type(number) is int else 0)

    def _answers(
        self, address: Address, gallery: Gallery, image: bytes | None, asked: int
    ) -> Iterator[list[Any]]:
        settled = [self.menu.read(panel) for panel in address.panels]
        panels = tuple(panel for panel, _ in settled)
        notes = [note for _, note in settled]
        query = address.query(image)
        drawing = Drawing(self, replace(address, panels=panels), gallery, notes, asked, query)
        results = compare(self.lab, address.gallery, panels, query, address.k)
        with closing(batches(results, LOOK)) as arrived:
            for batch in arrived:
                for result in batch:
                    drawing.add(result)
                yield drawing.draw()
                if drawing.done:
                    return


class Drawing:
    """One query's panels, as they come in.

    Args:
        answers: whose menu and percentiles.
        address: what is asked.
        gallery: of which pictures.
        notes: what was changed in each panel.
        asked: the page's own number of this query, given back to it.
        query: what the panels were asked.
    """

    def __init__(
        self,
        answers: Answers,
        address: Address,
        gallery: Gallery,
        notes: list[str],
        asked: int,
        query: Query,
    ) -> None:
        self.answers = answers
        self.address = address
        self.gallery = gallery
        self.notes = notes
        self.asked = asked
        self.query = query
        self.results: list[Result | None] = [None] * len(address.panels)
        self.latest: dict[int, Percentiles] = {}
        self.drawn: list[Result | Waiting | None] = [None] * len(address.panels)

    @property
    def done(self) -> bool:
        """Whether every panel has answered."""
        return all(self.results)

    def add(self, result: Result) -> None:
        """Take up a panel's answer."""
        self.results[result.position] = result
        if isinstance(self.address.panels[result.position], Unread):
            return
        kind = "text" if self.address.text is not None else "picture"
        panel, where = self.address.panels[result.position], self.address.where or ""
        key = f"{self.gallery.name} {panel} {kind} {self.address.k} {where}"
        self.latest[result.position] = self.answers.latest.add(key, result)

    def draw(self) -> list[Any]:
        """What has changed since it was last drawn; all of it once all have answered."""
        if not self.done:
            changed = [self._changed(position) for position in range(len(self.results))]
            return [gr.skip(), *self._filled(changed), gr.skip()]
        panels = [self._panel(at, result) for at, result in enumerate(self.results) if result]
        titles = [
            f"{LETTERS[at]} · {self._title(panel)}" for at, panel in enumerate(self.address.panels)
        ]
        receipt = self._receipt()
        under = chart(titles, self.results, self._files(receipt)) + credit(self.gallery)
        sure = any(self._curve(panel) for panel in self.address.panels)
        above = over(self.address, self.gallery, self.results, self.asked, receipt, sure)
        return [above, *self._filled(panels), under]

    def _receipt(self) -> str:
        """By which the receipt of the panels that were asked is found; empty where none was."""
        pairs = zip(self.address.panels, self.results, strict=True)
        asked = [(panel, each) for panel, each in pairs if each and isinstance(panel, Panel)]
        if not asked:
            return ""
        panels = tuple(panel for panel, _ in asked)
        results = [replace(each, position=at) for at, (_, each) in enumerate(asked)]
        address = replace(self.address, panels=panels)
        return self.answers.kept.add(address, self.gallery, self.query, results)

    def _files(self, receipt: str) -> str:
        """What can be taken away; nothing where no panel was asked."""
        if not receipt:
            return ""
        panels = [each for each in self.address.panels if isinstance(each, Panel)]
        names = dict.fromkeys(each.embedder for each in panels)
        specs = [self.answers.menu.embedder(name) for name in names]
        png = picture(f"Where the time goes: {self.gallery.title}", self.gallery, *specs)
        return buttons(f"receipt/{receipt}/figures", png)

    def _changed(self, position: int) -> Any:
        """A panel that has answered since, or that waits for something else than before."""
        news = self.results[position] or self._waiting(position)
        if news is None or news == self.drawn[position]:
            return gr.skip()
        self.drawn[position] = news
        return self._panel(position, news)

    def _waiting(self, position: int) -> Waiting | None:
        lab, panel = self.answers.lab, self.address.panels[position]
        if isinstance(panel, Unread):
            return None
        name = panel.embedder
        doing = lab.work.on(name)
        return Waiting.of(doing, "" if lab.public else name) if doing else None

    def _filled(self, panels: list[Any]) -> list[Any]:
        return panels + [""] * (PANELS - len(panels))

    def _title(self, panel: Panel | Unread) -> str:
        menu = self.answers.menu
        if isinstance(panel, Unread):
            return ""
        return f"{menu.embedder(panel.embedder).title} × {menu.index(panel.index).title}"

    def _panel(self, position: int, news: Result | Waiting) -> str:
        panel, several = self.address.panels[position], len(self.address.panels) > 1
        if isinstance(panel, Unread):
            return draw_unread(position, panel, self.answers.menu, self.gallery.about, several)
        if isinstance(news, Waiting):
            view = View(panel, waiting=news, note=self.notes[position], idle=self._idle(panel))
        else:
            view = self._view(news, panel)
        return draw(position, view, self.answers.menu, self._shown(position, panel), several)

    def _view(self, result: Result, panel: Panel) -> View:
        warm = [each for each in self.results if each and not each.problem]
        totals = [each.timings.total for each in warm]
        recalls = [each.recall for each in warm if each.recall is not None]
        return View(
            panel,
            result,
            latest=self.latest[result.position],
            fastest=result is fastest(self.results),
            best=len(set(recalls)) > 1 and result.recall == max(recalls),
            scale=max(totals, default=1.0) or 1.0,
            note=" ".join(filter(None, (self.notes[result.position], result.note))),
            idle=self._idle(panel),
        )

    def _idle(self, panel: Panel) -> tuple[Idle, ...]:
        index = self.answers.menu.index(panel.index)
        return self.answers.idles.of(self.gallery, panel, index, self.query)

    def _shown(self, position: int, panel: Panel) -> Shown:
        first = self.results[0]
        result = self.results[position]
        hits = (*result.hits, *result.missed) if result else ()
        rows = [hit.row for hit in hits]
        return Shown(
            gallery=self.gallery.name,
            k=self.address.k,
            first=(
                {hit.row: hit.rank for hit in first.hits}
                if position and first and not first.problem
                else None
            ),
            sources=dict(zip(rows, self.gallery.sources(rows), strict=True)),
            version=version(self.gallery),
            about=self.gallery.about,
            licence=self.gallery.licence.id,
            chances=self.answers.chances.of(self.gallery, panel.embedder, self.query, hits),
        )

    def _curve(self, panel: Panel | Unread) -> bool:
        """Whether a panel's scores are worth something that is known."""
        if isinstance(panel, Unread):
            return False
        return self.answers.chances.curve(self.gallery, panel.embedder, self.query) is not None


@contextmanager
def sentences() -> Iterator[None]:
    """Whatever fails reaches the user as one sentence."""
    try:
        yield
    except LabError as error:
        raise gr.Error(escape(str(error)), print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        LOG.exception("a query failed")
        raise gr.Error(
            "Something broke in here, not in your query; the server's log has the details.",
            print_exception=False,
        ) from error


def _first_example(address: Address, gallery: Gallery) -> Address:
    words = texts(gallery)
    return replace(address, text=words[0]) if words else replace(address, row=0)
