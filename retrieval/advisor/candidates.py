"""Embedders and engines in the order of a rule, with what forbids each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
Rate = Callable[[Spec], float]
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


def models(lab: Lab, rule: Rule, rate: Rate) -> list[Model]:
    """Embedders in a rule's order; of one kind the ready, the better, the smaller first.

    Args:
        lab: whose states.
        rule: names the kinds.
        rate: an embedder's measured quality, 0 where it was not measured.
    """
    return [model for name in rule.prefer for model in _of_role(lab, ROLES[name], rate)]


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


def _of_role(lab: Lab, role: Role, rate: Rate) -> Iterator[Model]:
    found = [spec for spec in EMBEDDERS.specs() if plays(role, spec)]
    each = [Model(role, spec, state(spec, lab.public)) for spec in reversed(found)]
    yield from sorted(each, key=lambda model: _handiness(model, rate))
    if not found:
        yield Model(role, None, State("unreachable", OUTSIDE))


def _handiness(model: Model, rate: Rate) -> tuple[bool, float, int]:
    """Ready before not, then by what was measured, then the small before the large.

    Of two that ship, the later in the registry comes first, which is the larger and better.
    """
    if model.spec is None:
        return True, 0.0, 0
    return not model.ready, -rate(model.spec), model.spec.bytes


def _kept(lab: Lab, engine: Engine) -> Kept:
    spec, inside = registered(engine, INDEXES.specs())
    found = state(spec, lab.public) if spec else State("unreachable", OUTSIDE)
    return Kept(engine, spec, inside, found)
