"""Name -> plug-in, found by looking into a package, imported when it is used."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Generic, TypeVar

from retrieval.errors import NotReady, UnknownName
from retrieval.types import Spec

Plugin = TypeVar("Plugin")
LISTED = 12
"""Names that an error quotes."""


def suggest(kind: str, name: str, names: list[str]) -> UnknownName:
    """The error for a name that is not there, with the nearest one that is."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"perhaps: {', '.join(near)}" if near else f"there are: {listed(names)}"
    return UnknownName(f"no {kind} is called {name[:80]!r}; {hint}")


def listed(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    first = ", ".join(names[:LISTED]) or "none"
    more = len(names) - LISTED
    return f"{first} and {more} more (python -m retrieval list)" if more > 0 else first


def families(specs: Iterable[Spec]) -> dict[str, list[Spec]]:
    """Specs by family, each family once, in the order in which they first come."""
    found: dict[str, list[Spec]] = {}
    for spec in specs:
        found.setdefault(spec.family, []).append(spec)
    return found


class Registry(Generic[Plugin]):
    """The plug-ins of one package: every module in it that has ``SPECS``.

    Args:
        kind: the word in error messages, such as ``index``.
        package: the package to look into.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package

    @cached_property
    def _specs(self) -> dict[str, Spec]:
        found: dict[str, Spec] = {}
        for spec in self._scan():
            if spec.name in found:
                raise UnknownName(
                    f"two {self.kind} plug-ins are called {spec.name!r}: "
                    f"{found[spec.name].target} and {spec.target}; rename one"
                )
            found[spec.name] = spec
        return found

    def _scan(self) -> Iterator[Spec]:
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            yield from getattr(
                importlib.import_module(f"{self.package}.{module.name}"), "SPECS", ()
            )

    def names(self) -> list[str]:
        """All names, in the order of their modules."""
        return list(self._specs)

    def specs(self) -> list[Spec]:
        """All specs, in the order of their modules."""
        return list(self._specs.values())

    def spec(self, name: str) -> Spec:
        """One spec by name.

        Raises:
            UnknownName: quoting the name and the nearest ones.
        """
        if name not in self._specs:
            raise suggest(self.kind, name, self.names())
        return self._specs[name]

    def load(self, spec: Spec) -> type[Plugin]:
        """The class of a spec, imported now.

        Raises:
            NotReady: a library that it needs is not installed.
        """
        missing = [need for need in spec.needs if importlib.util.find_spec(need) is None]
        if missing:
            raise NotReady(f"{spec.name} needs {', '.join(missing)}: {spec.install}")
        module, _, name = spec.target.partition(":")
        plugin: type[Plugin] = getattr(importlib.import_module(module), name)
        return plugin
