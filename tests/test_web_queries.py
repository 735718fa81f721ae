"""Hostile queries to the real lab, over HTTP: texts and crops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from retrieval.lab import Lab
from tests.served import QUIET, Served, sentence, served

pytestmark = [pytest.mark.server, QUIET]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        with served(Lab(cache=tmp_path_factory.mktemp("cache"))) as made:
            yield made


ODD = {
    "Arabic": "طائر فوق شجرة",
    "Hebrew with marks": "\u202eצִפּוֹר\u202c a bird \u2066x\u2069",
    "emoji": "👩‍👩‍👧‍👦 🐦‍⬛ 🏳️‍🌈",
    "combining": "b" + "\u0301" * 500,
    "NUL": "a bird\0 on a \0tree",
    "control": "\x01\x1b[31m\x7f a bird\r\n\t",
    "HTML": "<img src=x onerror=alert(1)><script>alert(2)</script>",
    "template": "{{7*7}} ${7*7} %s %n {0} \\u0000",
    "quotes": "'; DROP TABLE stamps; --\"`",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "longest": "bird " * 400,
}
EMPTY = ["", " ", "\0\0", "\n\t", " \u3000\u2003"]


@pytest.mark.parametrize("name", list(ODD))
def test_odd_texts_are_answered(web: Served, name: str) -> None:
    panels = ["conse-lite2@exact", "captions@faiss-hnsw"]
    answer = web.call(ODD[name], None, panels, "stamps", 5)
    assert answer.said == []
    assert [len(each["hits"]) for each in answer.panels] == [5, 5]
    shown = web.page_of(f"?{urlencode({'q': ODD[name], 'k': 5})}")
    assert shown.said == []
    assert shown.data[1].count('src="thumb/stamps/') == 5
    assert "<img src=x" not in str(shown.data)
    assert "<script" not in str(shown.data)
    web.alive()


@pytest.mark.parametrize("text", EMPTY)
def test_empty_texts_are_refused(web: Served, text: str) -> None:
    answer = web.call(text, None, None, "stamps", 5)
    assert answer.kind == "error"
    sentence(answer.said[0])
    page = web.page_of(f"?{urlencode({'q': text})}")
    if text:
        assert "the text is empty" in sentence(page.said[0])
    else:  # an address without a query shows the first example
        assert "thumb/stamps/" in page.data[1]


@pytest.mark.parametrize("place", range(5))
def test_half_characters_break_nothing(web: Served, place: int) -> None:
    """As only raw JSON can send them: in text, image, panels, gallery; and in an address."""
    data = ["a bird", None, ["conse-lite2@exact"], "stamps", 3]
    broken: dict[int, Any] = {0: "a \ud800 bird", 1: "\udfff", 2: ["\ud800@exact"], 3: "\ud83d"}
    if place in broken:
        data[place] = broken[place]
        answer = web.call(*data)
    else:
        answer = web.page_of("?q=a+\ud800+bird")
    assert answer.kind == "error" or answer.said or len(answer.rows) == 3
    for said in answer.said:
        sentence(said)
    web.alive()


def test_markup_in_names_is_shown_as_text(web: Served) -> None:
    mark = "<img src=x onerror=alert(1)>"
    answer = web.page_of(f"?gallery={quote(mark)}")
    assert answer.kind == "error"
    assert mark in answer.said[0]  # ``said`` has unescaped it once
    for panel in (quote(mark, safe="") + "@exact", mark, f"conse-lite2@exact?{mark}=1"):
        shown = web.page_of(f"?q=a+bird&panel={quote(panel)}").data[1]
        assert "<img" not in shown and "&lt;img" in shown
    raw = web.join([{"address": f"?gallery={quote(mark)}"}], session="marked")
    assert raw.status_code == 200
    told = next(each for each in web.messages("marked") if each["msg"] == "process_completed")
    assert "<img" not in told["output"]["error"]


@pytest.mark.parametrize(
    "crop",
    ["0,0,0,0", "0.5,0,0.5,1", "0,0.5,1,0.5", "0.9,0,0.1,1", "0,0.9,1,0.1", "-0.1,0,1,1",
     "0,0,1.1,1", "nan,0,1,1", "0,0,inf,1", "-inf,0,1,1", "1e400,0,1,1", "a,b,c,d", "0,0,1",
     "0,0,1,1,1", ",,,", "0x0,0,1,1"],
)  # fmt: skip
def test_bad_crops_are_refused(web: Served, crop: str) -> None:
    answer = web.page_of(f"?row=10&panel=phash%40exact&crop={quote(crop)}")
    assert answer.kind == "error"
    assert "crop" in sentence(answer.said[0])


@pytest.mark.parametrize("crop", ["0,0,1,1", "0,0,1e-9,1e-9", "0.999,0.999,1,1", "0,0,1,1e-300"])
def test_the_smallest_crops_are_answered(web: Served, crop: str) -> None:
    panels = "&panel=phash%40exact&panel=efficientnet-lite0%40exact"
    answer = web.page_of(f"?row=10&k=3{panels}&crop={crop}")
    assert answer.said == []
    assert answer.data[2].count('src="thumb/stamps/') == 3
