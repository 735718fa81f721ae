"""What the pickers offer."""

from __future__ import annotations

import re
from typing import cast

import pytest

from retrieval.embedders import EMBEDDERS
from retrieval.errors import UnknownName
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.types import State
from retrieval.ui.menu import Menu
from tests.fake_lab import FakeLab, menu


def test_pickers_list_what_is_not_ready_with_its_reason() -> None:
    html = menu(FakeLab()).embedder_options("conse-lite2")
    assert '<optgroup label="ConSE"><option value="conse-lite2" selected>' in html
    assert 'value="openclip-vit-b-32" disabled title="OpenCLIP ViT-B/32 is not here' in html
    assert (
        "unreachable (605 MB): OpenCLIP ViT-B/32 is not here and the hub does not answer<" in html
    )


@pytest.mark.parametrize("public", [False, True])
def test_what_needs_a_download_alone_can_be_picked_but_by_strangers(
    public: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody could ever have the page download a model."""
    lab = FakeLab(public=public)
    state = State("download", "downloads 605 MB when it is first used")
    monkeypatch.setattr(lab, "states", lambda: {"openclip-vit-b-32": state})
    html = menu(lab).embedder_options("conse-lite2")
    [option] = re.findall('<option value="openclip-vit-b-32".*?</option>', html)
    assert (" disabled" in option) == public
    assert 'title="downloads 605 MB when it is first used"' in option
    if not public:
        assert "512 d · downloads 605 MB when it is first used<" in option


def test_a_family_is_one_group_of_a_picker() -> None:
    lab = FakeLab()
    families = re.findall(
        '<optgroup label="(.*?)"',
        Menu(cast("Lab", lab), EMBEDDERS.specs(), INDEXES.specs()).embedder_options("conse-lite2"),
    )
    assert "Museum" in families and len(families) == len(set(families))


def test_an_index_that_does_not_fit_is_changed_and_said() -> None:
    panel, note = menu(FakeLab()).fit(Panel("phash", "faiss-hnsw", (("efSearch", 8),)))
    assert panel == Panel("phash", "faiss-binary-hnsw")
    assert "this panel uses FAISS binary HNSW" in note
    assert menu(FakeLab()).fit(Panel("phash", "exact")) == (Panel("phash", "exact"), "")
    with pytest.raises(UnknownName, match="perhaps: conse-lite2"):
        menu(FakeLab()).fit(Panel("conse-lite", "exact"))


def test_indexes_are_picked_by_how_they_search() -> None:
    made = Menu(cast("Lab", FakeLab()), EMBEDDERS.specs(), INDEXES.specs())
    html = made.index_options(made.embedder("conse-lite2"), "exact")
    groups = {
        name: re.findall('<option value="(.*?)"', options)
        for name, options in re.findall('<optgroup label="(.*?)">(.*?)</optgroup>', html)
    }
    assert list(groups)[:4] == ["Exact", "Graphs", "Lists", "Codes"]
    assert list(groups)[-1] == "Museum"
    assert groups["Exact"] == ["exact", "faiss-flat"]
    assert {"faiss-hnsw", "faiss-nsg", "hnswlib", "usearch-i8"} <= set(groups["Graphs"])
    assert {"faiss-ivf", "faiss-ivf-rabitq", "scann"} <= set(groups["Lists"])
    assert {"faiss-rabitq", "faiss-lsh", "faiss-sq8"} <= set(groups["Codes"])
    assert "pgvector-hnsw" in groups["PostgreSQL"]
    fitting = made.fitting(made.embedder("conse-lite2"))
    assert sorted(sum(groups.values(), [])) == sorted(spec.name for spec in fitting)


class Aged(dict[str, str]):
    """Options that another thread throws away whenever they are looked at."""

    menu: Menu

    def __contains__(self, name: object) -> bool:
        self.menu._plain = {}
        return super().__contains__(name)

    def get(self, name: str, other: str | None = None) -> str | None:  # type: ignore[override]
        self.menu._plain = {}
        return super().get(name, other)


def test_an_option_is_drawn_while_another_thread_looks_at_the_readiness() -> None:
    made = menu(FakeLab())
    before = made.embedder_options("conse-lite2")
    aged = Aged(made._plain)
    aged.menu, made._plain = made, aged
    assert "captions" in aged.keys()
    spec = made.embedder("captions")
    assert made._listed(spec, "conse-lite2", True) in before
