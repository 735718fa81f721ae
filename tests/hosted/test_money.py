"""What hosted embedders cost: said, agreed to, and never spent without a yes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from retrieval import cli
from retrieval.commands import build
from retrieval.embedders import EMBEDDERS
from retrieval.errors import Refused
from retrieval.hosted import client
from retrieval.hosted.cost import estimate
from retrieval.lab import Lab
from retrieval.lane import LANE
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Spec
from retrieval.ui.panel import View, _stages
from tests.fakes import Colours
from tests.held import LONGEST, until
from tests.hosted.models import NAMES, ONE, blue, red
from tests.hostedserver import Bad, Provider


def test_what_it_costs_is_said_with_its_source() -> None:
    said = {name: estimate(EMBEDDERS.spec(name), "stamps", 1000) for name in NAMES}
    assert said[ONE].dollars == pytest.approx(1000 * 4000 * 0.05 / 1e6)
    assert "at most 4,000 tokens each, 4,000,000 in all" in said[ONE].sentence()
    assert "$0.20 at $0.05 a million" in said[ONE].sentence()
    unknown = said["jina-embeddings-v5-omni-small-api"]
    assert unknown.dollars is None and "price unknown, see https://" in unknown.sentence()
    assert all("https://" in each.sentence() for each in said.values())


def test_nothing_is_sent_that_nobody_agreed_to(mine: Lab, server: Provider) -> None:
    gallery = mine.gallery("colours")
    with pytest.raises(Refused, match=r"40 pictures of colours .* build --gallery colours --emb"):
        mine.vectors(gallery, ONE)
    with pytest.raises(Refused, match="40 texts and is paid by use"):
        mine.texts(ONE, gallery.captions(range(40)))
    [result] = mine.compare("colours", [Panel(ONE, "exact")], Query(text="red"), 3)
    assert "would be sent 40 pictures" in result.problem
    assert server.times == []


def test_what_was_agreed_to_is_searched(mine: Lab, server: Provider) -> None:
    mine.paid = True
    assert mine.vectors(mine.gallery("colours"), ONE).shape == (40, 1024)
    assert server.pictures == 40 and server.under_way <= client.AT_ONCE
    again = Lab(data=mine.data, cache=mine.cache)
    again.catalog.open = mine.catalog.open  # type: ignore[method-assign]
    [result] = again.compare("colours", [Panel(ONE, "exact")], Query(text="blue"), 3)
    assert [hit.caption for hit in result.hits] == ["blue"] * 3
    assert result.remote and server.pictures == 40
    assert "embed (network)" in _stages(View(Panel(ONE, "exact"), result).result or result)
    [local] = again.compare("colours", [Panel("colour", "exact")], Query(text="blue"), 3)
    assert not local.remote


def test_a_slow_provider_holds_up_nobody_else(mine: Lab, server: Provider) -> None:
    mine.paid = True
    panels = [Panel(ONE, "exact"), Panel("colour", "exact")]
    list(mine.compare("colours", panels, Query(text="red"), 3))
    server.bad, before = [Bad(wait=LONGEST)], len(server.times)
    results = mine.compare("colours", panels, Query(text="red"), 3)
    assert next(results).embedder == "colour"  # while the provider thinks
    until(lambda: len(server.times) > before)
    assert not LANE.locked()
    thought = time.monotonic() - server.times[-1]
    server.go.set()
    hosted = next(results)
    assert hosted.problem == "" and hosted.timings.embed >= 1000 * thought


def test_precision_is_none_of_a_providers_business(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path, precision="bfloat16")
    assert lab.spec(ONE) == EMBEDDERS.spec(ONE)


def test_a_public_lab_spends_nothing(
    mine: Lab, server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.paid = True
    mine.vectors(mine.gallery("colours"), ONE)  # the host has them
    sent = len(server.times)
    public = Lab(data=mine.data, cache=mine.cache, public=True, paid=True)
    monkeypatch.setattr(public.catalog, "open", lambda name: Colours(40))
    shipped = Lab().catalog.entry("stamps")
    monkeypatch.setattr(public.catalog, "entry", lambda name: shipped)
    assert not public.paid
    for query in (Query(text="red"), Query(row=1)):
        [result] = public.compare("colours", [Panel(ONE, "exact")], query, 3)
        assert "is paid by use, and a public lab spends no key" in result.problem
    with pytest.raises(Refused, match="public lab embeds none"):
        public.vectors(public.gallery("colours"), NAMES[-1])
    with pytest.raises(Refused):
        public.texts(ONE, ["red"])
    assert public.states()[ONE].kind == "key"
    assert len(server.times) == sent


def test_one_trained_on_it_is_paid_too(
    mine: Lab, server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retrieval.embedders import trained

    monkeypatch.setenv("PARALLAX_CACHE", str(mine.cache))
    eye = np.eye(1024, 8, dtype=np.float32)
    spec: Spec = trained.save(EMBEDDERS.spec(ONE), "t", "captions", "colours", eye)
    monkeypatch.setitem(EMBEDDERS._specs, spec.name, spec)
    assert spec.key == "JINA_API_KEY"
    with pytest.raises(Refused, match="is paid by use"):
        mine.vectors(mine.gallery("colours"), spec.name)


def answered(monkeypatch: pytest.MonkeyPatch, word: str | None) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return word is not None

        def readline(self) -> str:
            return f"{word}\n"

    monkeypatch.setattr(sys, "stdin", Terminal())


@pytest.mark.parametrize("word", [None, "", "n", "what"])
def test_build_sends_nothing_without_a_yes(
    mine: Lab,
    server: Provider,
    word: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answered(monkeypatch, word)
    with (
        pytest.raises(Refused, match="nothing was sent"),
        build.agreed(mine, mine.gallery("colours"), [ONE]),
    ):
        pass
    assert "40 pictures of colours, at most 4,000 tokens each" in capsys.readouterr().err
    assert server.times == [] and not mine.paid


def test_a_yes_holds_for_one_gallery(
    mine: Lab, server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, "y")
    with build.agreed(mine, mine.gallery("colours"), [ONE]):
        assert mine.paid
        mine.vectors(mine.gallery("colours"), ONE)
    assert not mine.paid and server.pictures == 40
    answered(monkeypatch, None)
    with build.agreed(mine, mine.gallery("colours"), [ONE]):  # they are there: nothing to ask
        assert not mine.paid


def test_build_without_names_pays_for_nothing(mine: Lab) -> None:
    assert mine.states()[ONE].kind == "ready"
    assert not set(build.ready(mine)) & set(NAMES)


def test_the_command_by_itself(
    server: Provider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, picture in (("red", red()), ("blue", blue())):
        picture.save(mine / f"{name}.png")
    asked = ["build", "--gallery", "folder", "--embedder", ONE, "--index", "exact"]
    asked += ["--folder", str(mine), "--cache", str(tmp_path / "cache")]
    answered(monkeypatch, None)
    assert cli.main(asked) == 2
    assert "nothing was sent" in capsys.readouterr().err and server.times == []
    assert cli.main([*asked, "--yes"]) == 0
    assert server.pictures == 2
    find = ["search", "--gallery", "folder", "--text", "blue", "--panel", f"{ONE}@exact"]
    capsys.readouterr()
    code = cli.main([*find, *asked[-4:]])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "(embed is a network round trip)" in said.out
    assert os.environ.get("PARALLAX_CACHE") != str(tmp_path / "cache")
