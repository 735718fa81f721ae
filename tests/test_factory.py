"""Strings of FAISS's: which are read, what they would take, and who may type them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.errors import BadKnob, BadQuery, BadVectors, LabError, Refused, UnknownName
from retrieval.indexes import INDEXES, typed
from retrieval.indexes.factory import LONGEST, PARTS, Code, Recipe, Step
from retrieval.indexes.factory_cost import MEMORY, SECONDS, check, cost
from retrieval.indexes.faiss_base import library
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.store import place
from retrieval.types import Metric
from retrieval.ui.menu import Menu
from tests.contract import run
from tests.vectors import built, drawn

READ = (
    *("Flat", "SQ4", "SQfp16", "PQ32", "PQ32x4,RFlat", "PQ16x4fs", "LSH", "LSHrt,RFlat", "RaBitQ4"),
    *("RaBitQfs,RFlat", "HNSW32", "HNSW32,SQ8", "HNSW32_SQ8", "HNSW16,PQ32,RFlat", "NSG32,Flat"),
    *("HR,HNSW16,RaBitQ,RFlat", "IVF256,Flat", "IVF256_HNSW,SQbf16", "IVF64,PQ16x10,Refine(SQ8)"),
    *("IVF16_HNSW8,PQ32x4fs,RFlat", "IVF8,RaBitQ4", "OPQ32_64,IVF64,PQ32", "OPQ8,PQ8", "RR32,SQ6"),
    *("PCA64,L2norm,IVF16,Flat", "PCAR32,Flat,RFlat", "L2norm,PCA32,HNSW16", "HR,IVF16,RaBitQfs2"),
)


@pytest.mark.parametrize("text", READ)
def test_what_is_read_faiss_reads_too(text: str) -> None:
    recipe, faiss = Recipe.parse(text), library()
    metric = faiss.METRIC_L2 if recipe.euclidean else faiss.METRIC_INNER_PRODUCT
    engine = faiss.index_factory(64, recipe.body, metric)
    assert engine.d == 64
    assert text in (recipe.body, f"{recipe.body},RFlat", f"{recipe.body},Refine({recipe.refine})")
    assert recipe.widths(64)[-1] == (engine.index.d if recipe.steps else 64)


def test_a_string_is_read_into_its_parts() -> None:
    assert Recipe.parse("OPQ32_64,IVF256_HNSW,PQ32x4fs,Refine(SQfp16)") == Recipe(
        body="OPQ32_64,IVF256_HNSW,PQ32x4fs",
        steps=(Step("OPQ", 64, 32),),
        code=Code("PQ", 4, 32, fast=True),
        lists=256,
        coarse=32,
        refine="SQfp16",
    )


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("", BadQuery, "is written faiss:IVF256,PQ32x4fs,RFlat, in at most 100 characters"),
        ("IVF256,Flat" + " " * LONGEST, BadQuery, "at most 100 characters"),
        ("HNSW32,SQ9", UnknownName, "no part of a FAISS index is called 'SQ9'; perhaps: SQ8"),
        ("HNWS32", UnknownName, "perhaps: HNSW32"),
        ("hnsw32", UnknownName, "no part"),
        ("IVF256", BadQuery, "must end in one way to hold the vectors"),
        ("Flat,Flat", BadQuery, "must end in one way"),
        ("RFlat", BadQuery, "no index after its transforms"),
        ("SQ8,RFlat,RFlat", BadQuery, "and at most one refinement, such as RFlat"),
        ("IVF16,RFlat,SQ8", BadQuery, "and at most one refinement, such as RFlat"),
        ("SQ8,RFlat,SQ9", UnknownName, "'SQ9'; perhaps: SQ8"),
        ("PCA32", BadQuery, "no index after its transforms"),
        ("PCA,Flat", UnknownName, "'PCA'"),
        ("L2norm5,Flat", UnknownName, "'L2norm5'"),
        ("PCA32_16,Flat", UnknownName, "'PCA32_16'"),
        ("IVF0,Flat", BadKnob, "IVF0 says 0 lists; it must be from 1 to 65,536"),
        ("IVF999999999,Flat", BadKnob, "999,999,999 lists"),
        ("IVF9999999999,Flat", UnknownName, "no part"),
        ("HNSW1000", BadKnob, "HNSW1000 says 1,000 links; it must be from 4 to 64"),
        ("IVF16_HNSW2,Flat", BadKnob, "2 links"),
        ("NSG8", BadKnob, "8 links of NSG; it must be from 24 to 64"),
        ("PQ8x24", BadKnob, "24 bits; it must be from 4 to 12"),
        ("PQ8x8fs", UnknownName, "'PQ8x8fs'; perhaps: PQ32x4fs"),
        ("PQ0", BadKnob, "0 parts"),
        ("PCA99999,Flat", BadKnob, "99,999 dimensions"),
        ("HNSW16,PQ8x4fs", BadQuery, "HNSW goes over Flat"),
        ("HNSW16,LSH", BadQuery, "HNSW goes over Flat"),
        ("IVF16,LSH", BadQuery, "IVF goes over Flat"),
        ("NSG32,SQ8", BadQuery, "NSG stands alone"),
        ("Flat,RFlat", BadQuery, "again would change nothing; leave it out"),
        ("IVF8,Flat,RFlat", BadQuery, "leave it out"),
        ("SQ8,Refine(SQ4)", BadQuery, "no more than they were; take RFlat"),
        ("SQ8,Refine(PQ8)", UnknownName, "no part"),
        ("IMI2x8,Flat", UnknownName, "no part"),
        ("RQ4x8", UnknownName, "no part"),
        ("IVF16(Flat),Flat", UnknownName, "no part"),
        ("../../etc/passwd", UnknownName, "no part"),
        ("Flat\0", UnknownName, "no part"),
        ("SQ8\n", UnknownName, "no part"),
        ("PQ٣", UnknownName, "no part"),
        ("<b>Flat", UnknownName, "no part"),
        ("Flat,", UnknownName, "no part"),
        (",Flat", UnknownName, "no part"),
    ],
)
def test_what_is_not_read_says_why(text: str, kind: type[LabError], sentence: str) -> None:
    with pytest.raises(kind, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        INDEXES.spec(f"faiss:{text}")


def test_every_part_of_a_message_is_read() -> None:
    for part in PARTS:
        if part.startswith(("RFlat", "Refine")):
            Recipe.parse(f"SQ4,{part}")
        elif part in ("L2norm", "HR") or part.startswith(("OPQ", "PCA", "RR")):
            Recipe.parse(f"{part},SQ8")
        else:
            Recipe.parse(f"{part},SQ8" if part.startswith("IVF") else part)


def test_knobs_follow_from_the_parts() -> None:
    def knobs(text: str) -> dict[str, tuple[int, int, int]]:
        spec = INDEXES.spec(f"faiss:{text}")
        assert all(each.when == "query" for each in spec.knobs)
        return {each.name: (each.low, each.default, each.high) for each in spec.knobs}

    assert knobs("SQ8") == {}
    assert knobs("IVF1,SQ8") == {}
    assert knobs("IVF256,PQ32x4fs,RFlat") == {"nprobe": (1, 8, 256), "k_factor": (1, 32, 256)}
    assert knobs("IVF65536,SQ8") == {"nprobe": (1, 8, 4096)}
    assert knobs("HNSW32,SQ8") == {"efSearch": (1, 16, 512)}
    assert knobs("HNSW32,PQ32,RFlat") == {"efSearch": (1, 64, 512)}
    assert knobs("NSG32") == {"search_L": (1, 32, 512)}


def test_a_typed_name_is_a_spec_that_imports_nothing() -> None:
    script = (
        "import sys; from retrieval.indexes import INDEXES;"
        "spec = INDEXES.spec('faiss:HNSW32,SQ8');"
        "print(spec.title, spec.filters, sep='|'); assert 'faiss' not in sys.modules"
    )
    assert run([script]).strip() == "FAISS HNSW32,SQ8|rows"
    assert "faiss:HNSW32,SQ8" not in INDEXES.names()
    assert INDEXES.spec("faiss-hnsw").name == "faiss-hnsw"


@pytest.mark.parametrize("text", ["IVF256,PQ32x4fs,RFlat", "IVF64,RaBitQ,Refine(SQ8)"])
def test_a_panels_address_holds_it_percent_encoded(text: str) -> None:
    panel = Panel("conse-lite2", f"faiss:{text}", (("nprobe", 4),))
    assert Panel.parse(str(panel)) == panel
    assert not set(str(panel)) & set(",:()")
    assert Panel.parse(f"conse-lite2@faiss:{text}?nprobe=4") == panel


@pytest.mark.parametrize("text", READ)
def test_the_estimate_of_memory_is_near(text: str) -> None:
    recipe = Recipe.parse(text)
    if recipe.fewest > 1000 or recipe.rotated:  # slow to train
        return
    vectors = drawn(Metric.COSINE, 3000)
    index, found = built(f"faiss:{text}", Metric.COSINE, vectors), cost(recipe, *vectors.shape)
    assert 0.75 * index.nbytes() < found.memory < 1.4 * index.nbytes() + 100_000


def test_what_would_take_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe.parse("IVF16,SQ8,RFlat")
    check(recipe, 5000, 384)
    monkeypatch.setenv(MEMORY, "1MB")
    with pytest.raises(
        BadKnob, match=r"5,000 x 384 would take about \d+ MB, the cap is 1 MB; .*set"
    ):
        check(recipe, 5000, 384)
    monkeypatch.setenv(MEMORY, "100GB")
    check(recipe, 5000, 384)
    monkeypatch.setenv(SECONDS, "2")
    with pytest.raises(BadKnob, match=r"about \d+ s to build, the cap is 2 s; take fewer"):
        check(Recipe.parse("IVF1024,Flat"), 1_000_000, 384)
    for variable, bad in ((MEMORY, "much"), (SECONDS, "1e3")):
        monkeypatch.setenv(variable, bad)
        with pytest.raises(BadKnob, match=bad):
            check(recipe, 5000, 384)
        monkeypatch.delenv(variable)


def test_the_caps_stop_a_build_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = drawn(Metric.COSINE, 2000)
    monkeypatch.setenv(SECONDS, "0")
    monkeypatch.setattr(library(), "index_factory", None)  # it is not called
    for name in ("faiss:IVF16,SQ8", "faiss:NSG32"):
        with pytest.raises(BadKnob, match="the cap is 0 s"):
            built(name, Metric.COSINE, vectors)


def test_too_few_rows_say_how_many_are_needed() -> None:
    vectors = drawn(Metric.COSINE, 255)
    for text, fewest in {"PQ8": 256, "IVF300,Flat": 300, "OPQ8,PQ8x4": 256, "PQ8x10": 1024}.items():
        with pytest.raises(BadVectors, match=f"needs {fewest:,} vectors to train, got 255; take"):
            built(f"faiss:{text}", Metric.COSINE, vectors)
        assert INDEXES.spec(f"faiss:{text}").note == f"needs {fewest:,} vectors or more"


def test_a_lab_builds_keeps_and_filters_it(lab: Lab) -> None:
    panel = Panel("colour", "faiss:IVF4,SQ8,RFlat", (("nprobe", 4),))
    gallery = lab.gallery("colours")
    built = lab.index(gallery, panel)
    rows, _ = built.index.search(lab.vectors(gallery, "colour")[:3], 1)
    assert rows.tolist() == [[0], [1], [2]]
    again = Lab(data=lab.data, cache=lab.cache)
    again.catalog = lab.catalog
    assert not again.index(gallery, panel).fresh  # it was read


def test_a_name_is_one_part_of_a_path(tmp_path: Path) -> None:
    key = {"kind": "index", "gallery": "g", "embedder": "e", "index": "faiss:IVF4,SQ8"}
    assert place(tmp_path, key).parent == tmp_path / "g" / "e"
    assert place(tmp_path, key).name.startswith("faiss%3AIVF4%2CSQ8-")
    assert place(tmp_path, {**key, "index": "faiss-hnsw"}).name.startswith("faiss-hnsw-")


def test_a_public_lab_builds_none(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "public", True)
    panel = Panel("colour", "faiss:SQ8")
    for ask in (
        lambda: lab.index(lab.gallery("colours"), panel),
        lambda: Menu(lab, [], INDEXES.specs()).index("faiss:SQ8"),
        lambda: lab.index_spec("faiss:" + "x" * 10_000),
    ):
        with pytest.raises(Refused, match="somebody types and a public lab builds none"):
            ask()


def test_a_picker_shows_what_was_typed(lab: Lab) -> None:
    menu = Menu(lab, [lab.spec("colour")], INDEXES.specs())
    options = menu.index_options(lab.spec("colour"), "faiss:IVF4,SQ8")
    assert '<option value="faiss:IVF4,SQ8" selected' in options and "FAISS IVF4,SQ8" in options
    assert menu.fit(Panel("colour", "faiss:IVF4,SQ8")) == (Panel("colour", "faiss:IVF4,SQ8"), "")
    assert "faiss:" not in menu.index_options(lab.spec("colour"), "exact")


def test_the_command_measures_its_knobs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("retrieval.cli.lab", lambda options: lab)
    asked = ["knobs", "--gallery", "colours", "--embedder", "colour", "--queries", "3", "--index"]
    assert main([*asked, "faiss:IVF4,SQ8"]) == 0
    assert "nprobe" in capsys.readouterr().out
    assert main([*asked, "faiss:IVF300,SQ8"]) == 0
    assert "needs 300 vectors to train, got 40" in capsys.readouterr().out
    assert main([*asked, "faiss:IVF4,SQ9"]) == 2
    assert "perhaps: SQ8" in capsys.readouterr().err


def test_typed_names_have_their_form() -> None:
    assert typed.is_typed("faiss:SQ8") and not typed.is_typed("faiss-hnsw")
    assert np.all([not typed.is_typed(name) for name in INDEXES.names()])
