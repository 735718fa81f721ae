"""What a knob changes is measured, and said where it changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.commands.knobs import plain, show
from retrieval.errors import Unreachable
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index, padded
from retrieval.indexes.exact import Exact
from retrieval.lab import Lab
from retrieval.measure import knobs
from retrieval.measure.knobs import TIMED, Effect, Setting, differs, effects
from retrieval.types import Knob, Metric, Rows, Scores, Vectors
from tests.vectors import built, drawn

IDLE = Knob(name="idle", low=1, high=64, default=4, when="query")


class Idle(Exact):
    """Exact search with a knob that nobody reads; it counts its searches."""

    searches = 0

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        Idle.searches += 1
        return super()._search(queries, k)


class Harder(Idle):
    """Exact search that reads its knob: it searches as often as it says."""

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        for _ in range(self.knobs["idle"]):
            answer = super()._search(queries, k)
        return answer


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which a search takes a millisecond, however busy the machine is."""
    clock = SimpleNamespace(perf_counter_ns=lambda: 1_000_000 * Idle.searches)
    monkeypatch.setattr(knobs, "time", clock)


def measured(kind: type[Exact]) -> Effect:
    vectors = drawn(Metric.COSINE, 2000)
    spec = replace(INDEXES.spec("exact"), name="idle", knobs=(IDLE,))
    index = kind(spec, Metric.COSINE)
    index.build(vectors)
    truth = index.search(vectors[:20], 10)[1]
    (effect,) = effects(index, vectors, vectors[:20], truth)
    return effect


@pytest.mark.usefixtures("counted")
def test_a_knob_that_nobody_reads_changes_nothing() -> None:
    effect = measured(Idle)
    assert effect.changes == ()
    assert [each.median_ms for each in effect.settings] == [1, 1, 1]
    assert [each.value for each in effect.settings] == [1, 4, 64]
    assert [each.recall for each in effect.settings] == [1, 1, 1]


@pytest.mark.usefixtures("counted")
def test_a_knob_that_costs_time_alone_changes_work() -> None:
    effect = measured(Harder)
    assert effect.changes == ("work",)
    assert [each.median_ms for each in effect.settings] == [1, 4, 64]


def test_a_knob_of_recall_is_measured_at_each_setting() -> None:
    vectors, queries = drawn(Metric.COSINE, 5000), drawn(Metric.COSINE, 40, seed=3)
    truth = built("exact", Metric.COSINE, vectors).search(queries, 10)[1]
    index = built("faiss-ivf", Metric.COSINE, vectors, nprobe=2)
    (effect,) = effects(index, vectors, queries, truth)
    low, default, high = effect.settings
    assert (low.value, default.value, high.value) == (1, 6, 256)
    assert low.recall < default.recall <= high.recall == 1
    assert "recall" in effect.changes
    assert index.knobs["nprobe"] == 6  # its default again
    assert all(len(each.ms) == 40 and (each.ms > 0).all() for each in effect.settings)


class Counted(Idle):
    """Notes how many queries it is asked at once."""

    asked: list[int]

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        self.asked.append(len(queries))
        return super()._search(queries, k)


def test_all_queries_count_in_recall_and_some_are_timed() -> None:
    vectors = drawn(Metric.COSINE, 1000)
    index = Counted(replace(INDEXES.spec("exact"), knobs=(IDLE,)), Metric.COSINE)
    index.build(vectors)
    truth, index.asked = built("exact", Metric.COSINE, vectors).search(vectors, 10)[1], []
    (effect,) = effects(index, vectors, vectors, truth)
    alone = index.asked.count(1)
    assert sorted(set(index.asked)) == [1, 1000] and index.asked.count(1000) == 3
    assert alone <= 3 * 3 * TIMED  # a database takes milliseconds for each
    assert all(alone == 3 * 3 * len(each.ms) > 3 * 3 * 50 for each in effect.settings)


def test_an_index_without_knobs_is_measured_once() -> None:
    vectors = drawn(Metric.HAMMING, 200)
    index = built("exact", Metric.HAMMING, vectors)
    (effect,) = effects(index, vectors, vectors[:5], index.search(vectors[:5], 10)[1])
    assert effect.knob is None and effect.changes == ()
    assert [(each.value, each.recall) for each in effect.settings] == [(None, 1.0)]


def test_times_differ_where_most_queries_agree() -> None:
    one = np.linspace(1, 2, 100)
    assert not differs(one, one * 1.05)
    assert differs(one, one * 1.2) and differs(one * 1.2, one)
    mixed = one * np.where(np.arange(100) % 2, 1.5, 1 / 1.5)
    assert not differs(one, mixed)


def test_recalls_differ_from_half_a_percent_on() -> None:
    ms = np.ones(3)
    for high, wanted in ((0.904, ()), (0.906, ("recall",))):
        assert Effect(IDLE, (Setting(1, 0.9, ms), Setting(64, high, ms))).changes == wanted


@pytest.fixture
def colours(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr("retrieval.cli.lab", lambda options: lab)
    return lab


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["knobs", "--gallery", "colours", "--embedder", "colour", *arguments]) == 0
    return capsys.readouterr().out


def test_the_command_measures_every_index_that_fits(
    colours: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(asked(capsys, "--json"))
    fitting = [spec.name for spec in INDEXES.specs() if Metric.COSINE in spec.metrics]
    assert list(dict.fromkeys(row["index"] for row in told["knobs"])) == fitting
    for row in told["knobs"]:
        spec = INDEXES.spec(row["index"])
        if not row["problem"]:
            tuned = [knob.name for knob in spec.knobs if knob.when == "query"]
            assert row["knob"] in tuned if tuned else row["knob"] is None
    broken = [row for row in told["knobs"] if row["problem"]]
    assert any("m is 64" in row["problem"] for row in broken)  # colours have three numbers


@pytest.mark.usefixtures("counted")
def test_the_table_says_no_effect() -> None:
    rows = [plain(INDEXES.spec("exact"), "colour", 20, measured(kind)) for kind in (Idle, Harder)]
    told = show({"gallery": "colours", "k": 10, "knobs": rows})
    _, head, idle, harder, said = told.splitlines()
    assert said.startswith("  idle of colour@exact does nothing here: neither recall nor work")
    assert head.split() == ["index", "embedder", "knob", "low", "default", "high", "changes"]
    assert idle.endswith("no effect") and harder.endswith("  work")
    for line in (idle, harder):
        assert "  1: 1.000 " in line and "  4: 1.000 " in line and "  64: 1.000 " in line


def test_the_table_leaves_cells_of_no_knob_empty(
    colours: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asked(capsys, "--index", "exact", "--index", "faiss-hnsw", "--queries", "3")
    _, _, exact, hnsw = told.splitlines()
    assert exact.split()[:2] == ["exact", "colour"] and exact.endswith("ms")
    assert "efSearch" in hnsw and "512: 1.000" in hnsw


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--queries", "0"], "--queries is 0; it must be 1 or more"),
        (["--index", "exat"], "perhaps: exact"),
        (["--embedder", "phas"], "perhaps: phash"),
    ],
)
def test_a_slip_is_one_sentence(
    colours: Lab, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["knobs", "--gallery", "colours", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_an_engine_that_is_missing_says_how_to_get_it(
    colours: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = replace(INDEXES.spec("usearch-f32"), needs=("no_such_engine",))
    monkeypatch.setitem(INDEXES._specs, "usearch-f32", absent)
    told = asked(capsys, "--index", "usearch-f32")
    assert "usearch-f32 needs no_such_engine: pip install usearch" in told


def test_a_server_that_is_down_is_a_line_of_its_own(
    colours: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARALLAX_QDRANT", "http://127.0.0.1:1")
    told = asked(capsys, "--index", "qdrant-server", "--index", "exact")
    assert "at 127.0.0.1:1 does not answer" in told and "exact" in told


def test_a_server_that_goes_in_the_middle_costs_its_own_line_alone(
    colours: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = []

    def gone(index: Index, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        searches.append(len(queries))
        if len(searches) == 2:
            raise Unreachable("it does not answer; ask again")
        return padded(len(queries), k)

    monkeypatch.setattr(INDEXES.load(INDEXES.spec("faiss-hnsw")), "_search", gone)
    told = asked(capsys, "--index", "faiss-hnsw", "--index", "faiss-flat")
    assert "it does not answer" in told and "faiss-flat" in told and len(searches) == 2
