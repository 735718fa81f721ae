"""Badges of knobs that were found to do nothing; looked up beside an answer, never timed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeAlias

from retrieval import manifest
from retrieval.errors import LabError
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.idle import Idle, idle
from retrieval.measure.rounds import Job, sweeps
from retrieval.measure.sweep import Kind
from retrieval.measure.sweeps import place
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.store import Key
from retrieval.types import Spec
from retrieval.ui.figures import escape, ms

LOG = logging.getLogger(__name__)
Marks: TypeAlias = tuple[tuple[int, int] | None, ...]


class Idles:
    """What the stored sweeps show to do nothing; each is read once until another takes its place.

    Args:
        lab: whose sweeps.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.store = sweeps(lab)
        self._known: dict[str, tuple[Marks, tuple[Idle, ...]]] = {}

    def of(self, gallery: Gallery, panel: Panel, index: Spec, query: Query) -> tuple[Idle, ...]:
        """The idle knobs of a panel's index, for this kind of query; none under a filter.

        Args:
            gallery: over which it searches.
            panel: whose embedder, and whose build-time knobs.
            index: the panel's.
            query: what is asked; a filter may change what an engine does.
        """
        if query.where is not None or all(knob.when != "query" for knob in index.knobs):
            return ()
        kind: Kind = "text" if query.text is not None else "picture"
        try:
            job = Job(gallery, self.lab.spec(panel.embedder), (index,), kind)
            return self._found(job.key(index, dict(panel.knobs)), index)
        except LabError:  # the answer is whole without it
            LOG.exception("the sweep of %s cannot be read", panel.index)
            return ()

    def _found(self, key: Key, index: Spec) -> tuple[Idle, ...]:
        marks = tuple(
            manifest.mark(place(root, key)) for root in (self.store.cache, self.store.shipped)
        )
        name = manifest.digest(key)
        if not any(marks):
            return ()
        known = self._known.get(name)
        if known is None or known[0] != marks:
            sweep = self.store.find(key)
            known = self._known[name] = marks, idle(index, sweep) if sweep else ()
        return known[1]


def badges(found: Sequence[Idle]) -> str:
    """A badge a knob, its figures and where they were measured in the title."""
    return "".join(
        f'<span class="tag idle" title="{escape(_figures(each))}">'
        f"{escape(each.knob)} does nothing here</span>"
        for each in found
    )


def _figures(each: Idle) -> str:
    low, high, sweep = each.low, each.high, each.sweep
    kind = "captions" if sweep.key["queries"] == "text" else "pictures"
    whose = "Measured" if sweep.here else "Another machine's: measured"
    return (
        f"{each.knob} {low.knobs[each.knob]} and {high.knobs[each.knob]}: "
        f"recall@{sweep.key['k']} {low.recall:.3f} and {high.recall:.3f}, "
        f"p50 {ms(low.p50)} and {ms(high.p50)}"
        f"{'' if each.alone else ', the other settings at their defaults'}. "
        f"{whose} on {sweep.machine}, {sweep.at[:10]}, "
        f"with {sweep.key['count']} {kind} of the gallery."
    )
