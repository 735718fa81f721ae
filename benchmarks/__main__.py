"""``python -m benchmarks [NAME] [--help]``: all of them, or one; ``--list`` names them."""

import importlib
import os
import pkgutil
import sys

import benchmarks

FOREIGN = "OPENBLAS_CORETYPE"
"""Makes NumPy multiply as another processor would, so that no figure would be this one's."""


def names() -> list[str]:
    """Every benchmark: a module of this package with a ``main``."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [
        name
        for name in found
        if name != "__main__" and hasattr(importlib.import_module(f"benchmarks.{name}"), "main")
    ]


def run(argv: list[str]) -> int:
    """Run the named benchmark, or each in turn.

    Returns:
        0; 1 where a target is missed; 2 for a name that is none, or an environment that lies.
    """
    if argv == ["--list"]:
        print("\n".join(names()))
        return 0
    if argv and argv[0] not in names():
        print(f"no benchmark is called {argv[0]!r}; there are: {', '.join(names())}")
        return 2
    if os.environ.get(FOREIGN):
        print(f"{FOREIGN} is set, which changes NumPy; run: env -u {FOREIGN} python -m benchmarks")
        return 2
    if not argv:
        return max([run([name]) for name in names()])
    code: int = importlib.import_module(f"benchmarks.{argv[0]}").main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
