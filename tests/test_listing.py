"""What there is, and what its licence allows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from retrieval.cli import main
from retrieval.commands.listing import barred
from retrieval.types import Licence
from tests.fakes import COLOUR


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        (None, "not for commercial use: its licence is not known"),
        (Licence("MIT", "yes", "https://x"), ""),
        (Licence("CC-BY-NC-4.0", "no", "https://x"), "not for commercial use: CC-BY-NC-4.0"),
        (
            Licence("DINOv3", "conditions", "https://x"),
            "commercial use under conditions: https://x",
        ),
    ],
)
def test_what_stands_against_commercial_use(licence: Licence | None, said: str) -> None:
    found = barred(replace(COLOUR, licence=licence))
    assert found.startswith(said) and bool(found) == bool(said)


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
