"""Settings of an index as sliders; those that build it anew are folded away."""

from __future__ import annotations

from retrieval.panel import Panel
from retrieval.types import Knob, Spec
from retrieval.ui.figures import escape

FINE = 8
"""Steps of a wide slider from one power of two to the next."""
WIDE = 64
"""Values from which on a slider is wide: its steps then grow with the value."""


def knobs(letter: str, panel: Panel, index: Spec, public: bool) -> str:
    """The sliders of a panel.

    Args:
        letter: of the panel.
        panel: whose settings.
        index: what can be set.
        public: strangers use the page: nothing that would build is shown.
    """
    values = dict(panel.knobs)
    now = [(knob, values.get(knob.name, knob.default)) for knob in index.knobs]
    query, build = (
        [(knob, value) for knob, value in now if knob.when == when] for when in ("query", "build")
    )
    drawn = "".join(_knob(letter, knob, value) for knob, value in query)
    shown = f'<div class="knobs">{drawn}</div>' if drawn else ""
    return shown if public or not build else shown + _fold(letter, build)


def steps(knob: Knob, value: int) -> list[int]:
    """What a slider stops at: each value, or finer below and coarser above where there are many."""
    stops = {knob.low, knob.high, knob.default, value}
    at = knob.low
    while at <= knob.high:
        stops.add(at)
        octave = 1 << (at.bit_length() - 1)
        if knob.scale == "log2":
            at = 2 * octave
        else:
            at += max(1, octave // FINE) if knob.high - knob.low >= WIDE else 1
    return sorted(stops)


def _fold(letter: str, build: list[tuple[Knob, int]]) -> str:
    said = ", ".join(f"{knob.name} {value}" for knob, value in build)
    drawn = "".join(_knob(letter, knob, value) for knob, value in build)
    return (
        f'<button type="button" class="fold" data-build aria-label="Settings of panel {letter}'
        f' that build its index anew: {said}">Built with {said}</button>'
        f'<div class="knobs build">{drawn}</div>'
    )


def _knob(letter: str, knob: Knob, value: int) -> str:
    stops = steps(knob, value)
    name = escape(knob.name)
    return (
        f'<label class="knob" title="{escape(knob.help)}">{name}'
        f'<input type="range" data-knob="{name}" data-steps="{",".join(map(str, stops))}"'
        f' data-when="{knob.when}" data-default="{knob.default}" min="0" max="{len(stops) - 1}"'
        f' value="{stops.index(value)}" aria-label="{name} of panel {letter}"'
        f' aria-valuetext="{value}"><output>{value}</output></label>'
    )
