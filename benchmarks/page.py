"""What the page itself costs: 48 pictures through its API, and in a browser."""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx

from benchmarks.canned import GALLERY, SETS, K, asked, rows
from benchmarks.report import Figure, Target, interleaved, scaled, table
from benchmarks.serving import served

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
TARGET = Target("<=", 1.5)
ADDRESS = f"?gallery={GALLERY}&k={K}&panel=conse-lite2%40exact"
SHOWN = """([button, images, wanted]) => new Promise((done, fail) => {
  const row = (image) => image.src.split("/").pop().split(/[.?]/)[0];
  const start = performance.now();
  const watch = new MutationObserver(() => {
    const found = [...document.querySelectorAll(images)];
    if (found.map(row).join() !== wanted) return;
    watch.disconnect();
    const decoded = Promise.all(found.map((image) => image.decode()));
    decoded.then(() => done(performance.now() - start), fail);
  });
  const what = { subtree: true, childList: true, attributes: true, attributeFilter: ["src"] };
  watch.observe(document.body, what);
  document.querySelector(button).click();
})"""


def main(argv: list[str]) -> int:
    """Print both: over HTTP with the queue, and in Chromium."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks page", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="of the API")
    parser.add_argument("--clicks", type=int, default=20, help=f"in the browser, up to {SETS - 1}")
    parser.add_argument("--chromium", default=CHROMIUM)
    options = parser.parse_args(argv)
    facts = {
        "pictures": f"{K} of {GALLERY}, others in every click, so none is in the browser's cache",
        "answers": "ready before they are asked for: embedding and search are not in these figures",
        "runs": f"{options.runs} through the API, {options.clicks} clicks",
    }
    return table(f"The page: a result of {K} pictures", figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """The API against an echo, then the browser against ``gr.Gallery``."""
    with served("-m", "benchmarks.canned", "PORT") as url:
        with httpx.Client(base_url=url, timeout=60) as client:
            yield from trips(client, options.runs)
        yield browser(url, options)


def trips(client: httpx.Client, runs: int) -> Iterator[Figure]:
    """Round trips by the events that the browser uses, queue and stream included."""
    echo = number(client, "echo")
    turn = count()

    def page() -> str:
        address = f"{ADDRESS}&q={asked(next(turn) % SETS)}"
        return json.dumps(trip(client, 0, {"address": address, "asked": 1}))

    answer = page()
    if answer.count("<img") < K:
        raise RuntimeError(f"the page did not answer: {answer[:500]}")
    sides = {
        "page": page,
        "same": lambda: trip(client, echo, answer),
        "word": lambda: trip(client, echo, "a bird"),
    }
    times = {side: scaled(each, 1e3) for side, each in interleaved(sides, runs).items()}
    what = f"{K} pictures by the page's API / an echo of"
    size = f"{len(answer) / 1e3:.0f} KB"
    yield Figure(f"{what} as much, {size}", "ms", times["page"], times["same"], TARGET)
    yield Figure(f"{what} a word", "ms", times["page"], times["word"], TARGET)


def number(client: httpx.Client, name: str) -> int:
    """An event's number by its name."""
    events = client.get("/config").json()["dependencies"]
    return int(next(each["id"] for each in events if each["api_name"] == name))


def trip(client: httpx.Client, event: int, value: object) -> list[Any]:
    """Join the queue, read the stream to its end.

    Raises:
        RuntimeError: the event failed.
    """
    session = uuid.uuid4().hex
    body = {"data": [value], "fn_index": event, "session_hash": session}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    data: list[Any] = []
    asked_for = {"session_hash": session}
    with client.stream("GET", "/gradio_api/queue/data", params=asked_for) as lines:
        for line in lines.iter_lines():
            message = json.loads(line[6:]) if line.startswith("data: ") else {}
            if message.get("msg") == "process_generating":
                data = data or message["output"]["data"]
            if message.get("msg") == "process_completed":
                if not message["success"]:
                    raise RuntimeError(str(message["output"]))
                data = data or message["output"]["data"]
    return data


def browser(url: str, options: argparse.Namespace) -> Figure:
    """From the click until every picture is decoded, both in one tab."""
    from playwright.sync_api import sync_playwright

    page: list[float] = []
    gallery: list[float] = []
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=options.chromium, args=FLAGS)
        tab = opened.new_page(viewport={"width": 1440, "height": 900})
        tab.goto(f"{url}/{ADDRESS}&q={asked(0)}")
        tab.wait_for_selector(".over")
        for turn in range(min(options.clicks, SETS - 1)):
            wanted = ",".join(map(str, rows(turn + 1)))

            def ours(turn: int = turn, wanted: str = wanted) -> None:
                tab.fill("#text", asked(turn + 1))
                page.append(tab.evaluate(SHOWN, ["#ask .primary", ".panel .tile img", wanted]))

            def theirs(turn: int = turn, wanted: str = wanted) -> None:
                tab.fill("#number textarea, #number input", str(turn + 1))
                gallery.append(tab.evaluate(SHOWN, ["#load", "#files img", wanted]))

            for side in (ours, theirs) if turn % 2 else (theirs, ours):
                side()
        opened.close()
    what = f"click until {K} are decoded / gr.Gallery of the same files"
    return Figure(what, "ms", page, gallery, Target("<=", 1), "first sight of every picture")
