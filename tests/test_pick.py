"""The fastest index that reaches a recall, without a whole sweep."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from retrieval.cli import main
from retrieval.errors import BadQuery
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.lab import Lab
from retrieval.measure.looks import FINER, Look, between
from retrieval.measure.pick import FEW, Picking, pick
from retrieval.measure.rounds import COUNT, Job, K
from retrieval.measure.sweep import Asked, alone, asked, grid, measured
from retrieval.panel import Panel
from retrieval.types import Knob

NAMES = ("exact", "faiss-hnsw", "faiss-ivf", "faiss-ivfpq")


def job(lab: Lab, names: tuple[str, ...] = NAMES) -> Job:
    specs = [INDEXES.spec(name) for name in names]
    return Job(lab.gallery("stamps"), lab.spec("conse-lite2"), specs, "picture")


def test_what_is_picked_reaches_the_target(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    picked = pick(lab, job(lab), 0.9, None)
    assert picked.best.recall >= 0.9
    assert picked.best in picked.finalists
    faster = [each for each in picked.finalists if each.p50 < picked.best.p50]
    assert all(each.recall < 0.9 for each in faster)
    queries = asked(lab, lab.gallery("stamps"), "conse-lite2", "picture", K, COUNT)
    index = lab.index(lab.gallery("stamps"), Panel("conse-lite2", picked.best.index)).index
    assert measured(index, queries, picked.best.knobs).recall == pytest.approx(picked.best.recall)


@pytest.mark.parametrize("name", ["faiss-hnsw", "faiss-ivf", "faiss-ivfpq"])
@pytest.mark.parametrize("target", [0.6, 0.95])
def test_the_staircase_misses_no_setting_that_asks_less(
    name: str, target: float, tmp_path: Path
) -> None:
    lab = Lab(cache=tmp_path)
    queries = asked(lab, lab.gallery("stamps"), "conse-lite2", "picture", K, FEW)
    picking = Picking(lab, job(lab, (name,)), queries, target, None)
    found = [look.knobs for look in picking._tried(INDEXES.spec(name))]
    index = picking.indexes[name]
    enough = [
        knobs for knobs in grid(index.spec) if measured(index, queries, knobs).recall >= target
    ]
    least = [
        knobs
        for knobs in enough
        if not any(
            other != knobs and all(other[each] <= knobs[each] for each in knobs) for other in enough
        )
    ]
    assert all(knobs in found for knobs in least)
    assert picking.looks <= len(grid(index.spec)) or picking.looks < 20


@pytest.mark.parametrize("name", ["faiss-ivf", "faiss-ivfpq"])
@pytest.mark.parametrize("target", [0.8, 0.97])
def test_no_knob_of_what_is_picked_can_fall(
    name: str, target: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.measure.pick.NEAR", math.inf)  # whatever the clock says
    lab = Lab(cache=tmp_path)
    best = pick(lab, job(lab, (name,)), target, None).best
    queries = asked(lab, lab.gallery("stamps"), "conse-lite2", "picture", K, COUNT)
    index = lab.index(lab.gallery("stamps"), Panel("conse-lite2", name)).index
    lesser = [
        {**best.knobs, each.name: best.knobs[each.name] - 1}
        for each in index.spec.knobs
        if each.when == "query" and best.knobs[each.name] > each.low
    ]
    assert any(measured(index, queries, knobs).recall < target for knobs in lesser)


def test_between_two_steps_of_the_grid() -> None:
    wide = Knob("efSearch", 1, 512, 16, "query")  # 1, 3, 8, 16, 23, 64, 181, 512
    assert between(wide, 23) == [17, 18, 19, 20, 21, 22, 23]
    assert between(wide, 3) == [2, 3]
    assert between(wide, 1) == [1]
    many = between(wide, 512)
    assert (many[0], many[-1], len(many)) == (182, 512, FINER)
    assert max(one / other for one, other in zip(many[1:], many, strict=False)) < 1.08
    assert between(Knob("n", 4, 64, 16, "query", "log2"), 32) == [32]
    assert between(Knob("n", 1, 1 << 14, 1, "query", "log2"), 64) == [16, 32, 64]


def test_an_index_that_holds_too_much_is_out(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    whole = lab.vectors(lab.gallery("stamps"), "conse-lite2").nbytes
    picked = pick(lab, job(lab, ("exact", "faiss-hnsw")), 0.9, whole + 10)
    assert picked.best.index == "exact"
    assert picked.out["faiss-hnsw"].startswith("holds ")
    with pytest.raises(BadQuery, match="no index reaches recall 0.9 within 0 MB; ask for less"):
        pick(lab, job(lab), 0.9, 1000)


def test_exact_search_is_found_where_few_queries_flattered_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(cache=tmp_path)
    monkeypatch.setattr("retrieval.measure.pick.FINALISTS", 1)
    true = Picking._look

    def look(self: Picking, index, knobs, queries) -> Look:  # type: ignore[no-untyped-def]
        seen = true(self, index, knobs, queries)
        if index.spec.name == "exact":
            return replace(seen, p50=1e3)
        return seen if len(queries.vectors) > FEW else replace(seen, recall=1.0)

    monkeypatch.setattr(Picking, "_look", look)
    names = ("exact", "faiss-ivfpq")
    assert pick(lab, job(lab, names), 1.0, None).best.index == "exact"
    with pytest.raises(BadQuery, match=r"no index reaches recall 1; .* the best has 0\.9"):
        pick(lab, job(lab, ("faiss-sq8",)), 1.0, None)


def test_the_widest_setting_is_tried_before_an_index_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(cache=tmp_path)
    true = Picking._look

    def look(self: Picking, index, knobs, queries) -> Look:  # type: ignore[no-untyped-def]
        seen = true(self, index, knobs, queries)
        return seen if len(queries.vectors) > FEW else replace(seen, recall=1.0)

    monkeypatch.setattr(Picking, "_look", look)
    picked = pick(lab, job(lab, ("faiss-ivf",)), 1.0, None)
    assert picked.best.recall == 1
    assert picked.best.knobs["nprobe"] == max(each.knobs["nprobe"] for each in picked.finalists)


@pytest.mark.parametrize("target", [0, -1, 1.1, float("nan")])
def test_a_target_that_is_no_share_is_refused(target: float, tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    with pytest.raises(BadQuery, match="above 0 and at most 1"):
        pick(lab, job(lab), target, None)


def test_an_engine_that_fails_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(cache=tmp_path)
    whole = Picking._look

    def look(self: Picking, index, knobs, queries) -> Look:  # type: ignore[no-untyped-def]
        if index.spec.name == "faiss-ivf":
            raise RuntimeError("it broke")
        return whole(self, index, knobs, queries)

    monkeypatch.setattr(Picking, "_look", look)
    picked = pick(lab, job(lab), 0.9, None)
    assert picked.out["faiss-ivf"] == "failed: it broke"


class Ticking:
    """A clock of which every look takes a second and nothing else any; times that are given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now, perf_counter=lambda: self.now)
        monkeypatch.setattr("retrieval.measure.pick.time", clock)
        monkeypatch.setattr("retrieval.measure.pick.alone", self.alone)

    def alone(self, index: Index, asked: Asked, knobs: dict[str, int]) -> Any:
        times, found = alone(index, asked, knobs)
        self.now += 1
        times[:] = 1_000_000 * (1 + sum(knobs.values()))
        return times, found


def test_when_the_time_is_up_what_was_looked_at_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, clock = Lab(cache=tmp_path), Ticking(monkeypatch)
    whole = pick(lab, job(lab), 0.9, None, seconds=1000)
    assert not whole.late and whole.queries == COUNT and clock.now == whole.looks
    first = pick(lab, job(lab), 0.9, None, seconds=1)
    assert first.late and first.looks == 1 and first.queries == FEW
    assert first.best.index == "exact"
    assert first.out == dict.fromkeys(NAMES[1:], "not looked at: the time was up")
    most = pick(lab, job(lab), 0.9, None, seconds=whole.looks - 1)
    assert most.late and most.queries == COUNT and most.best.recall >= 0.9
    assert not any("not looked at" in why for why in most.out.values())


def test_too_little_time_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, _ = Lab(cache=tmp_path), Ticking(monkeypatch)
    with pytest.raises(BadQuery, match="looked at in time reaches 1; give more seconds"):
        pick(lab, job(lab, ("faiss-ivfpq",)), 1.0, None, seconds=1)
    for none in (0, -1, math.nan):
        with pytest.raises(BadQuery, match="it must be more than 0"):
            pick(lab, job(lab), 0.9, None, seconds=none)


def test_the_command_says_that_the_time_was_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Ticking(monkeypatch)
    words = ["sweep", "--auto", "--gallery", "stamps", "--index", "exact", "--index", "faiss-hnsw"]
    words += ["--queries", "picture", "--seconds", "1", "--cache", str(tmp_path)]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["time_was_up"] and answer["asked"] == FEW
    assert main(words) == 0
    assert "then the time was up, and what was asked 40 queries decides" in capsys.readouterr().out


@pytest.mark.parametrize("flag", [["-k", "5"], ["--count=9"]])
def test_a_flag_that_auto_does_not_heed_is_refused(
    flag: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--auto", *flag, "--cache", str(tmp_path)]) == 2
    assert f"--auto does not heed {flag[0].partition('=')[0]};" in capsys.readouterr().err


def test_the_command_says_what_it_picked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Ticking(monkeypatch)  # how much is near the fastest, and looked at, is not the machine's say
    named = [part for name in NAMES for part in ("--index", name)]
    words = ["sweep", "--auto", "--gallery", "stamps", "--recall", "0.9", "--memory", "2GB", *named]
    assert main([*words, "--queries", "picture", "--cache", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert Panel.parse(answer["panel"]).index in NAMES
    assert answer["finalists"] and answer["looks"] < 60
    assert main([*words, "--queries", "picture", "--cache", str(tmp_path)]) == 0
    assert "reaches 0.9 fastest" in capsys.readouterr().out
    assert main([*words, "--queries", "picture", "--cache", str(tmp_path), "--csv"]) == 0
    first, *rows = csv.DictReader(capsys.readouterr().out.splitlines())
    assert first["gallery"] == "stamps" and float(first["recall"]) > 0 and float(first["p50"]) > 0
    assert {each["index"] for each in (first, *rows)} <= {*NAMES}
