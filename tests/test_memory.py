"""The bound on what stays loaded."""

from pathlib import Path

import pytest

from retrieval.embedders.base import Embedder
from retrieval.errors import BadKnob
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.runtime import machine
from retrieval.runtime.amounts import amount
from retrieval.where import Where


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("8GB", 8 * 10**9), ("0.5 gb", 5 * 10**8), ("300mb", 3 * 10**8), ("", None), (None, None)],
)
def test_an_amount_is_read(text: str | None, wanted: int | None) -> None:
    assert amount(text) == wanted


@pytest.mark.parametrize(
    "text", ["8", "8TB", "-1GB", "GB", "nanGB", "1e9GB", "٣GB", 9 * "9" + "GB"]
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(BadKnob, match="write it as 8GB or 500MB"):
        amount(text)


def loaded(lab: Lab, names: tuple[str, ...]) -> list[Embedder]:
    return [lab.embedder(name) for name in names]


def test_the_least_recently_used_model_leaves(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path, memory=1)
    first, _ = loaded(lab, ("efficientnet-lite0", "phash"))
    assert lab.embedder("phash") is lab.embedder("phash"), "the newest stays in any case"
    assert lab.embedder("efficientnet-lite0") is not first


def test_half_of_the_machine_is_room_for_all_that_ships(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    names = ("efficientnet-lite0", "conse-lite0", "phash")
    first = loaded(lab, names)
    assert [a is b for a, b in zip(first, loaded(lab, names), strict=True)] == [True] * 3
    assert 0 < sum(each.nbytes() for each in first) < machine.memory() // 2
    assert first[0].nbytes() > 10**7, "EfficientNet-Lite0 has 4.7 million weights of four bytes"


def test_rows_of_a_filter_count_like_the_index_that_holds_them(lab: Lab) -> None:
    gallery = lab.gallery("colours")
    panels = [Panel("colour", name) for name in ("exact", "faiss-flat", "faiss-sq8")]
    first, second, third = panels
    sizes = [lab.index(gallery, panel).index.nbytes() for panel in panels]
    tight = Lab(data=lab.data, cache=lab.cache, memory=2 * sum(sizes))  # all three, just so
    tight.catalog.open = lambda name: gallery  # type: ignore[method-assign]
    one = tight.index(gallery, first).index
    tight.index(gallery, second)
    where = tight.allowed(gallery, Where.parse("label=warm"))
    assert one.beside() == 0
    rows, _ = one.search(tight.vectors(gallery, "colour")[:1], 3, where)
    assert one.beside() == 16 * 3 * 4 and rows[0][0] == 0
    tight.index(gallery, third)
    assert tight.index(gallery, first).index is not one  # which it would be without its rows
    one.close()
    assert one.beside() == 0
