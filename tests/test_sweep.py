"""Recall against speed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.cli import main
from retrieval.errors import BadQuery, Damaged, Unsupported
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.lab import Lab
from retrieval.lane import LANE
from retrieval.measure.recall import recall, recalls, scores
from retrieval.measure.sweep import (
    BESIDE,
    Asked,
    Point,
    asked,
    cheapest,
    fitting,
    front,
    grid,
    measured,
    steps,
    sweep,
)
from retrieval.measure.sweeps import Sweep, Sweeps, key, made, place
from retrieval.panel import Panel
from retrieval.store import Built
from retrieval.types import Knob, Metric


def queries(lab: Lab, count: int = 40) -> Asked:
    return asked(lab, lab.gallery("stamps"), "conse-lite2", "picture", 10, count)


def built(lab: Lab, name: str) -> Built:
    return lab.index(lab.gallery("stamps"), Panel("conse-lite2", name))


def point(recall: float, p50: float) -> Point:
    return Point({}, recall, p50, p50, p50, 1.0, 1.0)


@pytest.mark.parametrize("name", INDEXES.names())
def test_every_grid_holds_the_default_and_stays_in_range(name: str) -> None:
    spec = INDEXES.spec(name)
    settings = grid(spec)
    knobs = [each for each in spec.knobs if each.when == "query"]
    assert {each.name: each.default for each in knobs} in settings
    for setting in settings:
        assert all(each.low <= setting[each.name] <= each.high for each in knobs)
    assert len({tuple(sorted(each.items())) for each in settings}) == len(settings)


def test_steps_reach_from_end_to_end() -> None:
    assert steps(Knob("n", 1, 1000, 30, "query"))[0] == 1
    assert steps(Knob("n", 1, 1000, 30, "query"))[-1] == 1000
    assert steps(Knob("n", 4, 64, 16, "query", "log2")) == [4, 8, 16, 32, 64]


def test_exact_search_finds_all(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    (only,) = sweep(built(lab, "exact").index, queries(lab), [{}], 60)
    assert only.recall == 1.0
    assert 0 < only.p50 <= only.p95 <= only.p99
    assert only.alone > 0 and only.together > 0


def test_a_wider_beam_finds_more(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    index = built(lab, "faiss-hnsw").index
    narrow, wide = sweep(index, queries(lab), [{"efSearch": 1}, {"efSearch": 512}], 60)
    assert narrow.recall < wide.recall
    assert wide.recall >= 0.99


def test_recall_is_that_of_one_query_at_a_time(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    given = queries(lab, 8)
    index = built(lab, "faiss-hnsw").index
    index.tune(efSearch=1)
    rows = np.vstack([index.search(given.vectors[at : at + 1], 10)[0] for at in range(8)])
    alone = [
        recall(scores(query, given.stored, found[found >= 0], Metric.COSINE), truth)
        for query, found, truth in zip(given.vectors, rows, given.truth, strict=True)
    ]
    assert recalls(given.vectors, given.stored, rows, given.truth, Metric.COSINE).tolist() == alone
    (seen,) = sweep(index, given, [{"efSearch": 1}], 60)
    assert seen.recall == pytest.approx(np.mean(alone))


def test_others_have_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(cache=tmp_path)
    index, given = built(lab, "exact").index, queries(lab)
    held: list[bool] = []
    real = index.search

    def watched(*asked: object) -> object:
        held.append(LANE.locked())
        return real(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "search", watched)
    for _ in sweep(index, given, [{}], 60):
        assert not LANE.locked()
    assert held and all(held)


def test_no_time_is_no_points(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    assert list(sweep(built(lab, "exact").index, queries(lab, 2), [{}], 0)) == []


def test_nothing_to_ask_with_says_so(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    stamps = lab.gallery("stamps")
    with pytest.raises(BadQuery, match="0 queries are asked for; give 1 at least"):
        asked(lab, stamps, "conse-lite2", "picture", 10, 0)
    with pytest.raises(Unsupported, match="reads pictures only"):
        asked(lab, stamps, "efficientnet-lite0", "text", 10, 5)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 9)), min_size=1, max_size=30))
def test_nobody_beats_the_front(given: list[tuple[float, float]]) -> None:
    points = [point(*each) for each in given]
    best = front(points)
    for each in points:
        assert any(other.recall >= each.recall and other.p50 <= each.p50 for other in best)
    for one in best:
        assert not any(other.recall >= one.recall and other.p50 < one.p50 for other in points)


def test_the_cheapest_reaches_the_target() -> None:
    points = [point(0.9, 1), point(0.96, 3), point(0.99, 2)]
    assert cheapest(points, 0.95) is points[2]
    assert cheapest(points, 0.9) is points[0]
    assert cheapest(points, 1.0) is None


def kept(lab: Lab, tmp_path: Path) -> tuple[Sweeps, Sweep]:
    index, given = built(lab, "exact"), queries(lab, 4)
    wanted = key(lab.gallery("stamps"), lab.spec("conse-lite2"), index.index, given)
    store = Sweeps(tmp_path / "shipped", tmp_path / "cache")
    return store, made(wanted, list(sweep(index.index, given, [{}], 60)), index)


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    store, done = kept(Lab(cache=tmp_path), tmp_path)
    assert store.find(done.key) is None
    store.save(done)
    assert store.find(done.key) == done
    assert store.find({**done.key, "k": 11}) is None
    store.save(replace(done, at="later"))
    found = store.find(done.key)
    assert found is not None and found.at == "later"


def test_another_machine_is_told(tmp_path: Path) -> None:
    store, done = kept(Lab(cache=tmp_path), tmp_path)
    assert done.here
    store.save(replace(done, machine="Abacus, 1 core"))
    found = store.find(done.key)
    assert found is not None and not found.here


def test_a_damaged_sweep_is_none_and_one_that_ships_is_an_error(tmp_path: Path) -> None:
    store, done = kept(Lab(cache=tmp_path), tmp_path)
    store.save(done)
    file = place(store.cache, done.key) / "points.json"
    file.write_text(file.read_text().replace("1.0", "0.5", 1))
    assert store.find(done.key) is None
    with pytest.raises(Damaged):
        Sweeps(store.cache, tmp_path / "other").find(done.key)


def asked_for(*argv: str) -> Sequence[str]:
    few = ("--count", "20", "--index", "exact", "--index", "faiss-hnsw")
    return ["sweep", "--gallery", "stamps", *few, *argv]


def test_the_command(warm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*asked_for("--json"), "--cache", str(warm)]) == 0
    given = json.loads(capsys.readouterr().out)
    assert [each["index"] for each in given["sweeps"]] == ["exact", "faiss-hnsw"]
    for each in given["sweeps"]:
        assert each["queries"] == "text" and each["count"] == 20
        assert each["points"] and each["front"]
    assert len(list((warm / "sweeps").rglob("points.json"))) == 2


def test_the_command_prints_csv(warm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*asked_for("--csv"), "--cache", str(warm)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("gallery,embedder,index,queries,k,knobs,recall")
    assert len(lines) == 1 + 1 + len(grid(INDEXES.spec("faiss-hnsw")))


def test_the_command_where_none_reaches_the_target(
    warm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked_for("--recall", "1.01"), "--cache", str(warm)]) == 0
    assert capsys.readouterr().out.count("none reaches it") == 2


def test_the_command_without_time(warm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*asked_for("--seconds", "0"), "--cache", str(warm)]) == 2
    assert "nothing was measured" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [("--recall", "nan"), ("--recall", "inf"), ("--seconds", "nan")])
def test_what_is_no_number_is_refused(
    wrong: tuple[str, str], warm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else there would be NaN in the JSON, or no end."""
    assert main([*asked_for(*wrong, "--json"), "--cache", str(warm)]) == 2
    assert f"{wrong[0]} is {wrong[1]}; it must be" in capsys.readouterr().err


def test_the_published_grid_holds_graphs_of_twice_the_links() -> None:
    lab = Lab()
    names = [each.name for each in fitting(lab.spec("conse-lite2"))]
    assert names == [*dict.fromkeys(names)] and {"faiss-hnsw", *BESIDE} <= {*names}
    assert not {*BESIDE} & {each.name for each in fitting(lab.spec("phash"))}


def few(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have no other indexes than these."""
    specs = [INDEXES.spec(name) for name in names]
    monkeypatch.setattr(INDEXES, "specs", lambda: specs)
    monkeypatch.setattr("retrieval.measure.sweep.BESIDE", ())


def test_what_nobody_named_and_is_not_here_is_left_out(
    warm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PARALLAX_MILVUS", raising=False)
    few(monkeypatch, "milvus-server", "exact")
    asked = ["sweep", "--gallery", "stamps", "--count", "5", "--cache", str(warm), "--json"]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert [each["index"] for each in json.loads(out)["sweeps"]] == ["exact"]
    assert "milvus-server is left out: " in err
    assert main([*asked, "--index", "milvus-server"]) == 2


def test_an_engine_that_fails_costs_its_own_points_alone(
    warm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few(monkeypatch, "faiss-hnsw", "exact")
    calls = 0

    def broken(index: Index, given: Asked, knobs: dict[str, int]) -> Point:
        nonlocal calls
        if index.spec.name == "faiss-hnsw":
            calls += 1
            if calls == 2:
                raise RuntimeError("it broke")
        return measured(index, given, knobs)

    monkeypatch.setattr("retrieval.measure.sweep.measured", broken)
    words = ["sweep", "--gallery", "stamps", "--count", "5", "--cache", str(warm), "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    told = {each["index"]: len(each["points"]) for each in json.loads(out)["sweeps"]}
    assert told == {"faiss-hnsw": 1, "exact": 1}
    assert "faiss-hnsw is left out: it broke" in err
    calls = 1
    assert main([*words, "--index", "faiss-hnsw"]) == 2
    assert "parallax: faiss-hnsw failed: it broke" in capsys.readouterr().err


def test_a_time_that_is_no_number_is_refused(
    warm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked_for("--seconds", "nan"), "--cache", str(warm)]) == 2
    assert "--seconds is nan; it must be 0 or more" in capsys.readouterr().err
