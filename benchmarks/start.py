"""First answer of the command line against importing torch; page up against a bare page."""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from benchmarks.report import header, interleaved, ratio, summary

QUERY = "-m retrieval search --gallery stamps --panel conse-lite2@faiss-hnsw --text".split()
BARE = """
import sys, gradio as gr
with gr.Blocks() as page:
    gr.Textbox(); gr.HTML("bare")
page.launch(server_port=int(sys.argv[1]), quiet=True)
"""


def run(*arguments: str) -> Callable[[], object]:
    """A whole process, from its start to its end."""
    return lambda: subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
    )


def up(*arguments: str) -> Callable[[], object]:
    """A server, from its start to the first page that it gives."""

    def start() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        server = subprocess.Popen(
            [sys.executable, *(each.replace("PORT", port) for each in arguments)],
            stdout=subprocess.DEVNULL,
        )
        try:
            wait(f"http://127.0.0.1:{port}/")
        finally:
            server.kill()
            server.wait()

    return start


def wait(url: str, seconds: float = 120) -> None:
    """Until the address answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                page.read()
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
    raise TimeoutError(f"{url} did not answer within {seconds} s")


def main(argv: list[str]) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks start")
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args(argv).runs
    print(header("Start", gallery="stamps", runs=f"{runs}, interleaved, caches warm"))
    pairs = {
        "first answer of the command line / import torch (target 0.5)": (
            run(*QUERY, "a bird"),
            run("-c", "import torch"),
        ),
        "page up / a bare Gradio page (target 1.3)": (
            up("app.py", "--port", "PORT"),
            up("-c", BARE, "PORT"),
        ),
    }
    for title, (ours, theirs) in pairs.items():
        times = interleaved({"ours": ours, "theirs": theirs}, runs)
        print(f"\n  {title}")
        for name, seconds in times.items():
            print(f"    {name:<8} {summary(seconds, 1)} s")
        print(f"    ratio    {ratio(times['ours'], times['theirs']):.2f}")
    return 0
