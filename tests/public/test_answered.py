"""What a lab for strangers answers, and where it is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gradio_client import Client  # type: ignore[import-untyped]

import app
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from tests.held import LONGEST
from tests.served import BIRDS, QUIET, ROOT, Served

pytestmark = QUIET


@pytest.mark.server
@pytest.mark.parametrize("gallery", ["stamps", "clipart"])
def test_the_first_page_answers(public: Served, gallery: str) -> None:
    for number in public.numbers("stream"):
        page = public.stream([{"address": f"?gallery={gallery}"}], number)
        assert page.said == []
        assert page.data[1].count(f"thumb/{gallery}/") >= 10
    panels = public.call("a bird", None, None, gallery, 10).panels
    assert [each["problem"] for each in panels] == [None, None]
    assert [len(each["hits"]) for each in panels] == [10, 10]
    assert [each["recall"] for each in panels] == [1.0, 1.0]


@pytest.mark.server
@pytest.mark.parametrize("gallery", ["stamps", "clipart"])
def test_every_embedder_that_needs_no_hub_answers(public: Served, gallery: str) -> None:
    every = [each for each in EMBEDDERS.specs() if not each.key]
    names = [each.name for each in every if not (each.param("repo") or each.param("variable"))]
    assert len(names) >= 9
    for start in range(0, len(names), 4):
        address = "".join(f"&panel={name}@exact" for name in names[start : start + 4])
        page = public.page_of(f"?gallery={gallery}&row=10&k=3{address}")
        assert page.said == []
        assert page.kind == "complete"
        for drawn in page.data[1 : 1 + len(names[start : start + 4])]:
            assert f'src="thumb/{gallery}/10?v=' in drawn


@pytest.mark.server
def test_query_time_knobs_are_free(public: Served) -> None:
    answer = public.call("a bird", None, ["conse-lite2@faiss-hnsw?efSearch=256"], "stamps", 3)
    assert answer.rows == BIRDS
    assert "M=32" not in str(answer.data)
    default = next(each.default for each in INDEXES.spec("faiss-hnsw").knobs if each.name == "M")
    same = public.call("a bird", None, [f"conse-lite2@faiss-hnsw?M={default}"], "stamps", 3)
    assert same.rows[0] == BIRDS[0]


@pytest.mark.parametrize(
    ("flags", "space", "public"),
    [([], "", False), (["--public"], "", True), ([], "somebody/space", True)],
)
def test_where_the_app_is_public(
    flags: list[str], space: str, public: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labs: list[Lab] = []
    monkeypatch.setattr("retrieval.ui.launch.serve", lambda lab, host, port: labs.append(lab))
    monkeypatch.setattr(sys, "argv", ["app.py", "--cache", str(tmp_path), *flags])
    monkeypatch.setenv("PARALLAX_FOLDER", str(tmp_path))
    monkeypatch.setenv("SPACE_ID", space)
    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, os.environ.get(name, "False"))
    app.main()
    assert labs[0].public is public
    assert ("folder" in labs[0].catalog.names()) is not public


@pytest.mark.server
def test_the_public_app_answers_a_client(tmp_path: Path) -> None:
    """The real command in its own process, asked as the README says."""
    command = [sys.executable, "-u", str(ROOT / "app.py"), "--public"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "GRADIO_TEMP_DIR": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        try:
            said = next(line for line in running.stdout if "Running on local URL" in line)
            patient = {"timeout": LONGEST}  # and not httpx's five seconds
            client = Client(said.split()[-1], verbose=False, httpx_kwargs=patient)
            panels = ["conse-lite2@exact", "conse-lite2@faiss-hnsw?M=8"]
            given = {"text": "a bird", "panels": panels, "gallery": "stamps", "k": 3}
            asked = client.submit(**given, api_name="/compare_search")
            found = asked.result(timeout=LONGEST)["panels"]
            assert [hit["row"] for hit in found[0]["hits"]] == BIRDS
            assert "M would build another index" in found[1]["problem"]
        finally:
            running.terminate()
