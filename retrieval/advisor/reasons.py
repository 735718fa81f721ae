"""Why a stack, what it costs and what speaks against it, each with its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.advisor.candidates import OUTSIDE, Kept, Model
from retrieval.advisor.evidence import THUMB, Evidence, Figure
from retrieval.advisor.need import Need
from retrieval.advisor.rules import Rule
from retrieval.measure.footprint import footprint
from retrieval.measure.scale import TARGET

EXACT_RULES = ("exact", "graph", "codes", "billions", "filters-few")
HUGE = 10**10
"""Beyond so many vectors a crossing is not told as a number."""


@dataclass(frozen=True)
class Reason:
    """One reason.

    Attributes:
        text: one sentence.
        kind: measured here, extrapolated, arithmetic, or rule.
        source: a link, for a rule.
        at: when it was measured, in UTC.
        receipt: by which its receipt is asked for.
    """

    text: str
    kind: str
    source: str = ""
    at: str = ""
    receipt: str = ""


def reasons(
    evidence: Evidence,
    need: Need,
    model: Model,
    kept: Kept,
    rules: tuple[Rule, Rule, Rule],
    exact: Figure | None,
    best: bool,
) -> Iterator[Reason]:
    """Why this embedder, then why this engine."""
    chosen, training, engine = rules
    role, name = model.role, kept.engine.name
    first = role.name == chosen.prefer[0]
    if best or first:
        yield Reason(chosen.reason, "rule", chosen.source)
    if not first:  # the rule speaks of another, which is not to be had
        yield Reason(role.merit, "rule", role.link)
    yield from _quality(evidence, need, model)
    if training.reason:
        yield Reason(training.reason, "rule", training.source)
    first = best and name == engine.prefer[0]
    yield Reason(
        *(
            (engine.reason, "rule", engine.source)
            if first
            else (kept.engine.merit, "rule", kept.engine.link)
        )
    )
    if best and engine.name in EXACT_RULES:
        yield _enough(need, exact)


def _quality(evidence: Evidence, need: Need, model: Model) -> Iterator[Reason]:
    note = evidence.rating(model.spec, need.reads) if model.spec else None
    if note is None:
        return
    found = note.body["R@10"]
    yield Reason(
        f"R@10 {found['mean']:.2f} ({found['low']:.2f} to {found['high']:.2f}) on "
        f"{evidence.gallery.title}, {note.body['task']}, {note.body['queries']} queries.",
        "measured here",
        at=note.at,
        receipt=note.name,
    )


def _enough(need: Need, exact: Figure | None) -> Reason:
    if exact is None:
        return Reason(
            f"Exact search in NumPy is enough up to some {THUMB:,} vectors by rule of thumb; "
            "this machine was not measured yet.",
            "rule of thumb",
        )
    kind = "measured here" if exact.measured else "extrapolated"
    return Reason(
        f"Exact search stays below {need.ms:g} ms up to {about(exact.value)} vectors on this "
        f"machine (95 % interval {about(exact.low)} to {about(exact.high)}; {exact.of}).",
        kind,
        at=exact.at,
        receipt=exact.receipt,
    )


def costs(evidence: Evidence, need: Need, model: Model, kept: Kept) -> Iterator[Reason]:
    """Memory now and later, latency at the later size, the embedding of a query."""
    yield _memory(need, model, kept)
    index = kept.spec.name if kept.spec else ""
    found = evidence.latency(index, need.most, model.dim)
    yield _latency(need, found) if found else _untold(evidence, need, index)
    yield from _settings(evidence, need, kept)
    yield from _embedding(evidence, need, model)


def _memory(need: Need, model: Model, kept: Kept) -> Reason:
    plan = footprint(kept.spec.name if kept.spec else "")
    now, later = (plan.memory(model.dim, count) for count in (need.now, need.later))
    most = max(now, later)
    on_disk = plan.bytes(model.dim, need.most) - most
    disk = f", and {amount(on_disk)} of vectors on disk" if plan.disk else ""
    share = "" if most <= need.memory else f", more than the {amount(need.memory)} there are"
    return Reason(
        f"Memory: {amount(now)} now, {amount(later)} in two years{disk}{share} "
        f"({model.dim:,} numbers a vector).",
        "arithmetic",
    )


def _latency(need: Need, found: Figure) -> Reason:
    if found.measured:
        text = f"{digits(found.value)} ms a query (p95 {digits(found.high)} ms"
    else:
        text = (
            f"{digits(found.value)} ms a query among {need.most:,} (95 % interval "
            f"{digits(found.low)} to {digits(found.high)} ms"
        )
    kind = "measured here" if found.measured else "extrapolated"
    return Reason(f"Search: {text}; {found.of}).", kind, at=found.at, receipt=found.receipt)


def _untold(evidence: Evidence, need: Need, index: str) -> Reason:
    """Why no latency is told: the target recall is lost on the way, or too little is measured."""
    lost = evidence.lost(index)
    if lost is None:
        return Reason(
            f"Search of one query among {need.most:,} pictures: not measured on this machine.",
            "not measured",
        )
    note, mark = lost
    return Reason(
        f"Search: no setting that was tried reaches recall {TARGET:g} among {mark.count:,} "
        f"vectors; the best has {mark.point.recall:.2f}.",
        "measured here",
        at=note.at,
        receipt=note.name,
    )


def _settings(evidence: Evidence, need: Need, kept: Kept) -> Iterator[Reason]:
    """The setting that reached the target at the nearest size, else the defaults."""
    if kept.spec is None or not kept.spec.knobs:
        return
    found = evidence.reached(kept.spec.name, need.most)
    if found is None:
        usual = ", ".join(f"{knob.name} {knob.default}" for knob in kept.spec.knobs)
        yield Reason(f"Settings: begin with the defaults, {usual}.", "not measured")
        return
    note, mark = found
    knobs = ", ".join(
        f"{name} {value}" for name, value in {**mark.build, **mark.point.knobs}.items()
    )
    yield Reason(
        f"Settings: {knobs} reached recall {mark.point.recall:.2f} among {mark.count:,}.",
        "measured here",
        at=note.at,
        receipt=note.name,
    )


def _embedding(evidence: Evidence, need: Need, model: Model) -> Iterator[Reason]:
    note = evidence.rating(model.spec, need.reads) if model.spec else None
    if note and note.body.get("query_ms"):
        yield Reason(
            f"Embedding one text: {digits(note.body['query_ms'])} ms (median of 5).",
            "measured here",
            at=note.at,
            receipt=note.name,
        )


def against(need: Need, model: Model, kept: Kept) -> Iterator[str]:
    """What speaks against a stack."""
    yield model.role.against
    if need.languages == "many" and need.reads != "image" and not model.many:
        yield "It reads English only, and several languages are asked for."
    if model.licence and model.licence.commercial == "no":
        yield f"Its licence, {model.licence.id}, forbids commercial use, should that ever come."
    if model.licence and model.licence.commercial == "conditions" and need.commercial == "yes":
        yield f"Commercial use under conditions: {model.licence.id}, read it first."
    yield from _absent(model.title, model.spec is None, model.state.reason)
    yield kept.engine.against
    yield from _absent(kept.engine.title, kept.spec is None, kept.state.reason)
    if kept.inside and kept.spec:
        yield f"This lab has {kept.spec.title}: the same engine, without its server."


def _absent(title: str, outside: bool, reason: str) -> Iterator[str]:
    if outside:
        yield f"{title} is {OUTSIDE}."
    elif reason:
        yield f"{title} is not ready here: {reason}."


def about(count: float) -> str:
    """A number of vectors, to two significant digits."""
    if count >= HUGE:
        return f"more than {HUGE // 10**9} billion"
    for unit, word in ((1e9, " billion"), (1e6, " million")):
        if count >= unit:
            return f"{count / unit:.2g}{word}"
    return f"{float(f'{count:.2g}'):,.0f}"


def amount(nbytes: float) -> str:
    """Bytes in the largest unit that leaves at least 1."""
    for unit, word in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if nbytes >= unit:
            return f"{digits(nbytes / unit)} {word}"
    return f"{digits(nbytes / 1e3)} kB"


def digits(value: float) -> str:
    """Two significant digits below 10, whole numbers from there on."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"
