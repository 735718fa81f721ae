"""The tab of trade-offs: recall against latency of every index that fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.measure.paired import KINDS, pairs
from retrieval.measure.rounds import Job, rounds, sweeps
from retrieval.measure.sweep import Kind, Speed, grid
from retrieval.measure.sweeps import Sweep
from retrieval.types import Spec
from retrieval.ui import beside, fields
from retrieval.ui.answers import Answers
from retrieval.ui.curves import Curve, drawn
from retrieval.ui.export import as_csv, as_json, written
from retrieval.ui.figures import escape
from retrieval.ui.measuring import Pieces, allowed, arriving, buttons, clock, subject
from retrieval.ui.scatter import WIDE
from retrieval.ui.targets import every, table

SECONDS = 60.0
TARGET = 0.95


@dataclass(frozen=True)
class Choice:
    """What the tab shows.

    Attributes:
        job: gallery, embedder, indexes and kind of queries.
        target: the recall that is wanted.
        width: pixels that the plot may take.
        speed: of one query alone, or of all together.
        note: what was changed to make it possible.
    """

    job: Job
    target: float
    width: int
    speed: Speed
    note: str


class Tradeoffs:
    """Draws the tab, and measures for it.

    Args:
        answers: whose lab and menu.
    """

    def __init__(self, answers: Answers) -> None:
        self.lab = answers.lab
        self.menu = answers.menu

    def choice(self, given: object) -> Choice:
        """What was asked for, checked.

        Raises:
            LabError: a part of it is unknown, or of another form.
        """
        asked = fields.mapping(given)
        gallery, embedder, ready = subject(self.lab, self.menu, asked)
        kind, note = _kind(gallery, embedder, fields.text(asked, "queries"))
        return Choice(
            Job(gallery, embedder, ready, kind),
            fields.number(asked, "target", 0, 1, TARGET),
            int(fields.number(asked, "width", 1, 1e6, WIDE)),
            "together" if fields.text(asked, "speed") == "together" else "alone",
            note,
        )

    def draw(self, given: object) -> Pieces:
        """The whole tab, from what is stored.

        Raises:
            LabError: it cannot be shown, in one sentence.
        """
        choice = self.choice(given)
        curves, problems = self.curves(choice)
        return {
            "head": self._head(choice),
            **pieces(choice, curves, problems),
            "more": every(curves),
            "both": self._both(choice),
        }

    def curves(self, choice: Choice) -> tuple[list[Curve], list[str]]:
        """What is stored of each index, and what cannot be read of it."""
        store, found, problems = sweeps(self.lab), [], []
        for spec in choice.job.indexes:
            sweep: Sweep | None = None
            try:
                sweep = store.find(choice.job.key(spec))
            except Damaged as error:
                problems.append(str(error))
            found.append(Curve.of(spec, self.menu.indexes, sweep))
        return found, problems

    def measure(self, given: object) -> Iterator[Pieces]:
        """Measure within a budget of seconds, drawing points as they come.

        Yields:
            What has changed; what the process has measured stays when this is closed.

        Raises:
            LabError: it cannot be measured, in one sentence.
        """
        asked = fields.mapping(given)
        choice = self.choice(asked)
        seconds = allowed(self.lab, asked, SECONDS)
        stored, problems = self.curves(choice)
        curves = {curve.spec.name: curve for curve in stored}
        count, total = 0, sum(len(grid(curve.spec)) for curve in stored)
        with arriving(rounds(self.lab, choice.job, seconds)) as arrived:
            for batch in arrived:
                for step in batch:
                    count += step.point is not None
                    if step.point is None:
                        problems.append(f"{curves[step.index].spec.title}: {step.problem}")
                    else:
                        curves[step.index] = curves[step.index].with_point(step.point)
                said = f"{count} of {total} settings measured" if count else "Preparing"
                drawn = pieces(choice, list(curves.values()), problems) if batch else {}
                yield {"say": said, **drawn}
        stored, _ = self.curves(choice)
        said = ended(count, missing(stored), seconds)
        drawn = pieces(choice, stored, problems)
        yield {"say": said, **drawn, "more": every(stored), "both": self._both(choice)}

    def figures(self, given: object, kind: str) -> tuple[str, str]:
        """A file of all figures, and its name.

        Raises:
            BadQuery: it is asked for in another form.
        """
        choice = self.choice(given)
        job, (curves, _) = choice.job, self.curves(choice)
        text = written(kind, lambda: as_csv(job, curves), lambda: as_json(job, curves))
        return text, f"sweeps-{job.gallery.name}-{job.embedder.name}-{job.kind}.{kind}"

    def _both(self, choice: Choice) -> str:
        """Captions beside pictures, from what is stored; nothing where one cannot be asked."""
        job = choice.job
        if not all(_reads(job).values()):
            return ""
        found = {kind: self._stored(replace(job, kind=kind)) for kind in KINDS}
        titles = {spec.name: spec.title for spec in job.indexes}
        rows = [
            beside.Row.of(pair, titles[pair.index], choice.target)
            for pair in pairs([*found["picture"], *found["text"]])
        ]
        if rows:
            return beside.drawn(job, rows, choice.target, choice.width)
        other: Kind = "picture" if job.kind == "text" else "text"
        return beside.missing(job, other) if found[job.kind] else ""

    def _stored(self, job: Job) -> list[Sweep]:
        """What can be read; what is damaged is told with the plot."""
        store, found = sweeps(self.lab), []
        for spec in job.indexes:
            with suppress(Damaged):
                found.append(store.find(job.key(spec)))
        return [each for each in found if each]

    def _head(self, choice: Choice) -> str:
        job = choice.job
        kinds = "".join(
            f'<label><input type="radio" name="queries" value="{kind}"'
            f"{' checked' if kind == job.kind else ''}{'' if can else ' disabled'}>"
            f"{'Captions' if kind == 'text' else 'Pictures'}</label>"
            for kind, can in _reads(job).items()
        )
        speeds = "".join(
            f'<label><input type="radio" name="speed" value="{speed}"'
            f"{' checked' if speed == choice.speed else ''}>{words}</label>"
            for speed, words in (("alone", "One query"), ("together", "All together"))
        )
        return (
            f'<label class="pick"><span>Embedder</span><select class="field" data-embedder>'
            f"{self.menu.embedder_options(job.embedder.name, job.gallery.about)}</select></label>"
            f'<fieldset class="kinds"><legend>Asked with</legend>{kinds}</fieldset>'
            f'<fieldset class="kinds"><legend>Speed of</legend>{speeds}</fieldset>'
            f"{clock(self.lab.public, SECONDS)}{buttons()}"
        ) + (f'<p class="note">{escape(choice.note)}</p>' if choice.note else "")


def missing(curves: list[Curve]) -> int:
    """Settings that were not measured on this machine yet."""
    known = {curve.spec.name: curve.points for curve in curves if curve.here}
    return sum(
        setting not in [point.knobs for point in known.get(curve.spec.name, ())]
        for curve in curves
        for setting in grid(curve.spec)
    )


def ended(count: int, left: int, seconds: float) -> str:
    """What a measuring came to."""
    if not count:
        return f"Nothing was measured in {seconds:g} s; give it more seconds."
    if left:
        return f"{count} settings measured and kept; {left} are left, press again for them."
    return f"{count} settings measured and kept; none is left."


def pieces(choice: Choice, curves: list[Curve], problems: list[str]) -> Pieces:
    """The plot and the table under it."""
    return {
        "plot": drawn(choice.job, curves, choice.target, choice.width, problems, choice.speed),
        "table": table(choice.job, curves, choice.target, choice.speed),
    }


def _kind(gallery: Gallery, embedder: Spec, wanted: str) -> tuple[Kind, str]:
    """What is asked with: what was wanted where that can be, else the other, said."""
    text = embedder.reads_text and _captioned(gallery)
    if wanted == "picture" or (wanted != "text" and not text):
        if embedder.reads_images:
            return "picture", ""
        return "text", f"{embedder.title} reads no pictures: it is asked with captions."
    if text:
        return "text", ""
    why = f"{gallery.title} has no captions" if embedder.reads_text else "it reads pictures only"
    return "picture", f"{embedder.title} is asked with pictures: {why}."


def _reads(job: Job) -> dict[Kind, bool]:
    """What can be asked with."""
    return {
        "text": job.embedder.reads_text and _captioned(job.gallery),
        "picture": job.embedder.reads_images,
    }


@lru_cache(maxsize=32)
def _captioned(gallery: Gallery) -> bool:
    return gallery.captioned
