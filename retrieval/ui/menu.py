"""What can be picked: embedders, indexes and galleries, with their readiness."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from retrieval.about import unfit
from retrieval.embedders import typed
from retrieval.errors import LabError
from retrieval.indexes import typed as typed_index
from retrieval.indexes.base import checked
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.registry import families, suggest
from retrieval.types import Licence, Metric, Spec, State
from retrieval.ui.figures import escape, size
from retrieval.ui.groups import grouped
from retrieval.ui.unread import Unread

FRESH = 5.0
"""Seconds for which a look at the readiness is good."""
LONGEST = 100
"""Characters of a name that others are compared with."""
START = ("conse-lite2@exact", "captions@exact")
"""The panels of a page without an address."""
SHORT = 80
"""Characters of a reason that a picker shows; its title holds all."""


@dataclass
class Menu:
    """Specs by name, and states that are looked up again when they are old.

    Attributes:
        lab: whose states.
        embedders: in the order of the picker.
        indexes: in the order of the picker.
    """

    lab: Lab
    embedders: Sequence[Spec]
    indexes: Sequence[Spec]
    _states: dict[str, State] = field(default_factory=dict)
    _at: float = -FRESH
    _plain: dict[str, str] = field(default_factory=dict)

    def state(self, name: str) -> State:
        """Whether a plug-in is ready; ready where nothing is known against it."""
        if time.monotonic() - self._at > FRESH:
            self._states, self._at = self.lab.states(), time.monotonic()
            self._plain = {}
        return self._states.get(name, State("ready"))

    def embedder(self, name: str) -> Spec:
        """An embedder's spec.

        Raises:
            UnknownName: with the nearest names.
            LabError: a typed name is no model, cannot be asked for, or the lab is public.
        """
        if typed.is_typed(name):
            return self.lab.spec(name)
        return _named("embedder", name, self.embedders)

    def index(self, name: str) -> Spec:
        """An index's spec.

        Raises:
            UnknownName: with the nearest names.
            LabError: a typed name is no index, or the lab is public.
        """
        if typed_index.is_typed(name):
            return self.lab.index_spec(name)
        return _named("index", name, self.indexes)

    def fitting(self, embedder: Spec) -> list[Spec]:
        """The indexes that can compare what an embedder makes."""
        return [spec for spec in self.indexes if embedder.metric in spec.metrics]

    def fit(self, panel: Panel) -> tuple[Panel, str]:
        """A panel whose index can compare its embedder's vectors, and what was changed."""
        embedder, index = self.embedder(panel.embedder), self.index(panel.index)
        fitting = self._fitting(embedder, panel.index)
        if index in fitting or not fitting:
            return panel, ""
        new = next((spec for spec in fitting if index.name.endswith(spec.name[-4:])), fitting[0])
        return (
            Panel(embedder.name, new.name),
            f"{index.title} does not compare by {embedder.metric}, as {embedder.title} needs: "
            f"this panel uses {new.title}.",
        )

    def read(self, panel: Panel | Unread) -> tuple[Panel | Unread, str]:
        """As ``fit``, with the reason in the panel's place where it cannot be asked."""
        if isinstance(panel, Unread):
            return panel, ""
        try:
            fitting, note = self.fit(panel)
            checked(self.index(fitting.index), dict(fitting.knobs))
            return fitting, note
        except LabError as error:
            return Unread(str(panel), str(error)), ""

    def mended(self, unread: Unread) -> Panel:
        """The nearest panel to one that cannot be asked, without its settings."""
        usual = Panel.parse(START[0])
        name, index = unread.names
        try:
            embedder = self.embedder(name)
        except LabError:
            embedder = self.embedder(_nearest(name, self.embedders, usual.embedder))
        fitting = self._fitting(embedder, index) if self._knows(index) else self.fitting(embedder)
        return Panel(embedder.name, _nearest(index, fitting, usual.index))

    def _knows(self, index: str) -> bool:
        try:
            return bool(self.index(index))
        except LabError:
            return False

    def embedder_options(self, chosen: str, about: str = "") -> str:
        """Options grouped by family; what cannot be used is listed, grey, with its reason.

        What needs a download alone can be picked, but in public.

        Args:
            chosen: which one is.
            about: what the gallery's pictures are of.
        """
        more = [self.lab.spec(chosen)] if typed.is_typed(chosen) else []
        return "".join(
            f'<optgroup label="{escape(family or "Embedders")}">'
            + "".join(self._offered(spec, chosen, about) for spec in specs)
            + "</optgroup>"
            for family, specs in families([*self.embedders, *more]).items()
        )

    def index_options(self, embedder: Spec, chosen: str) -> str:
        """The indexes that fit an embedder, by how they search."""
        return "".join(
            f'<optgroup label="{escape(name)}">'
            + "".join(self._listed(spec, chosen, False) for spec in specs)
            + "</optgroup>"
            for name, specs in grouped(self._fitting(embedder, chosen)).items()
        )

    def _offered(self, spec: Spec, chosen: str, about: str) -> str:
        """An embedder's option, grey where it is for other galleries."""
        if never := unfit(spec, about):
            return self._option(spec, chosen, "", noncommercial(spec.licence), never)
        return self._listed(spec, chosen, True)

    def _listed(self, spec: Spec, chosen: str, embeds: bool) -> str:
        """An option, drawn once for each look at the readiness where it is not the chosen one."""
        self.state(spec.name)
        plain = self._plain  # another thread's look at the readiness puts an empty one in its place
        if spec.name != chosen and (known := plain.get(spec.name)) is not None:
            return known
        about = _about(spec) if embeds else spec.note
        drawn = self._option(spec, chosen, about, noncommercial(spec.licence) if embeds else "")
        if spec.name != chosen:
            plain[spec.name] = drawn
        return drawn

    def _fitting(self, embedder: Spec, chosen: str) -> list[Spec]:
        """Those that fit, and what was typed where it does."""
        typed = [self.index(chosen)] if typed_index.is_typed(chosen) else []
        more = [spec for spec in typed if embedder.metric in spec.metrics]
        return [*self.fitting(embedder), *more]

    def _option(
        self, spec: Spec, chosen: str, about: str, barred: str = "", never: str = ""
    ) -> str:
        state = self.state(spec.name)
        fetched = state.kind == "download" and not self.lab.public  # picking it downloads it
        off = never or (state.reason if state.kind != "ready" and not fetched else "")
        more = never or (_unready(spec, state) if off else _first(about, state))
        marks = (" selected" if spec.name == chosen else "") + (" disabled" if off else "")
        # what is chosen says the rest beside its picker, which is narrow
        text = f"{spec.title} · {more}" if more and spec.name != chosen else spec.title
        why = f' title="{escape(never or state.reason)}"' if never or state.reason else ""
        return f'<option value="{escape(spec.name)}"{marks}{why}{barred}>{escape(text)}</option>'


def noncommercial(licence: Licence | None) -> str:
    """The attribute of an option whose licence forbids commercial use, or is not known."""
    return " data-noncommercial" if licence is None or licence.commercial == "no" else ""


def facts(spec: Spec) -> list[str]:
    """An embedder's width, and what it cannot read."""
    width = f"{spec.dim:,} {'bits' if spec.metric is Metric.HAMMING else 'd'}"
    only = [] if spec.reads_text else ["pictures only"]
    return [width, *(only if spec.reads_images else ["text only"])]


def _about(spec: Spec) -> str:
    licence = [spec.licence.id] if spec.licence else []
    return " · ".join([*facts(spec), *licence])


def _first(about: str, state: State) -> str:
    """What is known of something that can be picked, and what its first use will cost."""
    return " · ".join(filter(None, (about, state.reason)))


def _unready(spec: Spec, state: State) -> str:
    """The kind of the reason, the size of a download, and the reason without its details."""
    download = f" ({size(spec.bytes)})" if spec.bytes else ""
    reason = state.reason.split(";")[0].split(" (")[0]
    short = reason if len(reason) <= SHORT else f"{reason[:SHORT].rstrip()}…"
    return f"{state.kind.replace('-', ' ')}{download}: {short}"


def _nearest(name: str, specs: Sequence[Spec], usual: str) -> str:
    """The name that is meant, else the usual one where it is among them, else the first."""
    names = [spec.name for spec in specs]
    close = [name] if name in names else get_close_matches(name[:LONGEST], names, 1)
    return next(iter(close), usual if usual in names else names[0])


def _named(kind: str, name: str, specs: Sequence[Spec]) -> Spec:
    for spec in specs:
        if spec.name == name:
            return spec
    raise suggest(kind, name, [spec.name for spec in specs])
