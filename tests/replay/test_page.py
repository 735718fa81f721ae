"""Receipts that the page gives, made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.advisor.evidence import rated, ratings
from retrieval.advisor.need import Need
from retrieval.commands import again
from retrieval.errors import BadQuery, LabError, UnknownName
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure import receipts, scale, tables
from retrieval.measure.rounds import Job as Sweeping
from retrieval.measure.rounds import rounds, sweeps
from retrieval.panel import Panel
from retrieval.ui.curves import Curve
from retrieval.ui.export import as_json, scale_json
from tests.bare import unmeasured
from tests.held import ENOUGH


@pytest.fixture
def lab(cache: Path) -> Lab:
    return unmeasured(cache)


def test_a_sweep_of_the_page(lab: Lab) -> None:
    gallery, spec = lab.gallery("stamps"), lab.spec("phash")
    index = lab.index(gallery, Panel("phash", "faiss-binary-hnsw")).index.spec
    job = Sweeping(gallery, spec, [index], "picture")
    list(rounds(lab, job, ENOUGH))
    given = as_json(job, [Curve.of(index, [index], sweeps(lab).find(job.key(index)))])
    told = again.replayed(lab, receipts.loaded(json.dumps(given).encode()))
    assert told["same"], told["differences"]
    assert any(line.startswith("p50: ") for line in told["circumstances"])


def test_scale_of_the_page_and_a_note_of_choose(lab: Lab) -> None:
    gallery, spec = lab.gallery("stamps"), lab.spec("conse-lite2")
    job = scale.Job(gallery, spec, [INDEXES.spec(name) for name in ("exact", "faiss-ivf")])
    list(scale.measure(lab, job, ENOUGH))
    given = scale_json(job, again_outlooks(lab, job))
    assert again.replayed(lab, json.loads(json.dumps(given)))["same"]
    note = scale.notes(lab).find(job.key("faiss-ivf"))
    assert note is not None
    whole = json.loads(json.dumps(note.receipt()))
    assert again.replayed(lab, whole)["same"]
    whole["measured"]["marks"][0]["point"]["recall"] = 0.3
    assert "recall was 0.3, is" in again.replayed(lab, whole)["differences"][0]


def again_outlooks(lab: Lab, job: scale.Job) -> list[Any]:
    from retrieval.measure.outlook import outlooks

    return outlooks(lab, job)


def test_a_rating_of_choose(lab: Lab) -> None:
    note = rated(lab, lab.gallery("stamps"), lab.spec("phash"), Need(reads="image"))
    whole = json.loads(json.dumps(note.receipt()))
    told = again.replayed(lab, whole)
    assert told["same"], told["differences"]
    whole["measured"]["R@10"]["mean"] = 0.01
    assert "mean was 0.01" in again.replayed(lab, whole)["differences"][0]
    assert len([*ratings(lab).folders()]) == 1


def test_the_same_seed_draws_the_same_vectors(lab: Lab) -> None:
    job = scale.Job(lab.gallery("stamps"), lab.spec("conse-lite2"), [])
    one, other = (scale.Running(lab, job).drawing.asked(1000) for _ in range(2))
    assert np.array_equal(one.stored, other.stored) and np.array_equal(one.vectors, other.vectors)


def test_an_unknown_gallery_or_kind(lab: Lab) -> None:
    with pytest.raises(BadQuery, match="cannot be run again; these can: a search's"):
        again.replayed(lab, {"format": 1, "kind": "votes"})
    gone = {"kind": "evaluate", "rows": [{"a": 1}], "gallery": "gone", "gallery_revision": ""}
    more = {"options": {}, "keys": {}, "machine": "", "python": "", "versions": {}}
    with pytest.raises(UnknownName):
        again.replayed(lab, gone | more)
    with pytest.raises(LabError, match="no receipt of format 1"):
        again.replayed(lab, gone)


def test_many_differences_are_counted() -> None:
    old = [{"name": at, "value": 1.0} for at in range(50)]
    new = [{"name": at, "value": 2.0} for at in range(50)]
    told = tables.differences(old, new, ("name",))
    assert len(told) == tables.TOLD + 1 and told[-1] == "and 30 more"
