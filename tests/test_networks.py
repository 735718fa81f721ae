"""Converted networks: their answers, their keys, their files."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from retrieval.errors import NotReady
from retrieval.runtime import convert, paths
from retrieval.runtime.convert import converted
from retrieval.runtime.network import CHUNK, Network, open_network
from retrieval.runtime.recipe import Recipe
from retrieval.telling import telling
from tests.held import LONGEST


class Twice(torch.nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.full((3,), factor))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows * self.weight + 1


class Counted:
    """Makes the module and counts how often."""

    def __init__(self, factor: float = 2.0) -> None:
        self.calls = 0
        self.factor = factor

    def __call__(self) -> torch.nn.Module:
        self.calls += 1
        return Twice(self.factor).eval()


def recipe(made: Counted, **changes: Any) -> Recipe:
    facts = {"name": "twice", "revision": "1", "preprocessing": "none", **changes}
    return Recipe(inputs=(("float32", (-1, 3)),), module=made, **facts)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(paths.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def rows(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.arange(count * 3, dtype=np.float32).reshape(count, 3)


@pytest.mark.parametrize("count", [1, 2, CHUNK, 3 * CHUNK + 5])
def test_a_network_gives_each_row_its_own_answer(count: int) -> None:
    network = Network(recipe(Counted()))
    np.testing.assert_allclose(network(rows(count))[0], rows(count) * 2 + 1)
    np.testing.assert_allclose(network.reference(rows(count))[0], rows(count) * 2 + 1)


def test_an_answer_stays_when_the_next_is_asked() -> None:
    network = Network(recipe(Counted()))
    first = network(rows(1))[0]
    network(rows(1) + 100)
    np.testing.assert_allclose(first, rows(1) * 2 + 1)


def test_thirty_threads_at_once_get_their_own_answers() -> None:
    network = Network(recipe(Counted()))
    gate = threading.Barrier(30)

    def ask(number: int) -> bool:
        gate.wait()
        mine = np.full((1 + number % 3 * CHUNK, 3), number, dtype=np.float32)
        return bool((network(mine)[0] == 2 * number + 1).all())

    with ThreadPoolExecutor(30) as pool:
        assert all(pool.map(ask, range(30)))


def test_it_is_converted_once() -> None:
    made = Counted()
    first = converted(recipe(made))
    assert converted(recipe(made)) == first
    assert made.calls == 1


@pytest.mark.parametrize("change", ["revision", "preprocessing", "name"])
def test_what_decides_a_network_decides_its_key(change: str) -> None:
    assert recipe(Counted()).key() != recipe(Counted(), **{change: "other"}).key()


def test_another_converter_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe(Counted()).key()
    monkeypatch.setattr(Recipe, "made_by", lambda self: {"openvino": "0", "torch": "0"})
    assert recipe(Counted()).key() != before


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
@pytest.mark.parametrize("kind", [".xml", ".bin", ".json"])
def test_a_damaged_network_is_made_again(folder: Path, harm: Any, kind: str) -> None:
    made = Counted()
    graph, _ = converted(recipe(made))
    [victim] = graph.parent.glob(f"*{kind}")
    if kind == ".json" and harm is flip:
        victim.write_text('{"sha256": []}')
    else:
        harm(victim)
    np.testing.assert_allclose(Network(recipe(made))(rows(2))[0], rows(2) * 2 + 1)
    assert made.calls == 2


def test_what_a_killed_conversion_left_is_swept(folder: Path) -> None:
    made = Counted()
    left = folder / "networks" / recipe(made).key() / "part-killed"
    left.mkdir(parents=True)
    (left / "network.bin").write_bytes(b"half")
    converted(recipe(made))
    assert not left.exists()


def test_a_cache_that_cannot_be_written_names_the_variable(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    with pytest.raises(NotReady, match="cannot be written.*set PARALLAX_CACHE"):
        converted(recipe(Counted()))


def test_a_full_disk_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "sync", full)
    with pytest.raises(NotReady, match="No space left on device.*set PARALLAX_CACHE"):
        converted(recipe(Counted()))


def test_a_read_only_cache_that_is_warm_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Counted()
    converted(recipe(made))

    def locked(*_: object, **__: object) -> None:
        raise AssertionError("a warm cache needs no lock and no writing")

    monkeypatch.setattr(convert, "_convert_locked", locked)
    converted(recipe(made))


def test_threads_that_convert_the_same_convert_it_once() -> None:
    made = Counted()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: converted(recipe(made)), range(4)))
    assert len(set(found)) == 1
    assert made.calls == 1


def test_ctrl_c_waits_for_no_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends then; the next one sweeps what is half made."""
    go, done = threading.Event(), threading.Event()

    def converting(_: Recipe) -> tuple[Path, Path]:
        go.wait(LONGEST)
        done.set()
        return Path(), Path()

    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("retrieval.runtime.network.converted", converting)
    monkeypatch.setattr("retrieval.runtime.engine.core", stopped)
    with pytest.raises(KeyboardInterrupt):
        Network(recipe(Counted()))
    assert not done.is_set()
    go.set()
    assert done.wait(LONGEST)


def test_a_manifest_tells_what_made_it() -> None:
    graph, _ = converted(recipe(Counted()))
    told = json.loads((graph.parent / "manifest.json").read_text())
    assert told["made_by"].keys() == {"openvino", "torch"}
    assert told["revision"] == "1"


def test_equal_networks_are_loaded_once_and_let_go() -> None:
    one, two = open_network(recipe(Counted())), open_network(recipe(Counted()))
    assert one is two
    assert open_network(recipe(Counted()), "bfloat16") is not one
    kept = weakref.ref(one)
    del one, two
    gc.collect()
    assert kept() is None


def test_who_waits_is_told_that_it_is_converted_and_only_once() -> None:
    told: list[str] = []
    with telling(lambda said, done, total, unit="": told.append(said)):
        open_network(recipe(Counted()))
        open_network(recipe(Counted()))
    assert told == ["converting the network for this machine, once"]
