"""Embedders: pictures and texts into vectors. A new file with ``SPECS`` is a new embedder."""

from __future__ import annotations

from retrieval import commits
from retrieval.embedders.base import Embedder
from retrieval.errors import LabError
from retrieval.registry import Registry
from retrieval.types import Spec


class Embedders(Registry[Embedder]):
    """The registered embedders, those whose commit was kept with that commit, and typed names."""

    def specs(self) -> list[Spec]:
        """All registered specs, in the order of their modules; the hub is not asked."""
        return [_settled(spec) for spec in super().specs()]

    def spec(self, name: str) -> Spec:
        """One spec by name; the hub is asked for a name that is typed for the first time.

        Raises:
            UnknownName: quoting the name and the nearest ones.
            LabError: a typed name is no model, or cannot be asked for.
        """
        from retrieval.embedders import typed

        if name not in self._specs and typed.is_typed(name):
            return typed.spec(name)
        return commits.settled(super().spec(name))


def _settled(spec: Spec) -> Spec:
    try:
        return commits.settled(spec)
    except LabError:  # a damaged record: readiness says so
        return spec


EMBEDDERS = Embedders("embedder", __name__)
