from __future__ import annotations

import threading
from typing import Any

import gradio as gr
import pytest

from retrieval.query import Query
from retrieval.ui.arrivals import NAME
from retrieval.ui.launch import warm
from tests.fake_lab import FakeLab, answers
from tests.held import LONGEST, until

ONE = {"address": "?gallery=stamps&q=a+bird&panel=conse-lite2@exact"}


def readers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == NAME]


def panels(drawn: list[Any]) -> list[Any]:
    """What was drawn of the first two panels; the rest is skipped."""
    return [each if isinstance(each, str) else None for each in drawn[1:3]]


def test_the_first_example_is_asked_where_nothing_is() -> None:
    lab = FakeLab()
    *_, last = answers(lab).stream({"address": "", "asked": 7})
    assert lab.asked[0][2] == Query(text="a bird")
    assert len(last) == 6
    assert 'data-asked="7"' in last[0]
    assert last[3:5] == ["", ""]


def test_warming_is_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.ui.answers.LOOK", LONGEST)  # one look, when all is there
    lab = FakeLab()
    made = answers(lab)
    warm(made)
    assert len(lab.asked) == 1
    assert len(list(made.stream({"address": ""}))) == 1


@pytest.mark.parametrize(
    "asked",
    [
        {"address": 5},
        {"address": "?k=1000000000"},
        {"address": "?gallery=nowhere"},
        {"address": "?row=999"},
        {"address": "", "file": 5},
        {"address": "", "file": {"path": "/etc/passwd"}},
        {"address": "", "file": {"path": ["a"]}},
        {"address": "", "file": {"path": "a\0b"}},
    ],
)
def test_whatever_fails_is_one_sentence(asked: object) -> None:
    with pytest.raises(gr.Error) as caught:
        list(answers(FakeLab()).stream(asked))
    assert "something broke" not in str(caught.value).lower()


def test_a_failure_within_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab()
    monkeypatch.setattr(lab, "compare", lambda *given: 1 / 0)
    with pytest.raises(gr.Error, match="Something broke in here"):
        list(answers(lab).stream({"address": ""}))


def test_a_finished_panel_is_drawn_while_the_other_is_waited_for() -> None:
    lab = FakeLab()
    lab.held.clear()
    stream = answers(lab).stream({"address": ""})
    first, second = panels(next(drawn for drawn in stream if any(panels(drawn))))
    assert 'data-rank="10"' in first
    assert second is None
    lab.held.set()
    *_, last = stream
    assert all('data-rank="10"' in panel for panel in panels(last))


def test_a_skeleton_says_what_is_being_made_and_how_far_it_is() -> None:
    lab = FakeLab()
    lab.held.clear()
    stream = answers(lab).stream({"address": ""})
    said = (panel for drawn in stream for panel in [panels(drawn)[1]] if panel)
    with lab.work.doing("captions", "loading Captions") as tell:
        assert "<span>Loading Captions</span><progress aria" in next(said)
        tell("embedding <b> with captions", 1024, 5000)
        half = next(said)
        assert "Embedding &lt;b&gt; with captions, 1,024 of 5,000</span>" in half
        assert '<progress value="0.205"' in half
        assert half.count("<li>") == 10
        tell("embedding <b> with captions", 2048, 5000)
        assert "2,048 of 5,000" in next(said)
    lab.held.set()
    assert 'data-rank="10"' in next(said)


def test_what_has_not_changed_is_not_drawn_again() -> None:
    lab = FakeLab()
    lab.held.clear()
    stream = answers(lab).stream({"address": ""})
    with lab.work.doing("captions", "loading Captions"):
        looks = [panels(next(stream)) for _ in range(4)]
    assert [sum(look[at] is not None for look in looks) for at in (0, 1)] == [1, 1]
    lab.held.set()
    list(stream)


def test_a_query_that_is_left_leaves_nothing_behind() -> None:
    lab = FakeLab()
    made = answers(lab)
    lab.held.clear()
    left = [made.stream({"address": ""}) for _ in range(3)]
    for stream in left:
        next(drawn for drawn in stream if any(panels(drawn)))
        stream.close()
    *_, other = made.stream(ONE)  # somebody else is answered meanwhile
    assert 'data-rank="10"' in other[1]
    until(lambda: lab.open == 3)
    lab.held.set()
    for thread in readers():
        thread.join(LONGEST)
    assert readers() == []
    assert lab.open == 0


def test_a_failure_of_the_lab_in_mid_stream_is_one_sentence() -> None:
    lab = FakeLab()
    lab.broken = ValueError("secret")
    with pytest.raises(gr.Error, match="Something broke in here"):
        list(answers(lab).stream({"address": ""}))
    for thread in readers():
        thread.join(LONGEST)
    assert readers() == []


def test_nothing_is_only_here_beside_a_panel_without_an_answer() -> None:
    pair = "&panel=efficientnet-lite0@exact&panel=conse-lite2@exact"
    *_, last = answers(FakeLab()).stream({"address": f"?q=a+bird{pair}"})
    assert "reads pictures only" in last[1]
    assert 'data-rank="10"' in last[2] and "only here" not in last[2]
    *_, last = answers(FakeLab()).stream({"address": f"?row=1{pair}"})
    assert "only here" in last[2]


def test_percentiles_are_of_one_number_of_results() -> None:
    made = answers(FakeLab())
    for _ in range(20):
        *_, last = made.stream({"address": ONE["address"] + "&k=10"})
    assert "over 20 calls" in last[1]
    *_, last = made.stream({"address": ONE["address"] + "&k=5"})
    assert "1 so far" in last[1]
