"""Scale, under the trade-offs: the same indexes at sizes that the gallery does not have."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from retrieval.measure import outlook, scale
from retrieval.measure.outlook import USUAL, many
from retrieval.measure.scale import TARGET, Job, Left, Mark
from retrieval.runtime.machine import memory
from retrieval.types import Metric
from retrieval.ui import fields, told
from retrieval.ui.answers import Answers
from retrieval.ui.export import scale_csv, scale_json, written
from retrieval.ui.figures import escape
from retrieval.ui.marks import Mark as Shape
from retrieval.ui.measuring import Pieces, allowed, arriving, buttons, clock, subject
from retrieval.ui.scatter import WIDE
from retrieval.ui.sizes import Row

SECONDS = 120.0
MS = 20.0
"""Milliseconds that a query may take, where none are given."""
GB = 1e9


@dataclass(frozen=True)
class Choice:
    """What is shown.

    Attributes:
        job: gallery, embedder, and every index that fits and is ready.
        ms: that a query may take.
        width: pixels that the plots may take.
    """

    job: Job
    ms: float
    width: int


class ScaleTab:
    """Draws the section, and measures for it.

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
        return Choice(
            Job(gallery, embedder, ready),
            fields.number(asked, "ms", 0.001, 1e6, MS),
            int(fields.number(asked, "width", 1, 1e6, WIDE)),
        )

    def draw(self, given: object) -> Pieces:
        """All of it, from what is stored.

        Raises:
            LabError: it cannot be shown, in one sentence.
        """
        choice = self.choice(given)
        return {"head": self._head(choice), **self.pieces(choice, [])}

    def pieces(self, choice: Choice, problems: Sequence[str]) -> Pieces:
        """The verdict with the plots, the table under it, and how it is done."""
        found = outlook.outlooks(self.lab, choice.job)
        every = [each.name for each in self.menu.indexes]
        rows = [Row(each, Shape(every.index(each.spec.name))) for each in found]
        said = "".join(f'<p class="note">{escape(each)}</p>' for each in problems)
        if not rows:
            return {"plot": said, "table": "", "more": ""}
        figure = told.figure(choice.job, rows, choice.width)
        plot = f"{told.verdict(found, choice.ms)}{figure}{said}"
        return {"plot": plot, "table": told.table(rows), "more": told.how(found)}

    def measure(self, given: object) -> Iterator[Pieces]:
        """Measure within a budget of seconds and of memory, drawing what comes.

        Yields:
            What has changed; what was measured stays when this is closed.

        Raises:
            LabError: it cannot be measured, in one sentence.
        """
        asked = fields.mapping(given)
        choice = self.choice(asked)
        seconds = allowed(self.lab, asked, SECONDS)
        usual = memory() / 4 / GB
        whole = usual if self.lab.public else memory() / GB
        room = GB * min(fields.number(asked, "memory", 0.001, 1e5, usual), whole)
        count, problems = 0, dict[str, str]()
        with arriving(self._steps(choice, seconds, room)) as arrived:
            for batch in arrived:
                for step in batch:
                    count += isinstance(step, Mark)
                    if isinstance(step, Left):
                        problems[step.index] = (
                            f"{self.menu.index(step.index).title}: {step.problem}"
                        )
                said = _said(batch, count)
                yield {"say": said, **self.pieces(choice, [*problems.values()])} if batch else {}
        said = (
            f"{count} measured and kept; press again for more." if count else _nothing(choice, room)
        )
        yield {"say": said, **self.pieces(choice, [*problems.values()])}

    def figures(self, given: object, kind: str) -> tuple[str, str]:
        """A file of all figures, and its name.

        Raises:
            BadQuery: it is asked for in another form.
        """
        job = self.choice(given).job
        found = outlook.outlooks(self.lab, job)
        text = written(kind, lambda: scale_csv(job, found), lambda: scale_json(job, found))
        return text, f"scale-{job.gallery.name}-{job.embedder.name}.{kind}"

    def _steps(self, choice: Choice, seconds: float, room: float) -> Generator[Mark | Left]:
        usual = [each for each in choice.job.indexes if each.name in USUAL]
        job = replace(choice.job, indexes=usual)
        return scale.measure(self.lab, job, seconds, room=room)

    def _head(self, choice: Choice) -> str:
        title = (
            "<h2>Scale</h2>"
            '<p class="hint lead">The same indexes over 1 k to 1 M vectors drawn around the '
            f"gallery’s own, at the cheapest setting that reaches recall {TARGET:g}; what lies "
            "beyond is extrapolated, never measured.</p>"
        )
        if choice.job.embedder.metric is not Metric.COSINE:
            name = escape(choice.job.embedder.title)
            return f'{title}<p class="note">{name} makes bits; scale is told for vectors.</p>'
        return (
            f"{title}{_number('Milliseconds a query', 'ms', 1e6, f'{choice.ms:g}')}"
            f"{clock(self.lab.public, SECONDS)}"
            f"{_number('Memory, GB', 'memory', 1e5, f'{memory() / 4 / GB:.0f}')}"
            f"{buttons('Measure on this machine', 'plain')}"
        )


def _number(title: str, name: str, most: float, value: str) -> str:
    return (
        f'<label class="pick"><span>{title}</span><input class="field" type="number" '
        f'data-{name} min="0.1" max="{most:g}" step="any" value="{value}"></label>'
    )


def _said(batch: Sequence[Mark | Left], count: int) -> str:
    if not batch:
        return ""
    last = batch[-1]
    at = "left out" if isinstance(last, Left) else f"{last.point.p50:.2g} ms"
    return f"{last.index}, {many(last.count)} vectors: {at} ({count} measured)"


def _nothing(choice: Choice, room: float) -> str:
    if not scale.sizes(choice.job.embedder.dim, room=room):
        return "Not even 1 k vectors fit in this memory; give it more."
    return "All is measured that the seconds and the memory allow; give it more of them."
