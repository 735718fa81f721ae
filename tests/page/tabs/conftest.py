"""The page over a lab with three sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from retrieval.lab import Lab
from retrieval.measure.rounds import sweeps
from retrieval.measure.sweep import grid
from retrieval.ui import launch
from tests.bare import unmeasured
from tests.page.tabs.opened import CLOSE, job, measured
from tests.page.test_plots import point
from tests.page.test_tabs_http import few


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """With a sweep of here, one of another machine as it says, and one whose marks are close."""
    made = unmeasured(tmp_path_factory.mktemp("cache"))
    for name in ("efficientnet-lite2", "efficientnet-lite0"):
        measured(made, name)
    store = sweeps(made)
    for spec in few(made).menu.fitting(made.spec("efficientnet-lite0")):
        found = store.find(job(made, "efficientnet-lite0").key(spec))
        assert found is not None
        store.save(replace(found, machine="Abacus, 1 core"))
        key = job(made, CLOSE).key(spec)
        settings = enumerate(grid(spec))
        points = [point(0.9 + at / 500, 0.05 * 1.01**at, **knobs) for at, knobs in settings]
        if spec.name != "faiss-hnsw":
            points = [point(1.0, 0.5)]
        store.save(replace(found, key=key, points=tuple(points)))
    return made


@pytest.fixture(scope="package")
def url(lab: Lab) -> Iterator[str]:
    page = launch.start(few(lab), "127.0.0.1", quiet=True)
    yield str(page.local_url)
    page.close()
