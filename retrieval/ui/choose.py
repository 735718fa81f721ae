"""The tab Choose: questions, and a stack for the answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from retrieval.advisor.advice import Advice, choose, measuring
from retrieval.advisor.evidence import Evidence, ratings
from retrieval.advisor.need import MOST, QUESTIONS, Need, Question
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.measure import scale
from retrieval.ui import advised, fields, reach
from retrieval.ui.answers import Answers
from retrieval.ui.figures import escape
from retrieval.ui.measuring import Pieces, allowed, arriving, buttons, clock

SECONDS = 60.0
MARGIN = 48
"""Pixels of the window beside the plot."""
WIDE = 761
"""Pixels from which all questions are shown at once; below, the lesser ones are folded."""


@dataclass(frozen=True)
class Asked:
    """What the tab answers.

    Attributes:
        gallery: with which is measured.
        need: the answers to the questions.
        width: pixels of the window.
    """

    gallery: Gallery
    need: Need
    width: int


class ChooseTab:
    """Draws the tab, and measures for it.

    Args:
        answers: whose lab.
    """

    def __init__(self, answers: Answers) -> None:
        self.lab = answers.lab
        self.start = answers.start

    def asked(self, given: object) -> Asked:
        """What was asked for, checked.

        Raises:
            LabError: a part of it is unknown, or of another form.
        """
        sent = fields.mapping(given)
        gallery = self.lab.gallery(fields.text(sent, "gallery", self.start.gallery))
        width = int(fields.number(sent, "width", 1, 1e6, WIDE))
        return Asked(gallery, Need.of(sent), width)

    def draw(self, given: object) -> Pieces:
        """The whole tab, from the rules and from what is stored.

        Raises:
            LabError: it cannot be shown, in one sentence.
        """
        asked = self.asked(given)
        return {"head": self._head(asked.need, asked.width >= WIDE), **self.pieces(asked)}

    def pieces(self, asked: Asked) -> Pieces:
        """The answer, and the figures that it rests on."""
        advice = choose(self.lab, asked.gallery, asked.need)
        measured = self._measured(asked, advice)
        plot = reach.drawn(measured, asked.need.most, asked.need.ms, asked.width - MARGIN)
        table = advised.table(measured, asked.gallery.title)
        return {"plot": advised.cards(advice, measured), "more": plot + table}

    def measure(self, given: object) -> Iterator[Pieces]:
        """Measure within a budget of seconds, telling what comes out.

        Yields:
            What has changed; what was measured stays when this is closed.

        Raises:
            LabError: it cannot be measured, in one sentence.
        """
        sent = fields.mapping(given)
        seconds = allowed(self.lab, sent, SECONDS)
        asked, count = self.asked(sent), 0
        with arriving(measuring(self.lab, asked.gallery, asked.need, seconds)) as arrived:
            for batch in arrived:
                count += len(batch)
                said = f"{batch[-1]} ({count} measured)" if batch else ""
                yield {"say": said, **self.pieces(asked)} if batch else {}
        said = f"{count} figures came; press again for more." if count else "All is measured."
        yield {"say": said, **self.pieces(asked)}

    def receipt(self, name: str) -> dict[str, Any]:
        """The receipt of a figure.

        Raises:
            BadQuery: there is none of that name.
        """
        for notes in (scale.notes(self.lab), ratings(self.lab)):
            try:
                return notes.named(name).receipt()
            except BadQuery as error:
                missing = error
        raise missing

    def _measured(self, asked: Asked, advice: Advice) -> Evidence:
        spec = self.lab.spec(advice.embedder) if advice.embedder else None
        return Evidence(self.lab, asked.gallery, spec)

    def _head(self, need: Need, wide: bool) -> str:
        main = "".join(_question(each, need) for each in QUESTIONS if each.main)
        rest = "".join(_question(each, need) for each in QUESTIONS if not each.main)
        lesser = (
            f'<div class="asks">{rest}{_number("ms", "Milliseconds a query", need.ms)}'
            f"{_number('memory', 'Memory there, GB', round(need.memory / 1e9, 1))}</div>"
        )
        return (
            f'<div class="asks">{main}{_number("now", "Pictures now", need.now)}'
            f"{_number('later', 'In two years', need.later)}</div>"
            f"{lesser if wide else _folded(lesser)}"
            f'<div class="controls">{clock(self.lab.public, SECONDS)}'
            f"{buttons('Measure on this machine', 'plain')}</div>"
        )


def _folded(questions: str) -> str:
    return (
        '<details class="help"><summary>More: languages, licence, place, filters, database'
        f"</summary>{questions}</details>"
    )


def _question(question: Question, need: Need) -> str:
    chosen = getattr(need, question.name)
    answers = "".join(
        f'<label><input type="radio" name="{question.name}" value="{value}"'
        f"{' checked' if value == chosen else ''}>{escape(words)}</label>"
        for value, words in question.answers
    )
    title = f' title="{escape(question.help)}"' if question.help else ""
    return (
        f'<fieldset class="segments"{title}><legend>{escape(question.asks)}</legend>'
        f"<div>{answers}</div></fieldset>"
    )


def _number(name: str, asks: str, value: float) -> str:
    step = 1 if name in ("now", "later") else "any"
    low, high = (1, MOST) if step == 1 else (0.1, 100_000)
    shown = f"{value:.0f}" if step == 1 else f"{value:g}"
    return (
        f'<label class="pick"><span>{asks}</span><input class="field" type="number" name="{name}" '
        f'min="{low}" max="{high}" step="{step}" value="{shown}"></label>'
    )
