"""What providers do wrong: tried again, given up or refused, and said."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from retrieval.embedders import EMBEDDERS
from retrieval.errors import BadQuery, BadVectors, LabError, NotReady, Unreachable
from retrieval.hosted import base, client
from tests.held import LONGEST
from tests.hosted.models import ONE, loaded
from tests.hostedserver import Bad, Provider


@pytest.mark.parametrize("bad", [Bad(429), Bad(500), Bad(503), Bad(0)])
def test_what_may_pass_is_tried_again(server: Provider, bad: Bad) -> None:
    server.bad = [bad, bad]
    assert len(loaded().texts(["red"])) == 1
    assert len(server.times) == 3


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the client would have slept; its date is noon, and it waits for nothing."""
    waits: list[float] = []
    clock = SimpleNamespace(sleep=waits.append, monotonic=time.monotonic)
    monkeypatch.setattr(client, "time", clock)
    monkeypatch.setattr(client, "datetime", SimpleNamespace(now=lambda zone: NOON))
    return waits


def test_back_off_doubles(server: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = waited(monkeypatch)
    server.bad = [Bad(500)] * 6
    with pytest.raises(Unreachable, match=r"Jina does not answer \(status 500\), tried 6 times"):
        loaded().texts(["red"])
    assert len(waits) == 5
    for turn, wait in enumerate(waits):
        assert 0.5 <= wait / (0.02 * 2**turn) <= 1
    assert len({wait / 2**turn for turn, wait in enumerate(waits)}) == 5  # jitter


@pytest.mark.parametrize(
    ("said", "wait"),
    [("1", 1.0), (format_datetime(NOON + timedelta(seconds=2), usegmt=True), 2.0)],
)
def test_retry_after_is_waited_for(
    server: Provider, said: str, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waited(monkeypatch)
    server.bad = [Bad(429, {"Retry-After": said})]
    assert len(loaded().texts(["red"])) == 1
    assert waits == [wait] and len(server.times) == 2


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
    server.bad = [Bad(drip=0.05) if drip else Bad(wait=LONGEST)] * 9
    start = time.monotonic()
    with pytest.raises(Unreachable, match="in time"):
        loaded().texts(["red"])
    assert time.monotonic() - start < 20  # each answer would take minutes


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
