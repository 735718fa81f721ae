"""The page over a lab with two sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from retrieval.lab import Lab
from retrieval.measure.rounds import sweeps
from retrieval.ui import launch
from tests.bare import unmeasured
from tests.page.tabs.opened import job, measured
from tests.page.test_tabs_http import few


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """With two sweeps: one of here, and one that says it is of another machine."""
    made = unmeasured(tmp_path_factory.mktemp("cache"))
    for name in ("efficientnet-lite2", "efficientnet-lite0"):
        measured(made, name)
    store = sweeps(made)
    for spec in few(made).menu.fitting(made.spec("efficientnet-lite0")):
        found = store.find(job(made, "efficientnet-lite0").key(spec))
        assert found is not None
        store.save(replace(found, machine="Abacus, 1 core"))
    return made


@pytest.fixture(scope="package")
def url(lab: Lab) -> Iterator[str]:
    page = launch.start(few(lab), "127.0.0.1", quiet=True)
    yield str(page.local_url)
    page.close()
