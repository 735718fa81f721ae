"""Indexes at growing sizes: measured, noted, shown, and what rests on them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from retrieval import manifest
from retrieval.advisor import evidence as measuring
from retrieval.advisor.candidates import Kept, Model
from retrieval.advisor.engines import ENGINES
from retrieval.advisor.evidence import Evidence
from retrieval.advisor.need import Need
from retrieval.advisor.reasons import costs
from retrieval.advisor.roles import ROLES
from retrieval.errors import BadQuery, LabError, Refused, Unsupported
from retrieval.indexes import INDEXES
from retrieval.indexes.exact import Exact
from retrieval.lab import Lab
from retrieval.measure import drawing, drawn, scale
from retrieval.measure.drawing import Drawing
from retrieval.measure.notes import FILE, Notes
from retrieval.measure.outlook import outlooks
from retrieval.measure.scale import Job, Left, Mark, cheapest, known, lists, marks, measure
from retrieval.measure.sweep import Point
from retrieval.types import State
from retrieval.ui import reach
from tests.bare import unmeasured
from tests.held import ENOUGH

FEW = ("exact", "faiss-hnsw")
SMALL = (200, 400, 785, 1200)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(scale, "SIZES", SMALL)
    monkeypatch.setattr(drawn, "NEARS", (8,))
    monkeypatch.setattr(drawn, "STEPS", (0.8,))
    return unmeasured(tmp_path)


def job(lab: Lab, embedder: str = "conse-lite2", names: tuple[str, ...] = FEW) -> Job:
    specs = [INDEXES.spec(name) for name in names]
    return Job(lab.gallery("stamps"), lab.spec(embedder), specs)


# --- measuring ------------------------------------------------------------------------------------


def test_every_index_is_measured_at_every_size_and_kept(here: Lab) -> None:
    steps = list(measure(here, job(here), ENOUGH))
    assert not [step for step in steps if isinstance(step, Left)]
    found = {(step.index, step.count): step for step in steps if isinstance(step, Mark)}
    assert list(found) == [(name, count) for count in SMALL for name in FEW]
    assert all(mark.point.recall > 0.99 for (name, _), mark in found.items() if name == "exact")
    notes = known(here, job(here))
    assert [mark.count for mark in marks(notes["exact"])] == list(SMALL)
    assert set(notes["exact"].body["drawn"]) == {"first", "tenth", "dimension"}
    assert list(measure(here, job(here), ENOUGH)) == []  # all is known


def test_no_time_measures_nothing_and_a_stop_keeps_what_was(here: Lab) -> None:
    assert list(measure(here, job(here), 0)) == []
    steps = measure(here, job(here), ENOUGH)
    first = next(steps)
    steps.close()
    assert isinstance(first, Mark)
    assert [mark.count for mark in marks(known(here, job(here))[first.index])] == [first.count]
    rest = [step for step in measure(here, job(here), ENOUGH) if isinstance(step, Mark)]
    assert len(rest) == len(SMALL) * len(FEW) - 1


def test_what_would_outlast_the_time_is_not_begun(
    here: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "SLOWER", 1e9)
    steps = list(measure(here, job(here), ENOUGH))
    left = [step for step in steps if isinstance(step, Left)]
    assert [each.count for each in left] == [SMALL[1]] * len(FEW)
    assert all("longer than what is left" in each.problem for each in left)


def test_what_takes_long_to_make_ready_is_measured_all_the_same(
    here: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a slice of a busy machine is over before it has measured anything, each time."""
    now, ready = [0.0], Drawing.ready

    def slow(drawing: Drawing) -> object:
        now[0] += 100 if drawing.pace == 0 else 0  # the first time
        return ready(drawing)

    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
    monkeypatch.setattr(Drawing, "ready", slow)
    monkeypatch.setattr(scale, "time", clock)
    for _ in range(2):  # a slice is of one, and the next goes on
        assert [isinstance(step, Mark) for step in measure(here, job(here), 10)] == [True]


def test_an_engine_that_fails_costs_its_own_marks(
    here: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(index: object, asked: object) -> object:
        if index.spec.name == "faiss-hnsw":  # type: ignore[attr-defined]
            raise RuntimeError("no")
        return cheapest(index, asked)  # type: ignore[arg-type]

    monkeypatch.setattr(scale, "cheapest", broken)
    steps = list(measure(here, job(here), ENOUGH))
    failed = [step for step in steps if isinstance(step, Left)]
    assert [each.index for each in failed] == ["faiss-hnsw"]
    assert sum(isinstance(step, Mark) for step in steps) == len(SMALL)


def test_searches_beside_it_are_told_as_busy(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    going: list[int] = []
    for owner, name in ((Exact, "build"), (drawing, "stack")):
        true = getattr(owner, name)

        def noted(*given: Any, true: Any = true) -> Any:
            going.append(here.work.count()[1])
            return true(*given)

        monkeypatch.setattr(owner, name, noted)
    list(measure(here, job(here, names=("exact",)), ENOUGH))
    assert going and min(going) > 0 and here.work.count()[1] == 0


def test_bits_and_other_peoples_pictures_are_refused(
    here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unsupported, match="makes bits"):
        next(measure(here, job(here, "phash"), 10))
    public = unmeasured(tmp_path, public=True)
    asked, entry = job(public), public.catalog.entry("food101")
    monkeypatch.setattr(public.catalog, "entry", lambda name: entry)
    with pytest.raises(Refused, match="shipped galleries only"):
        next(measure(public, asked, 10))


def test_lists_grow_with_the_vectors() -> None:
    assert lists(INDEXES.spec("faiss-ivf"), 10_000) == {"nlist": 400}
    assert lists(INDEXES.spec("faiss-ivf"), 10**9) == {"nlist": 1024}
    assert lists(INDEXES.spec("faiss-hnsw"), 10_000) == {}


# --- notes ----------------------------------------------------------------------------------------


def test_a_note_is_its_own_receipt(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    key = {"gallery": "stamps", "kind": "scale"}
    made = notes.save(key, {"value": 1})
    assert notes.find(key) == made
    assert made.here
    receipt = notes.named(made.name).receipt()
    assert receipt["measured"] == {"value": 1}
    assert receipt["key"] == key
    assert {"machine", "versions", "python", "at"} <= set(receipt)
    json.dumps(receipt)


def test_a_note_tells_the_versions_that_measured_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = {"versions": {"numpy": "0.1"}, "processor": "abacus", "python": "2.7"}
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "recorded", lambda: then)
        made = Notes(tmp_path).save({"kind": "scale"}, {"value": 1})
    receipt = Notes(tmp_path).named(made.name).receipt()
    assert {name: receipt[name] for name in then} == then
    assert made.receipt() == receipt


@pytest.mark.parametrize("name", ["", "..", "../../etc", "0" * 12, "x" * 5000, "\0"])
def test_a_receipt_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadQuery, match="no measurement has this receipt"):
        Notes(tmp_path).named(name)


def test_a_damaged_note_is_measured_anew(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    made = notes.save({"a": 1}, {"value": 1})
    file = tmp_path / made.name / FILE
    file.write_text(file.read_text().replace('"value": 1', '"value": 2'))
    assert notes.find({"a": 1}) is None
    with pytest.raises(LabError):
        notes.named(made.name)


# --- what an answer rests on ----------------------------------------------------------------------


def noted(lab: Lab, index: str, recalls: dict[int, float]) -> Evidence:
    told = [
        Mark(index, count, Point({}, recall, count / 1e4, 1.0, 1.0, 1.0, 1.0), count, 1.0, {})
        for count, recall in recalls.items()
    ]
    body = {"marks": [asdict(each) for each in told], "drawn": {}}
    scale.notes(lab).save(job(lab).key(index), body)
    return Evidence(lab, lab.gallery("stamps"), lab.spec("conse-lite2"))


def test_no_time_is_told_that_misses_the_recall(here: Lab) -> None:
    lost = noted(here, "faiss-hnsw", {1000: 0.99, 3000: 0.97, 10_000: 0.96, 30_000: 0.6})
    for count in (30_000, 10**6):
        assert lost.latency("faiss-hnsw", count, 384) is None
    assert lost.growth("faiss-hnsw") is None
    able = Kept(ENGINES["hnsw"], here.index_spec("faiss-hnsw"), False, State("ready"))
    model = Model(ROLES["conse"], here.spec("conse-lite2"), State("ready"))
    said = [each.text for each in costs(lost, Need(), model, able)]
    assert any(
        "no setting that was tried reaches recall 0.95 among 30,000" in each for each in said
    )
    assert not any("ms a query" in each for each in said)
    kept = noted(here, "faiss-hnsw", {1000: 0.99, 3000: 0.97, 10_000: 0.6, 30_000: 0.96})
    near = kept.latency("faiss-hnsw", 30_000, 384)
    assert near is not None and near.measured and near.value == 3.0
    between = kept.latency("faiss-hnsw", 10_000, 384)
    assert between is not None and not between.measured


def test_an_answer_and_the_scale_tell_the_same(here: Lab) -> None:
    evidence = noted(here, "exact", dict.fromkeys((1000, 3000, 10_000, 30_000), 1.0))
    mine, theirs = evidence.growth("exact"), outlooks(here, job(here, names=("exact",)))[0]
    told = theirs.growth("ms")
    assert mine is not None and told is not None
    assert mine.at(10**8) == told.at(10**8) and [each.form for each in mine.lines] == ["n"]


def test_a_rating_of_another_machine_is_made_again(
    here: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, spec = here.gallery("stamps"), here.spec("conse-lite2")
    kept = measuring.ratings(here).save(
        measuring.rating_key(gallery, spec, "text"), {"R@10": {"mean": 0.5}}
    )
    monkeypatch.setattr(measuring, "rated", lambda *_: kept)

    def said() -> list[str]:
        return list(measuring.measure(here, Evidence(here, gallery, None), [spec], [], Need(), 60))

    assert said() == []
    monkeypatch.setattr("retrieval.measure.notes.machine", lambda: "another")
    assert said() == [f"{spec.title}: R@10 0.50"]


# --- the plot -------------------------------------------------------------------------------------


def test_the_plot_shows_what_was_measured_and_what_is_told_beyond(here: Lab) -> None:
    list(measure(here, job(here), ENOUGH))
    evidence = Evidence(here, here.gallery("stamps"), here.spec("conse-lite2"))
    near = reach.drawn(evidence, 1000, 20, 800)
    assert near.count("<polyline") == len(FEW)  # nothing is told beyond
    far = reach.drawn(evidence, 10**6, 20, 800)
    assert far.count("stroke-dasharray") == far.count('opacity=".16"') == len(FEW)
    assert "nan" not in far and "inf" not in far
    nothing = Evidence(here, here.gallery("stamps"), here.spec("conse-lite0"))
    assert reach.drawn(nothing, 1000, 20, 800) == ""
    for width in (1, 10**6):
        assert reach.drawn(evidence, 10**12, 1e5, width).startswith("<figure")
