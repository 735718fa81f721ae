"""Keys of providers: asked for, sent to nobody else, repeated nowhere."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from retrieval import readiness
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.jina import JINA
from retrieval.errors import BadQuery, NotReady
from tests.hosted.models import NAMES, ONE, loaded
from tests.hostedserver import KEY, Bad, Provider


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
    "address",
    [
        *("http://api.jina.ai", "ftp://127.0.0.1", "jina", "https://", "http://[::1"),
        *("https://jina:port", "https://a\x7fb", "https://a..b", f"https://{'a' * 70}.de"),
    ],
)
def test_the_key_is_not_sent_in_the_open(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    spec = replace(EMBEDDERS.spec(ONE), source=address)
    with pytest.raises(NotReady, match=r"PARALLAX_JINA is .*must begin with https://"):
        EMBEDDERS.load(spec)(spec)


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:9", "http://proxy:port"])
def test_a_proxy_that_is_none_is_a_sentence(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.delenv("all_proxy", raising=False)
    with pytest.raises(NotReady, match="correct HTTPS_PROXY or ALL_PROXY"):
        loaded()


def test_another_address_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EMBEDDERS.spec(ONE).source == "https://api.jina.ai"
    assert EMBEDDERS.spec("cohere-embed-v4-api").source == "https://api.cohere.com"
    monkeypatch.setenv("PARALLAX_JINA", "https://proxy.example/jina/")
    assert JINA.base() == "https://proxy.example/jina"  # part of the store's key, as the source
