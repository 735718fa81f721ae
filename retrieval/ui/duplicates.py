"""The tab of duplicates: a hash beside an embedding, and both under distortions."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from PIL.Image import Image

from retrieval import images
from retrieval.duplicates.asked import EMBEDDER, HASH, RADIUS, Way, Ways, found, ways
from retrieval.duplicates.detection import Scores, alone, distorted
from retrieval.duplicates.figures import TABLES, as_csv, figures
from retrieval.duplicates.finder import Finder, Step
from retrieval.errors import BadQuery, LabError, NotReady
from retrieval.galleries.base import Gallery
from retrieval.store import place, vectors_key
from retrieval.types import Metric, Spec
from retrieval.ui import fields
from retrieval.ui.answers import Answers
from retrieval.ui.cases import KINDS, PAGE, cases
from retrieval.ui.distorted import one, sampled
from retrieval.ui.export import written
from retrieval.ui.figures import escape
from retrieval.ui.judged import judged
from retrieval.ui.measuring import Pieces, allowed, arriving
from retrieval.ui.menu import Menu
from retrieval.ui.pickers import COUNT, MOST, SECONDS, files, pickers, tools
from retrieval.ui.uploads import opened

PATIENCE = 10.0
"""Seconds that a picture waits for its turn to be distorted."""


@dataclass(frozen=True)
class Picture:
    """A picture that is distorted.

    Attributes:
        image: its pixels.
        row: its row, by which its distortions are seeded; 0 for an upload.
        title: what it is called.
    """

    image: Image
    row: int
    title: str


class Duplicates:
    """Draws the tab, and measures for it.

    Args:
        answers: whose lab and menu.
    """

    def __init__(self, answers: Answers) -> None:
        self.lab = answers.lab
        self.menu = answers.menu
        self.start = answers.start
        self.finder = Finder(answers.lab)
        self._live = threading.Lock()

    def choice(self, given: object) -> Ways:
        """What was asked for, checked.

        Raises:
            LabError: a part of it is unknown, outside, or has no vectors here.
        """
        asked = fields.mapping(given)
        gallery = self._gallery(asked)
        first = self._spec(gallery, fields.text(asked, "hash"), HASH)
        second = self._spec(gallery, fields.text(asked, "near"), EMBEDDER)
        radius = fields.number(asked, "radius", 0, first.dim, RADIUS)
        equal = asked.get("threshold") is None
        threshold = None if equal else fields.number(asked, "threshold", -1, 1, 1)
        return ways(self.finder, gallery, first, second, radius, threshold)

    def draw(self, given: object) -> Pieces:
        """The whole tab but the slow parts, from stored vectors and measurements.

        Raises:
            LabError: it cannot be shown, in one sentence.
        """
        asked = fields.mapping(given)
        show = fields.text(asked, "show")
        if show not in ("", *KINDS):
            raise BadQuery(f"show is {show[:40]!r}; it must be empty, {', '.join(KINDS)}")
        count = int(fields.number(asked, "count", 1, 1e6, PAGE))
        self._gallery(asked)
        try:
            choice = self.choice(asked)
            drawn = cases(found(self.finder, choice), show, count)
        except LabError as error:  # the pickers stay, to choose otherwise
            return {"head": self._head(asked), "plot": _problem(error), **_NOTHING}
        return {
            "head": self._head(asked, choice),
            "plot": drawn,
            "tools": tools(choice.gallery, self.lab.public),
            "table": self._sampled(choice),
        }

    def picture(self, given: object) -> Pieces:
        """One picture distorted, live; and the pairs that were looked at.

        Raises:
            LabError: there is no such picture, or too many ask at once.
        """
        asked = fields.mapping(given)
        choice = self.choice(asked)
        picture = self._picture(asked, choice)
        both = (choice.first, choice.second)
        if not self._live.acquire(timeout=PATIENCE):
            raise NotReady("many pictures are being distorted here; try again in a moment")
        try:
            shown = distorted(picture.image, picture.row)
            scores = [self._alone(way, picture, shown) for way in both]
        finally:
            self._live.release()
        return {"live": one(choice, scores, shown, picture.title), "more": self._judged(choice)}

    def measure(self, given: object) -> Iterator[Pieces]:
        """Measure the sample with both ways within a budget of seconds.

        Yields:
            What has changed; what was measured stays when this is closed.

        Raises:
            LabError: it cannot be measured, in one sentence.
        """
        asked = fields.mapping(given)
        seconds = allowed(self.lab, asked, SECONDS)
        count = int(fields.number(asked, "pictures", 1, MOST, COUNT))
        choice = self.choice(asked)
        said = f"Nothing was measured in {seconds:g} s, or nothing is left; ask for more pictures."
        with arriving(self._steps(choice, count, seconds)) as arrived:
            for batch in arrived:
                if batch:
                    said = _said(batch[-1])
                yield {"say": said if batch else "Preparing" if "Nothing" in said else said}
        yield {
            "say": f"{said.rstrip('.')}. What was measured is kept.",
            "table": self._sampled(choice),
        }

    def figures(self, query: Mapping[str, str], kind: str) -> tuple[str, str]:
        """Everything as JSON, or a table as CSV; and the file's name.

        Raises:
            LabError: it cannot be shown, or is asked for in another form.
        """
        name = query.get("table", TABLES[0])
        if kind not in ("csv", "json") or name not in TABLES:
            raise BadQuery(f"figures are given as json, or as csv of {', '.join(TABLES)}")
        numbers = {each: _number(query[each]) for each in ("radius", "threshold") if each in query}
        choice = self.choice({**query, **numbers})
        answer = figures(self.finder, choice)
        text = written(kind, lambda: as_csv(answer, name), lambda: answer)
        return text, f"duplicates-{choice.gallery.name}-{name}.{kind}"

    def _head(self, asked: Mapping[str, object], choice: Ways | None = None) -> str:
        about = (choice.gallery if choice else self._gallery(asked)).about
        if choice:
            names = {"hash": choice.first.spec.name, "near": choice.second.spec.name}
            values = choice.first.value, choice.second.value
            return pickers(self._menu, names, *values, about)
        names = {
            "hash": fields.text(asked, "hash") or HASH,
            "near": fields.text(asked, "near") or EMBEDDER,
        }
        radius = fields.number(asked, "radius", 0, 1e4, RADIUS)
        return pickers(self._menu, names, radius, 1.0, about)

    def _menu(self, metric: Metric) -> Menu:
        return Menu(self.lab, self._fitting(metric), ())

    def _gallery(self, asked: Mapping[str, object]) -> Gallery:
        return self.lab.gallery(fields.text(asked, "gallery", self.start.gallery))

    def _spec(self, gallery: Gallery, name: str, usual: str) -> Spec:
        """An embedder whose vectors are here; embedding a gallery is not for a drawing."""
        metric = self.lab.spec(usual).metric
        spec = self.lab.spec(self.menu.embedder(name or self._usual(usual, metric)).name)
        if not self._stored(gallery, spec):
            raise NotReady(
                f"{spec.title} has no vectors of {gallery.title} here; search with it once, or run "
                f"python -m retrieval build, or choose another"
            )
        return spec

    def _usual(self, usual: str, metric: Metric) -> str:
        names = [spec.name for spec in self._fitting(metric)]
        return usual if usual in names or not names else names[0]

    def _fitting(self, metric: Metric) -> list[Spec]:
        every = self.menu.embedders
        return [spec for spec in every if spec.metric is metric and spec.reads_images]

    def _stored(self, gallery: Gallery, spec: Spec) -> bool:
        key, store = vectors_key(gallery, spec), self.lab.store
        return any(place(root, key).is_dir() for root in (store.shipped, store.cache))

    def _picture(self, asked: Mapping[str, object], choice: Ways) -> Picture:
        """The row that was chosen, the picture that was uploaded, or the first that is grouped."""
        gallery = choice.gallery
        sent = opened(asked.get("file"))
        if sent is not None:
            return Picture(images.decode(sent), 0, "Your picture")
        if asked.get("picture") is None:
            cases_ = found(self.finder, choice).cases
            row = min({*cases_[0].first, *cases_[0].second}) if cases_ else 0
        else:
            row = int(fields.number(asked, "picture", 0, len(gallery) - 1, 0))
        return Picture(gallery.image(row), row, gallery.caption(row) or f"Picture {row}")

    def _alone(self, way: Way, picture: Picture, shown: list[Image]) -> Scores:
        return alone(self.lab, way.spec.name, picture.image, shown)

    def _steps(self, choice: Ways, count: int, seconds: float) -> Generator[Step]:
        """Both ways, each with half of the time; the second has what the first leaves."""
        end = time.monotonic() + seconds
        for way, share in ((choice.first, 0.5), (choice.second, 1.0)):
            name = way.spec.name
            limit = share * (end - time.monotonic())
            with closing(self.finder.measure(choice.gallery, name, count, limit)) as steps:
                yield from steps

    def _sampled(self, choice: Ways) -> str:
        both = (choice.first, choice.second)
        known = [self.finder.detection(choice.gallery, way.spec.name) for way in both]
        drawn = any(len(each.measured) for each in known)
        return sampled(both, known) + files(choice, drawn)

    def _judged(self, choice: Ways) -> str:
        both = (choice.first, choice.second)
        rated = [self.finder.rated(choice.gallery, way.spec.name) for way in both]
        chosen = [each for each in rated if each is not None]
        if len(chosen) < len(both):
            return ""
        names = [way.spec.name for way in both]
        others = [
            (spec, each)
            for spec in self.menu.embedders
            if spec.reads_images and spec.name not in names
            if self._stored(choice.gallery, self.lab.spec(spec.name))
            if (each := self.finder.rated(choice.gallery, spec.name)) is not None
        ]
        return judged(choice, chosen, others)


_NOTHING = {"live": "", "tools": "", "table": "", "more": ""}


def _problem(error: LabError) -> str:
    text = str(error)
    return f'<div class="problem"><p>{escape(text[:1].upper() + text[1:])}.</p></div>'


def _said(step: Step) -> str:
    return f"{step.embedder}: {step.done:,} of {step.total:,} pictures"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadQuery(f"{text[:20]!r} is no number") from None
