"""Indexes: the nearest vectors. A new file with ``SPECS`` is a new index."""

from __future__ import annotations

from retrieval.indexes.base import Index
from retrieval.registry import Registry
from retrieval.types import Spec


class Indexes(Registry[Index]):
    """The registered indexes, and those that are typed as FAISS's own strings."""

    def spec(self, name: str) -> Spec:
        """One spec by name.

        Raises:
            UnknownName: quoting the name, or the part of it, and the nearest ones.
            BadQuery: a typed name has another form.
            BadKnob: a number in a typed name is out of its bounds.
        """
        from retrieval.indexes import typed

        if name not in self._specs and typed.is_typed(name):
            return typed.spec(name)
        return super().spec(name)


INDEXES = Indexes("index", __name__)
