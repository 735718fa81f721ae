"""Hosted embedders against a server on loopback that answers as Jina and Cohere publish."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrieval import cli, readiness
from retrieval.commands import build
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.jina import JINA
from retrieval.errors import BadQuery, BadVectors, LabError, NotReady, Refused, Unreachable
from retrieval.hosted import base, client
from retrieval.hosted.cost import estimate
from retrieval.hosted.pictures import jpeg, parts
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Spec
from retrieval.ui.panel import View, _stages
from tests.fakes import Colours
from tests.hostedserver import KEY, Bad, Provider, provider

NAMES = [spec.name for spec in EMBEDDERS.specs() if spec.family == "Hosted"]
ONE = "jina-clip-v2-api"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Every hosted embedder asks the loopback server, with a key, and does not wait long."""
    monkeypatch.setenv("JINA_API_KEY", KEY)
    monkeypatch.setenv("COHERE_API_KEY", f" {KEY}\n")
    monkeypatch.setattr(client, "PAUSE", 0.02)
    with provider() as made:
        for name in NAMES:
            there = replace(EMBEDDERS.spec(name), source=made.url)
            monkeypatch.setitem(EMBEDDERS._specs, name, there)
        yield made


def loaded(name: str = ONE) -> Any:
    spec = EMBEDDERS.spec(name)
    return EMBEDDERS.load(spec)(spec)


def red(size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGB", size, (250, 10, 10))


def blue() -> Image.Image:
    return Image.new("RGB", (64, 48), (10, 10, 250))


# --- what is sent and what comes back ------------------------------------------------------------


def test_there_are_the_models_of_both() -> None:
    assert len(NAMES) == 4
    for name in NAMES:
        spec = EMBEDDERS.spec(name)
        assert spec.key in ("JINA_API_KEY", "COHERE_API_KEY")
        assert spec.licence is not None and spec.licence.commercial == "conditions"
        assert "network round trip" in spec.note


@pytest.mark.parametrize("name", NAMES)
def test_pictures_and_texts_share_a_space(server: Provider, name: str) -> None:
    embedder = loaded(name)
    pictures = embedder.images([red(), blue()])
    texts = embedder.texts(["blue", "red"])
    assert pictures.shape == (2, embedder.spec.dim)
    np.testing.assert_allclose(np.linalg.norm(pictures, axis=1), 1, atol=1e-5)
    assert (texts @ pictures.T).argmax(axis=1).tolist() == [1, 0]
    assert embedder.images([]).shape == embedder.texts([]).shape == (0, embedder.spec.dim)
    assert len(server.bodies) == 2  # nothing is sent for nothing


@pytest.mark.parametrize("name", NAMES)
def test_requests_hold_no_more_than_they_may(server: Provider, name: str) -> None:
    embedder = loaded(name)
    assert len(embedder.images([red((8, 8))] * 130)) == 130
    assert len(embedder.texts(["red"] * 300)) == 300
    sizes = [
        len(each.get("input") or each.get("images") or each["texts"]) for each in server.bodies
    ]
    assert sum(sizes) == 430 and max(sizes) <= 256


def test_parts_are_bounded_by_bytes_too() -> None:
    items = ["a" * 40, "b" * 40, "c" * 200, "d", "e"]
    assert [len(part) for part in parts(items, 2, 100)] == [2, 1, 2]
    assert [len(part) for part in parts(items, 2, 10_000)] == [2, 2, 1]
    assert list(parts([], 2, 10)) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3000, 2), (5000, 3000)])
def test_odd_sizes_are_sent_as_every_provider_takes_them(
    server: Provider, name: str, size: tuple[int, int]
) -> None:
    assert len(loaded(name).images([Image.new("RGB", size, "teal")])) == 1


def test_a_large_picture_is_sent_small() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), dtype=np.uint8)
    assert len(jpeg(Image.fromarray(noise))) < 400_000


@pytest.mark.parametrize(
    "text", ["word " * 200_000, "a\0b", "\ud800", "👩‍👩‍👧", "\u202eطائر", "<b>&amp;</b>"]
)
def test_no_text_hurts(server: Provider, text: str) -> None:
    assert np.isfinite(loaded().texts([text])).all()


@pytest.mark.parametrize("text", ["", "  \n", "\0"])
def test_an_empty_text_is_not_paid_for(server: Provider, text: str) -> None:
    with pytest.raises(BadQuery, match="empty text has no embedding"):
        loaded().texts([text])
    assert server.times == []


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [Bad(429), Bad(500), Bad(503), Bad(0)])
def test_what_may_pass_is_tried_again(server: Provider, bad: Bad) -> None:
    server.bad = [bad, bad]
    assert len(loaded().texts(["red"])) == 1
    assert len(server.times) == 3


def test_back_off_doubles(server: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda wait: waits.append(wait) if wait else None)
    server.bad = [Bad(500)] * 6
    with pytest.raises(Unreachable, match=r"Jina does not answer \(status 500\), tried 6 times"):
        loaded().texts(["red"])
    assert len(waits) == 5
    for turn, wait in enumerate(waits):
        assert 0.5 <= wait / (0.02 * 2**turn) <= 1
    assert len({wait / 2**turn for turn, wait in enumerate(waits)}) == 5  # jitter


@pytest.mark.parametrize("dated", [False, True])
def test_retry_after_is_waited_for(server: Provider, dated: bool) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    server.bad = [Bad(429, {"Retry-After": at if dated else "1"})]
    assert len(loaded().texts(["red"])) == 1
    assert server.times[1] - server.times[0] >= 0.9


def test_nobody_waits_as_long_as_a_provider_pleases(server: Provider) -> None:
    server.bad = [Bad(429, {"Retry-After": "3600"})]
    with pytest.raises(Unreachable, match=r"status 429 and asks to wait 3,600 s.*ask again later"):
        loaded().texts(["red"])
    assert len(server.times) == 1


@pytest.mark.parametrize(
    ("status", "error", "why"),
    [
        (401, NotReady, "Jina does not accept the key in JINA_API_KEY"),
        (402, NotReady, "look at its balance and rights at https://jina.ai"),
        (403, NotReady, "look at its balance and rights at https://jina.ai"),
        (404, NotReady, "does not offer this model"),
        (400, BadQuery, r"Jina refuses the request \(400: no\)"),
        (302, BadQuery, r"Jina refuses the request \(302"),
    ],
)
def test_what_will_not_pass_is_said_at_once(
    server: Provider, status: int, error: type[LabError], why: str
) -> None:
    server.bad = [Bad(status, {"Location": "http://127.0.0.1:9/"})]
    with pytest.raises(error, match=why):
        loaded().texts(["red"])
    assert len(server.times) == 1


@pytest.mark.parametrize("drip", [False, True])
def test_a_slow_provider_is_given_up(
    server: Provider, drip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "QUERY", 0.6)
    monkeypatch.setattr(client, "TIMEOUT", 0.25)
    server.bad = [Bad(drip=0.05) if drip else Bad(wait=1.0)] * 9
    start = time.monotonic()
    with pytest.raises(Unreachable, match="in time"):
        loaded().texts(["red"])
    assert time.monotonic() - start < 2


def test_a_provider_that_is_not_there_is_named(
    server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
        spec = replace(EMBEDDERS.spec(ONE), source=gone)
        with pytest.raises(Unreachable, match=r"Jina does not answer \(ConnectError\)"):
            EMBEDDERS.load(spec)(spec).texts(["red"])


def rows(*given: list[float]) -> dict[str, Any]:
    return {"data": [{"index": at, "embedding": row} for at, row in enumerate(given)]}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "no JSON"),
        ({}, "not of the form that it publishes"),
        ({"data": [{"index": 3, "embedding": [1.0] * 1024}]}, "not of the form"),
        ({"data": "red"}, "not of the form"),
        ([1], "not of the form"),
        (rows([1.0] * 5), r"shape \(1, 5\); declared is float32 of shape \(1, 1024\)"),
        (rows([1.0] * 1024, [1.0] * 1024), r"shape \(2, 1024\)"),
        (rows([]), "shape"),
        (rows([0.0] * 1024), "row 0 is no embedding"),
        (rows([float("nan")] * 1024), "row 0 is no embedding"),
    ],
)
def test_an_answer_that_is_none_is_refused(server: Provider, body: Any, why: str) -> None:
    server.bad = [Bad(200, body=body)]
    with pytest.raises(BadVectors, match=why):
        loaded().texts(["red"])


def test_an_answer_without_end_is_refused(
    server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MOST_BYTES", 1000)
    with pytest.raises(BadVectors, match="more than"):
        loaded().texts(["red"])


# --- the key -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_without_a_key_it_says_so(name: str) -> None:
    spec = EMBEDDERS.spec(name)
    assert readiness.state(spec).kind == "key"
    assert f"needs a key: set {spec.key}" in readiness.state(spec).reason
    with pytest.raises(NotReady, match=f"needs a key: set {spec.key}"):
        EMBEDDERS.load(spec)(spec)


@pytest.mark.parametrize("key", ["a\nb", "ключ", "two words", "\x7f"])
def test_a_key_that_is_none_is_not_repeated(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", f"secret{key}secret")
    with pytest.raises(NotReady, match="JINA_API_KEY holds no key") as caught:
        loaded()
    assert "secret" not in str(caught.value)


def test_the_key_is_in_no_message_and_no_log(
    server: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert len(loaded().texts(["red"])) == 1
    told = {"detail": f"you sent {KEY}"}
    server.bad = [Bad(400, body=told)]
    with pytest.raises(BadQuery, match=r"you sent \[key\]"):
        loaded().texts(["red"])
    monkeypatch.setenv("JINA_API_KEY", f"{KEY}wrong")
    with pytest.raises(NotReady) as caught:
        loaded().texts(["red"])
    assert KEY not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
    assert KEY not in caplog.text
    assert KEY not in repr(vars(loaded()))


@pytest.mark.parametrize(
    "address", ["http://api.jina.ai", "ftp://127.0.0.1", "jina", "https://", "http://[::1"]
)
def test_the_key_is_not_sent_in_the_open(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    spec = replace(EMBEDDERS.spec(ONE), source=address)
    with pytest.raises(NotReady, match=r"PARALLAX_JINA is .*must begin with https://"):
        EMBEDDERS.load(spec)(spec)


def test_another_address_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EMBEDDERS.spec(ONE).source == "https://api.jina.ai"
    assert EMBEDDERS.spec("cohere-embed-v4-api").source == "https://api.cohere.com"
    monkeypatch.setenv("PARALLAX_JINA", "https://proxy.example/jina/")
    assert JINA.base() == "https://proxy.example/jina"  # part of the store's key, as the source


# --- money ---------------------------------------------------------------------------------------


@pytest.fixture
def mine(lab: Lab, server: Provider) -> Lab:
    """A lab over 40 colours that may ask the server."""
    return lab


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
    server.bad = [Bad(wait=0.5)]
    results = {
        each.embedder: each for each in mine.compare("colours", panels, Query(text="red"), 3)
    }
    assert results[ONE].timings.embed >= 500 and results["colour"].waited_ms < 250


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


# --- the command line ----------------------------------------------------------------------------


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
