"""The answer: a stack, a runner-up, each reason as a figure or a cited rule."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from retrieval.advisor.candidates import (
    Kept,
    Model,
    engines,
    forbids,
    forbids_engine,
    models,
)
from retrieval.advisor.elsewhere import ELSEWHERE
from retrieval.advisor.evidence import THUMB, Evidence, Figure, measure
from retrieval.advisor.need import Need
from retrieval.advisor.reasons import Reason, against, costs, reasons
from retrieval.advisor.rules import EMBEDDERS, ENGINES, TRAINING, Rule, first
from retrieval.errors import Unsupported
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.measure.footprint import footprint
from retrieval.panel import Panel
from retrieval.store import vectors_key
from retrieval.types import Metric, Spec

if TYPE_CHECKING:
    from retrieval.lab import Lab

ROOM = 0.5
"""Share of the memory that an index may take; networks and the rest need theirs."""
Size = Literal["exact", "graph", "codes", "beyond"]
T = TypeVar("T")


@dataclass(frozen=True)
class Stack:
    """An embedder and an engine.

    Attributes:
        model: the embedder.
        kept: the engine.
        reasons: why, each a figure or a cited rule.
        costs: memory and latency, by what it is.
        against: what speaks against it.
        panel: that opens here; empty where none can.
        instead: what stands in for what is not here, in a sentence.
    """

    model: Model
    kept: Kept
    reasons: tuple[Reason, ...]
    costs: tuple[Reason, ...]
    against: tuple[str, ...]
    panel: str
    instead: str

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        model, kept = self.model, self.kept
        licence = model.licence
        return {
            "embedder": _part(model.title, model.spec, model.state.reason),
            "weights_licence": asdict(licence) if licence else None,
            "index": _part(kept.engine.title, kept.spec, kept.state.reason),
            "index_in_process_only": kept.inside,
            "index_licence": kept.engine.licence,
            "panel": self.panel,
            "instead": self.instead,
            "reasons": [asdict(each) for each in self.reasons],
            "costs": [asdict(each) for each in self.costs],
            "against": list(self.against),
        }


@dataclass(frozen=True)
class Advice:
    """An answer.

    Attributes:
        need: what was asked for.
        size: what the size calls for.
        rules: which decided: embedder, training, engine.
        best: the recommended stack.
        second: the runner-up.
        left_out: titles, and what forbids each.
        exact: from how many vectors on exact search takes too long; none: not measured.
        panels: that open beside one another.
        embedder: that stands for the recommended one in panels and figures.
    """

    need: Need
    size: Size
    rules: tuple[Rule, Rule, Rule]
    best: Stack
    second: Stack
    left_out: tuple[tuple[str, str], ...]
    exact: Figure | None
    panels: tuple[str, ...]
    embedder: str

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "need": self.need.told(),
            "size": self.size,
            "rules": [rule.name for rule in self.rules],
            "recommended": self.best.told(),
            "runner_up": self.second.told(),
            "left_out": [{"title": title, "why": why} for title, why in self.left_out],
            "exact_enough_up_to": asdict(self.exact) if self.exact else None,
            "panels": list(self.panels),
            "elsewhere": [asdict(each) for each in ELSEWHERE],
        }


def choose(lab: Lab, gallery: Gallery, need: Need) -> Advice:
    """Answer the questions from the rules and from what was measured on this machine.

    Args:
        lab: whose plug-ins, states and measurements.
        gallery: with which figures are measured.
        need: the answers to the questions.

    Raises:
        Unsupported: nothing is left that may be recommended.
    """
    facts = {name: str(value) for name, value in need.told().items()}
    facts["rows"] = "yes" if "yes" in (need.filters, need.tenants, need.updates) else "no"
    chosen = first(EMBEDDERS, facts)
    asked = Evidence(lab, gallery, None)

    def rate(spec: Spec) -> tuple[float, float] | None:
        note = asked.rating(spec, need.reads)
        return (note.body["R@10"]["mean"], note.body["R@10"]["high"]) if note else None

    able, out = _split(
        [(model, forbids(model, need)) for model in models(lab, chosen, rate, need.runs)]
    )
    if not able:
        raise Unsupported("no embedder may be recommended for that: " + "; ".join(map(_said, out)))
    evidence = Evidence(lab, gallery, standing(lab, gallery, able))
    exact = evidence.exact_enough(need.ms, able[0].dim)
    size = sized(need, able[0].dim, exact)
    facts["size"] = size
    training, kept_by = first(TRAINING, facts), first(ENGINES, facts)
    kept, kept_out = _split(
        [(each, forbids_engine(each, need, size)) for each in engines(lab, kept_by)]
    )
    if not kept:
        raise Unsupported(
            "no index or database may be recommended for that: " + "; ".join(map(_said, kept_out))
        )
    rules = chosen, training, kept_by
    other, beside = _other(able), kept[min(1, len(kept) - 1)]
    best = _stack(evidence, need, able[0], kept[0], rules, exact, True)
    second = _stack(evidence, need, other, beside, rules, exact, False)
    named = [each for each in kept_out if each[0].engine.name in kept_by.prefer]
    barred: list[tuple[Model | Kept, str]] = [*out, *named]
    left = tuple((_title(each), why) for each, why in barred)
    panels = opened(evidence, best, able[0], other, kept[0], beside)
    embedder = Panel.parse(best.panel).embedder if best.panel else ""
    return Advice(need, size, rules, best, second, left, exact, panels, embedder)


def sized(need: Need, dim: int, exact: Figure | None) -> Size:
    """What a number of vectors calls for: the first whose time and memory suffice."""
    count, room = need.most, ROOM * need.memory
    enough = exact.value if exact else THUMB
    if count <= enough and footprint("exact").memory(dim, count) <= room:
        return "exact"
    if footprint("faiss-hnsw").memory(dim, count) <= room:
        return "graph"
    return "codes" if footprint("faiss-ivf-rabitq").memory(dim, count) <= room else "beyond"


def standing(lab: Lab, gallery: Gallery, able: Sequence[Model]) -> Spec | None:
    """The first ready embedder whose growth is measured; else that has vectors; else the first."""
    ready = [model.spec for model in able if model.ready and model.spec]
    floats = [lab.spec(spec.name) for spec in ready if spec.metric is Metric.COSINE]
    grown = [spec for spec in floats if Evidence(lab, gallery, spec).growth("exact")]
    here = [spec for spec in floats if embedded(lab, gallery, spec)] if not grown else []
    return next(iter([*grown, *here, *floats]), None)


def embedded(lab: Lab, gallery: Gallery, spec: Spec) -> bool:
    """Whether a gallery's vectors by an embedder are here already."""
    return lab.store.find(vectors_key(gallery, lab.spec(spec.name))) is not None


def opened(
    evidence: Evidence,
    best: Stack,
    model: Model,
    other: Model,
    kept: Kept,
    beside: Kept,
) -> tuple[str, ...]:
    """The recommended panel, the other index and the other embedder beside it."""
    pairs = ((model, kept), (model, beside), (other, kept))
    found = [panel_of(evidence, *pair)[0] for pair in pairs]
    return tuple(dict.fromkeys(each for each in (best.panel, *found) if each))


def panel_of(evidence: Evidence, model: Model, kept: Kept) -> tuple[str, str]:
    """The panel that shows a stack here, and what stands in for what is not here."""
    spec = model.spec if model.ready else None
    instead = []
    if spec is None:
        spec = evidence.embedder
        if spec is None:
            return "", f"{model.title} is not ready here, and nothing like it is."
        instead.append(f"{spec.title} for {model.title}")
    here = kept.spec if kept.ready and kept.spec else INDEXES.spec("exact")
    if kept.inside or here != kept.spec:
        instead.append(f"{here.title} for {kept.engine.title}")
    knobs = tuple(sorted(evidence.setting(here.name, len(evidence.gallery)).items()))
    said = f"Opens with what is here: {', '.join(instead)}."
    return str(Panel(spec.name, here.name, knobs)), said if instead else ""


def _stack(
    evidence: Evidence,
    need: Need,
    model: Model,
    kept: Kept,
    rules: tuple[Rule, Rule, Rule],
    exact: Figure | None,
    best: bool,
) -> Stack:
    panel, instead = panel_of(evidence, model, kept)
    return Stack(
        model,
        kept,
        tuple(reasons(evidence, need, model, kept, rules, exact, best)),
        tuple(costs(evidence, need, model, kept)),
        tuple(against(need, model, kept)),
        panel,
        instead,
    )


def _other(able: Sequence[Model]) -> Model:
    """The runner-up: the next of another kind, else the next, else the same again."""
    best = able[0]
    kinds = [model for model in able if model.role != best.role]
    return next(iter([*kinds, *able[1:]]), best)


def _split(judged: Sequence[tuple[T, str]]) -> tuple[list[T], list[tuple[T, str]]]:
    return [each for each, why in judged if not why], [pair for pair in judged if pair[1]]


def _title(each: Model | Kept) -> str:
    return each.title if isinstance(each, Model) else each.engine.title


def _said(pair: tuple[Model | Kept, str]) -> str:
    return f"{_title(pair[0])}: {pair[1]}"


def _part(title: str, spec: Spec | None, reason: str) -> dict[str, str | None]:
    name = spec.name if spec else None
    return {"title": title, "name": name, "state": reason or "ready"}


def measuring(lab: Lab, gallery: Gallery, need: Need, seconds: float) -> Generator[str]:
    """Measure what an answer to a need rests on: quality, and indexes at growing sizes.

    Args:
        lab: what is loaded.
        gallery: whose vectors are drawn around.
        need: the answers to the questions.
        seconds: nothing is begun after them; making vectors ready to be drawn is no part.

    Yields:
        A sentence for each thing that was measured, or could not be.

    Raises:
        LabError: nothing can be measured with this gallery.
    """
    advice = choose(lab, gallery, need)
    stacks = (advice.best, advice.second)
    indexes = [stack.kept.spec.name for stack in stacks if stack.kept.spec and stack.kept.ready]
    able = [
        model
        for model in models(lab, advice.rules[0], lambda _: None, need.runs)
        if not forbids(model, need)
    ]
    ready = [model.spec for model in able if model.ready and model.spec]
    here = [spec for spec in ready if embedded(lab, gallery, spec)] or ready[:1]
    evidence = Evidence(lab, gallery, standing(lab, gallery, able))
    if evidence.embedder is None:
        raise Unsupported("no embedder that may be recommended is ready here; get one first")
    yield from measure(lab, evidence, here, indexes, need, seconds)
