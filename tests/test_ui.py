from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest
from PIL import Image
from starlette.requests import Request

from retrieval.errors import BadImage, BadKnob, BadQuery, NotReady, Refused
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.types import Hit, Knob, Result, Timings
from retrieval.ui import examples, figures, launch
from retrieval.ui.address import Address
from retrieval.ui.api import Search
from retrieval.ui.knobs import steps
from retrieval.ui.page import refuse_links
from retrieval.ui.panel import View, draw
from retrieval.ui.percentiles import FEWEST, KEYS, Latest
from retrieval.ui.results import Shown, grid
from retrieval.ui.routes import picture
from retrieval.ui.stages import COLOURS, chart
from retrieval.ui.theme import CSS
from retrieval.ui.uploads import LARGEST, opened
from tests.fake_lab import FakeGallery, FakeLab, answers, menu

ROOT = Path(__file__).parents[1]
START = Address("stamps", (Panel("conse-lite2", "exact"), Panel("captions", "exact")))


def test_a_port_that_is_taken_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.runtime.courtesy.serve", lambda: None)  # nothing is served
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            NotReady, match=rf"nothing can listen at 127\.0\.0\.1:{port} \(.*; give"
        ):
            launch.start(answers(FakeLab()), "127.0.0.1", port, quiet=True)
    with pytest.raises(NotReady, match="port must be 0-65535"):
        launch.start(answers(FakeLab()), "127.0.0.1", 99_999, quiet=True)


@pytest.mark.parametrize(
    ("value", "said"),
    [(123.4, "123"), (9.96, "10"), (2.14, "2.1"), (0.999, "1.0"), (0.12, "0.12"), (0.012, "0.012")],
)
def test_two_digits_below_ten(value: float, said: str) -> None:
    assert figures.digits(value) == said


def test_sizes_and_seconds_have_units() -> None:
    assert figures.size(999) == "999 B"
    assert figures.size(1_234_567) == "1.2 MB"
    assert figures.size(605_000_000) == "605 MB"
    assert figures.seconds(0.5) == "0.5 s"
    assert figures.seconds(0.0021) == "2.1 ms"


@pytest.mark.parametrize(
    "address",
    [
        Address("stamps", START.panels, text="a bird & <b>?=é"),
        Address(
            "my folder", (Panel("a@b", "x?y", (("efSearch", 16),)),), row=3, k=100, missed=True
        ),
        Address("stamps", START.panels, row=0, crop=(0.1, 0.2, 0.5, 1.0), k=1),
    ],
)
def test_an_address_reads_back(address: Address) -> None:
    assert Address.parse(str(address), START) == address


def test_an_empty_address_is_the_start() -> None:
    assert Address.parse("", START) == START
    assert Address.parse("?__theme=dark&fbclid=1", START) == START


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "an address is a text"),
        (["?q=a"], "an address is a text"),
        ("?q=" + "a" * 20_000, "an address is a text of at most"),
        ("?q=" + "a" * 2_001, "2,000 are read at most"),
        ("?q=\ud800", "half a character"),
        ("?k=0", "from 1 to 100"),
        ("?k=101", "from 1 to 100"),
        ("?k=1e3", "whole number"),
        ("?k=%D9%A3", "whole number"),
        ("?row=-1", "whole number"),
        ("?row=12345678901", "whole number"),
        ("?crop=1,2", "left,top,right,bottom"),
        ("?" + "&".join(["panel=a@b"] * 5), "4 fit side by side"),
        ("?q=%ff", "is not read"),
        ("?" + "q=a&" * 150, "is not read"),
    ],
)
def test_a_bad_address_says_what_is_wrong(text: object, message: str) -> None:
    with pytest.raises((BadQuery, BadKnob), match=message):
        Address.parse(text, START)


@pytest.mark.parametrize(
    "crop", ["nan,0,1,1", "0.5,0,0.5,1", "0.9,0,0.1,1", "-1,0,1,1", "0,0,inf,1"]
)
def test_a_crop_without_area_is_refused(crop: str) -> None:
    with pytest.raises(BadQuery, match="must be left < right"):
        Address.parse(f"?row=1&crop={crop}", START).query()


def hit(row: int, rank: int, caption: str = "An owl") -> Hit:
    return Hit(row, rank, 0.5, caption, "animals")


def test_a_grid_escapes_and_marks_changes() -> None:
    hits = (hit(7, 1, '"><script>alert(1)</script>'), hit(8, 2), hit(9, 3), hit(3, 4))
    result = Result(1, "e", "i", hits=hits, missed=(hit(5, 2),))
    first = {7: 1, 8: 1, 9: 5}
    html = grid(result, Shown("my gallery/x", 4, first, {7: '<i onload="x">'}))
    assert "<script" not in html
    assert "<i onload" not in html
    assert 'src="thumb/my%20gallery%2Fx/7?v="' in html
    assert html.index(">=<") < html.index("▼1") < html.index("▲2") < html.index("only here")
    assert "missed: rank 2 of exact" in html


def test_forty_eight_results_are_drawn_fast() -> None:
    hits = tuple(hit(row, row + 1) for row in range(48))
    shown = Shown("stamps", 48, dict.fromkeys(range(24), 1), {})
    times = []
    for _ in range(20):
        start = time.thread_time()
        grid(Result(1, "e", "i", hits=hits), shown)
        times.append(time.thread_time() - start)
    assert sorted(times)[10] < 0.004


def test_percentiles_need_twenty_warm_calls() -> None:
    latest = Latest()
    cold = Result(0, "e", "i", timings=Timings(embed=1e6), cold=("embed",))
    broken = Result(0, "e", "i", problem="no")
    assert latest.add("a", cold).calls == latest.add("a", broken).calls == 0
    for ms in range(1, FEWEST):
        assert latest.add("a", Result(0, "e", "i", timings=Timings(embed=ms))).p50 is None
    full = latest.add("a", Result(0, "e", "i", timings=Timings(embed=FEWEST)))
    assert (full.calls, full.p50, full.p95) == (20, 10, 19)
    for number in range(KEYS):
        latest.add(f"other {number}", cold)
    assert latest.add("a", cold).calls == 0


def test_the_chart_leaves_out_what_has_no_answer() -> None:
    slow = Result(0, "e", "i", timings=Timings(embed=9.0, search=1.0), truth_ms=3.0)
    html = chart(["A <x>", "B"], [slow, Result(1, "e", "i", problem="no")])
    assert "A &lt;x&gt;" in html
    assert ">B<" not in html
    assert 'style="width:90.00%"' in html
    assert "truth 3.0 ms" in html
    assert all(f"<dt>{term}</dt>" in html for term in (*COLOURS, "latency", "recall@k", "missed"))
    assert chart(["A"], [None]) == ""


def test_a_panel_shows_its_problem_and_a_way_out() -> None:
    lab = FakeLab()
    panel = Panel("efficientnet-lite0", "exact")
    result = Result(0, panel.embedder, panel.index, problem="it <b>reads", instead=("conse-lite2",))
    html = draw(0, View(panel, result), menu(lab), Shown("stamps", 10, None, {}), False)
    assert "It &lt;b&gt;reads." in html
    assert 'data-instead="conse-lite2"' in html
    assert "data-remove" not in html


def test_a_public_page_has_no_build_knobs() -> None:
    shown = Shown("stamps", 10, None, {})
    view = View(Panel("conse-lite2", "faiss-hnsw"))
    assert 'data-knob="M"' in draw(0, view, menu(FakeLab()), shown, True)
    assert 'data-knob="M"' not in draw(0, view, menu(FakeLab(public=True)), shown, True)


def test_uploads_come_from_the_upload_folder_or_from_base64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "a.png").write_bytes(b"picture")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "uploads" / "link").symlink_to(tmp_path / "secret")
    assert opened({"path": str(tmp_path / "uploads" / "a.png")}) == b"picture"
    assert opened("data:image/png;base64," + base64.b64encode(b"picture").decode()) == b"picture"
    assert opened(None) is None
    for path in ("secret", "uploads/../secret", "uploads/link", "uploads/none", "uploads"):
        with pytest.raises(BadImage, match="no longer here"):
            opened({"path": str(tmp_path / path)})
    with pytest.raises(BadImage, match="links are not followed"):
        opened("http://127.0.0.1/a.png")
    with pytest.raises(BadImage, match="at most 20 MB"):
        opened("A" * (LARGEST * 4 // 3 + 8))


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1/a.png", "https://example.org/a.png", "ftp://example.org/a"]
)
def test_files_by_link_are_refused_wherever_they_hide(link: str) -> None:
    for value in ([{"path": link}], [{"a": [{"b": {"path": link, "meta": {}}}]}]):
        with pytest.raises(Refused, match="links to pictures are not followed"):
            refuse_links(value)
    refuse_links([{"path": "/tmp/gradio/a.png"}, "text", None, 5, {"path": 5}])


def test_examples_suit_their_gallery() -> None:
    gallery = FakeGallery()
    assert examples.texts(gallery)[0] == "a bird"
    assert examples.rows(gallery) == (0, 1)
    gallery.name = "folder"
    assert set(examples.texts(gallery)) <= {f"class {number}" for number in range(5)}
    assert examples.rows(gallery) == (20, 40)
    assert examples.rows(FakeGallery(0)) == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "ask by one"),
        ({"text": "a", "k": 0}, "from 1 to 100"),
        ({"text": "a", "k": 10**9}, "from 1 to 100"),
        ({"text": "a", "k": "10"}, "whole number"),
        ({"text": "a", "k": True}, "whole number"),
        ({"text": 5}, "text must be a text"),
        ({"text": "a", "panels": "conse-lite2@exact"}, "list of texts"),
        ({"text": "a", "panels": [5]}, "list of texts"),
        ({"text": "a", "panels": []}, "from 1 to 4"),
        ({"text": "a", "panels": ["a@b"] * 5}, "from 1 to 4"),
        ({"text": "a", "gallery": 5}, "gallery must be a text"),
        ({"text": "a", "image": "http://169.254.169.254/"}, "links are not followed"),
    ],
)
def test_the_api_refuses_in_sentences(given: dict[str, Any], message: str) -> None:
    with pytest.raises(gr.Error, match=message):
        Search(cast(Lab, FakeLab())).compare_search(**given)


def test_the_api_answers_like_the_command_line() -> None:
    found = Search(cast(Lab, FakeLab())).compare_search("a bird", k=3)["panels"]
    assert [panel["embedder"] for panel in found] == ["conse-lite2", "captions"]
    assert set(found[0]["hits"][0]) == {"row", "rank", "score", "caption", "label"}
    assert found[0]["timings"]["embed"] == 2.0
    assert found[0]["problem"] is None
    json.dumps(found)


def test_sliders_are_fine_where_it_matters() -> None:
    wide = steps(Knob("efSearch", 1, 512, 16, "query"), 17)
    assert wide[:18] == list(range(1, 19))
    assert (wide[-2:], len(wide)) == ([480, 512], 57)
    assert steps(Knob("m", 4, 64, 16, "build", "log2"), 16) == [4, 8, 16, 32, 64]
    assert steps(Knob("nprobe", 1, 9, 8, "query"), 3) == list(range(1, 10))


def test_the_style_stays_short() -> None:
    assert len(CSS.read_text(encoding="utf-8").splitlines()) < 200


def test_the_page_is_built_without_the_heavy_libraries() -> None:
    code = (
        "import sys, gradio; bare = set(sys.modules);"
        "from retrieval.lab import Lab; from retrieval.ui.answers import Answers;"
        "from retrieval.ui.page import build; build(Answers(Lab()));"
        "heavy = ('torch', 'faiss', 'openvino', 'datasets', 'pyarrow', 'transformers');"
        "print([each for each in heavy if each in sys.modules and each not in bare])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "AVIF"])
def test_what_not_every_browser_shows_is_sent_as_webp(kind: str) -> None:
    out = BytesIO()
    Image.new("RGB", (60, 40), (200, 30, 30)).save(out, kind)

    class Odd(FakeGallery):
        def encoded(self, row: int) -> bytes:
            return out.getvalue()

    place = {"gallery": "stamps", "row": "0"}
    asked = {"type": "http", "method": "GET", "headers": [], "path_params": place}
    got = picture(cast(Lab, FakeLab(Odd(1))), Request(asked))
    assert (got.status_code, got.media_type) == (200, "image/webp")
    assert Image.open(BytesIO(bytes(got.body))).size == (60, 40)
