"""What ships of measurements: made in several runs, published whole, marked elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.lab import Lab
from retrieval.measure import rounds, scale
from retrieval.measure.rounds import sweeps
from retrieval.ui.curves import Curve, drawn
from scripts import make_sweeps
from scripts.make_sweeps import engines, jobs, main, missing
from tests.bare import unmeasured

FEW = ["--gallery", "stamps", "--index", "exact", "--index", "faiss-hnsw"]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    pictures = (("efficientnet-lite2", "picture"), ("conse-lite2", "picture"))
    monkeypatch.setattr(make_sweeps, "ASKED", pictures)
    monkeypatch.setattr(rounds, "COUNT", 20)
    monkeypatch.setattr(make_sweeps, "COUNT", 20)
    (tmp_path / "data").mkdir()
    return {"data": tmp_path / "data", "beside": tmp_path / "beside"}


def test_no_database_is_among_them() -> None:
    names = {each.name for each in engines()}
    assert {"exact", "faiss-hnsw", "faiss-ivf", "faiss-ivfpq"} <= names
    assert not [name for name in names if name.startswith(("pg", "qdrant", "milvus", "lance"))]


def test_the_list_is_both_galleries_and_both_kinds() -> None:
    asked = [(job.gallery.name, job.embedder.name, job.kind) for job in jobs(Lab(), [], [])]
    assert len(asked) == 6 and {name for name, *_ in asked} == {"clipart", "stamps"}
    assert ("clipart", "conse-lite2", "text") in asked
    assert {kind for _, name, kind in asked if name == "efficientnet-lite2"} == {"picture"}


def test_a_run_goes_on_where_the_last_was_stopped(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*FEW, "--seconds", "0"], **places) == 1
    assert not (places["data"] / "sweeps").exists()
    real, count = rounds.Running.step, []

    def stopped(self: rounds.Running, name: str, knobs: dict[str, int]) -> object:
        count.append(name)
        if len(count) == 4:
            raise KeyboardInterrupt
        return real(self, name, knobs)

    monkeypatch.setattr(rounds.Running, "step", stopped)
    with pytest.raises(KeyboardInterrupt):
        main(FEW, **places)
    assert not (places["data"] / "sweeps").exists()
    lab = Lab(cache=places["beside"])
    lab.data = places["beside"] / "none"
    left = [len(missing(lab, job)) for job in jobs(lab, ["stamps"], ["exact", "faiss-hnsw"])]
    assert left == [9 - 3, 9]

    assert main(FEW, **places) == 0
    assert len(count) == 4 + 6 + 9  # nothing was measured twice
    assert not places["beside"].exists()
    assert len(list((places["data"] / "sweeps").rglob("points.json"))) == 4


def test_what_ships_is_drawn_and_marked_where_it_is_of_another_machine(
    places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.measure.sweeps.machine", lambda: "Abacus <1>, 1 core")
    monkeypatch.setattr("retrieval.measure.notes.machine", lambda: "Abacus <1>, 1 core")
    monkeypatch.setattr(scale, "SIZES", (100, 200))
    assert main([*FEW, "--scale", "600"], **places) == 0
    assert len(list((places["data"] / "scales").rglob("note.json"))) > 2
    monkeypatch.undo()
    monkeypatch.setattr(rounds, "COUNT", 20)
    lab = unmeasured(tmp_path / "cache")
    for part in make_sweeps.PARTS:
        (places["data"] / part).rename(lab.data / part)
    (job, *_) = jobs(lab, ["stamps"], ["exact", "faiss-hnsw"])
    job = rounds.Job(job.gallery, lab.spec("efficientnet-lite2"), job.indexes, "picture")
    found = [Curve.of(spec, job.indexes, sweeps(lab).find(job.key(spec))) for spec in job.indexes]
    html = drawn(job, found, 0.95, 800, [])
    assert "Another machine's</b> (hollow marks): Measured on Abacus &lt;1&gt;, 1 core" in html
    assert [each.here for each in found] == [False, False]
