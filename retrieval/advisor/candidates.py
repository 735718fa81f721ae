"""Embedders and engines in the order of a rule, with what forbids each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrieval.advisor.engines import ENGINES, Engine, filters, registered
from retrieval.advisor.need import Need
from retrieval.advisor.roles import ROLES, Role, many, plays
from retrieval.advisor.rules import Rule
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.readiness import state
from retrieval.types import Licence, Spec, State

if TYPE_CHECKING:
    from retrieval.lab import Lab

OUTSIDE = "not in this lab"
Rate = Callable[[Spec], tuple[float, float] | None]
"""An embedder's measured quality and the upper end of its interval; none: not measured."""
CLOSED = ("offline", "space")
"""Where nothing can be fetched."""
FITS = {
    "exact": ("exact",),
    "hnsw": ("exact", "graph"),
    "hnsw-sq8": ("exact", "graph"),
    "ivf-rabitq": ("exact", "graph", "codes"),
    "ivfpq": ("exact", "graph", "codes"),
}
"""Sizes that an index in process is for; databases are for all."""


@dataclass(frozen=True)
class Model:
    """An embedder that may be recommended.

    Attributes:
        role: its kind.
        spec: in the registry; none where it is not in this lab.
        state: whether it can be used here now.
    """

    role: Role
    spec: Spec | None
    state: State

    @property
    def title(self) -> str:
        """What people read."""
        return self.spec.title if self.spec else self.role.title

    @property
    def dim(self) -> int:
        """Numbers of one vector."""
        return self.spec.dim if self.spec else self.role.dim

    @property
    def licence(self) -> Licence | None:
        """Of its weights."""
        return self.spec.licence if self.spec else self.role.licence

    @property
    def many(self) -> bool:
        """Whether it reads several languages."""
        return many(self.spec) if self.spec else self.role.many

    @property
    def ready(self) -> bool:
        """Whether it can be used here now."""
        return self.spec is not None and self.state.kind == "ready"


@dataclass(frozen=True)
class Kept:
    """An engine that may be recommended.

    Attributes:
        engine: what it is.
        spec: in the registry; none where it is not in this lab.
        inside: the registry's is the same engine in process, not a server.
        state: whether it can be used here now.
    """

    engine: Engine
    spec: Spec | None
    inside: bool
    state: State

    @property
    def ready(self) -> bool:
        """Whether it can be used here now."""
        return self.spec is not None and self.state.kind == "ready"


def models(lab: Lab, rule: Rule, rate: Rate, runs: str = "cpu") -> list[Model]:
    """Embedders in a rule's order; of one kind the ready, the better, the handier first.

    Args:
        lab: whose states.
        rule: names the kinds.
        rate: what was measured of an embedder.
        runs: where, as ``Need`` has it.
    """
    return [model for name in rule.prefer for model in _of_role(lab, ROLES[name], rate, runs)]


def engines(lab: Lab, rule: Rule) -> list[Kept]:
    """Engines in a rule's order, then all others."""
    rest = [name for name in ENGINES if name not in rule.prefer]
    return [_kept(lab, ENGINES[name]) for name in (*rule.prefer, *rest)]


def forbids(model: Model, need: Need) -> str:
    """What forbids an embedder for a need, in a sentence; empty where nothing does."""
    if need.commercial == "yes" and (model.licence is None or model.licence.commercial == "no"):
        return f"its licence, {model.licence.id if model.licence else 'unknown'}, is not for " + (
            "commercial use"
        )
    if need.runs in CLOSED:
        return _unreachable(model.spec, need, model.role.key)
    return ""


def forbids_engine(kept: Kept, need: Need, size: str) -> str:
    """What forbids an engine for a need, in a sentence; empty where nothing does."""
    engine = kept.engine
    if need.filters == "yes" and not filters(engine, kept.spec):
        return "it does not filter in the search itself"
    if need.tenants == "yes" and not engine.tenants:
        return "it does not keep tenants apart"
    if need.commercial == "yes" and not engine.free:
        return f"its licence, {engine.licence}, is not for commercial use"
    if size not in FITS.get(engine.name, (size,)):
        return "it is too slow, or holds too much, at that size"
    there = need.database == engine.name and engine.name != "pinecone"
    if need.runs in CLOSED and not there:
        return _unreachable(kept.spec, need, key=False)
    return ""


def _unreachable(spec: Spec | None, need: Need, key: bool) -> str:
    public = need.runs == "space"
    where = "a public Space" if public else "a machine without a network"
    if spec is None:
        return f"it is {OUTSIDE}, and {where} fetches nothing"
    if key:
        return f"it is a service, which {where} does not ask"
    found = state(spec, public)
    if found.kind != "ready":
        return f"{where} does not load it: {found.reason}"
    return ""


def _of_role(lab: Lab, role: Role, rate: Rate, runs: str) -> Iterator[Model]:
    found = [spec for spec in EMBEDDERS.specs() if plays(role, spec)]
    each = [Model(role, spec, state(spec, lab.public)) for spec in found]
    ready = [model.spec for model in each if model.ready and model.spec]
    worse = beaten(ready, rate)
    order = {
        model.title: handiness(model, model.spec in worse, runs, at)
        for at, model in enumerate(each)
    }
    yield from sorted(each, key=lambda model: order[model.title])
    if not found:
        yield Model(role, None, State("unreachable", OUTSIDE))


def beaten(specs: Sequence[Spec], rate: Rate) -> list[Spec]:
    """Those whose interval ends below the best; none while one of them is not measured yet."""
    rates = [rate(spec) for spec in specs]
    known = [each for each in rates if each is not None]
    if len(known) < len(rates) or not known:
        return []
    best = max(mean for mean, _ in known)
    return [spec for spec, (_, high) in zip(specs, known, strict=True) if high < best]


def handiness(model: Model, worse: bool, runs: str, at: int) -> tuple[float, ...]:
    """What sorts embedders of one kind, the best first.

    Ready before not, what is measurably worse last, free licences before others, then the small
    before the large, or the reverse on a GPU. Of those that ship the last is the largest and best.
    """
    spec = model.spec
    if spec is None:
        return (1,)
    size = weight(spec)
    bound = spec.licence is None or spec.licence.commercial != "yes"
    large = -size if runs == "gpu" and size < np.inf else size
    return not model.ready, worse, bound, large, at if size else -at


def weight(spec: Spec) -> float:
    """Millions of parameters or megabytes, as is known; 0 for what ships, infinite for neither."""
    if not spec.param("repo"):
        return 0.0
    known = float(getattr(spec, "parameters", 0)) or spec.bytes / 4
    return known / 1e6 or np.inf


def _kept(lab: Lab, engine: Engine) -> Kept:
    found = [Kept(engine, spec, inside, state(spec, lab.public)) for spec, inside in ways(engine)]
    ready = [each for each in found if each.ready]
    nothing = Kept(engine, None, False, State("unreachable", OUTSIDE))
    return next(iter([*ready, *found, nothing]))


def ways(engine: Engine) -> list[tuple[Spec, bool]]:
    """The registry's ways to an engine: its server, or the same engine in process."""
    return registered(engine, INDEXES.specs())
