"""``python -m benchmarks [NAME]``: all of them, or one."""

import importlib
import pkgutil
import sys

import benchmarks


def names() -> list[str]:
    """Every benchmark: a module of this package with a ``main``."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [
        name
        for name in found
        if name != "__main__" and hasattr(importlib.import_module(f"benchmarks.{name}"), "main")
    ]


def run(argv: list[str]) -> int:
    """Run the named benchmark, or each in turn; 2 for a name that is none."""
    if not argv:
        return max(run([name]) for name in names())
    if argv[0] not in names():
        print(f"no benchmark is called {argv[0]!r}; there are: {', '.join(names())}")
        return 2
    code: int = importlib.import_module(f"benchmarks.{argv[0]}").main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
