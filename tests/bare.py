"""A lab for which nothing was measured yet, whatever ships."""

from __future__ import annotations

from pathlib import Path

from retrieval.lab import DATA, Lab

MEASURED = ("sweeps", "scales", "qualities")


def unmeasured(cache: Path, public: bool = False) -> Lab:
    """A lab over what ships, without what was measured of it."""
    data = cache / "shipped"
    data.mkdir(parents=True, exist_ok=True)
    for each in DATA.iterdir():
        if each.name not in MEASURED and not (data / each.name).exists():
            (data / each.name).symlink_to(each)
    return Lab(data=data, cache=cache, public=public)
