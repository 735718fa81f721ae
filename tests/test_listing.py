"""What there is, and what its licence allows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from retrieval.cli import main
from retrieval.commands.listing import size, sold
from retrieval.embedders import EMBEDDERS
from retrieval.registry import families
from retrieval.types import Licence
from tests.fakes import COLOUR


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        (None, "not for commercial use: its licence is not known"),
        (Licence("MIT", "yes", "https://x"), "downloads 88 MB"),
        (Licence("CC-BY-NC-4.0", "no", "https://x"), "not for commercial use: CC-BY-NC-4.0"),
        (
            Licence("DINOv3", "conditions", "https://x"),
            "downloads 88 MB; commercial use under conditions: https://x",
        ),
    ],
)
def test_what_stands_against_commercial_use(licence: Licence | None, said: str) -> None:
    found = sold(replace(COLOUR, licence=licence), "downloads 88 MB")
    assert found.startswith(said) and ("88 MB" in found) == ("88 MB" in said)


def test_nothing_says_ready_but_conditions_say_more() -> None:
    free = Licence("MIT", "yes", "https://x")
    assert sold(replace(COLOUR, licence=free), "") == "ready"
    terms = replace(COLOUR, licence=replace(free, commercial="conditions"))
    assert sold(terms, "").startswith("ready; commercial use under conditions")


def test_every_model_that_is_downloaded_says_how_large_it_is() -> None:
    models = [spec for spec in EMBEDDERS.specs() if spec.param("repo")]
    assert models and not [spec.name for spec in models if "unknown" in size(spec)]
    named = {spec.name: size(spec) for spec in models}
    assert named["openclip-vit-b-32"] == "605 MB"  # said by its publisher
    assert named["mobileclip2-s4"] == "at most about 1.8 GB"  # counted


def test_a_family_is_listed_once() -> None:
    grouped = families(EMBEDDERS.specs())
    assert [spec.name for spec in grouped["Museum"]] == ["colours", "sift-words", "vgg16-fc7"]
    assert "siglip2-naflex-b" in [spec.name for spec in grouped["SigLIP 2"]]
    assert sum(map(len, grouped.values())) == len(EMBEDDERS.specs())


def test_the_switch_changes_states_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["list", "embedders", "--json"]) == 0
    plain = {each["name"]: each for each in json.loads(capsys.readouterr().out)["embedders"]}
    assert main(["list", "embedders", "--commercial", "--json"]) == 0
    strict = {each["name"]: each for each in json.loads(capsys.readouterr().out)["embedders"]}
    assert plain.keys() == strict.keys()
    assert plain["conse-lite2"] == strict["conse-lite2"]
    assert "licence is not known" in strict["openclip-local"]["state"]
