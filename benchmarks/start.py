"""First answer of the command line against importing torch; page up against a bare page."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks.report import Figure, Target, interleaved, table
from benchmarks.serving import served

QUERY = "-m retrieval search --gallery stamps --panel conse-lite2@faiss-hnsw --text".split()
BARE = """
import sys, gradio as gr
with gr.Blocks() as page:
    gr.Textbox(); gr.HTML("bare")
page.launch(server_port=int(sys.argv[1]), quiet=True)
"""


def main(argv: list[str]) -> int:
    """Print both starts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks start", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args(argv)
    return table("Start, caches warm", figures(options), gallery="stamps", runs=options.runs)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """The command line, then the page."""
    sides = {"ours": whole(*QUERY, "a bird"), "theirs": whole("-c", "import torch")}
    times = interleaved(sides, options.runs)
    first = "first answer of the command line / import torch"
    yield Figure(first, "s", times["ours"], times["theirs"], Target("<=", 0.5))
    sides = {"ours": up("app.py", "--port", "PORT"), "theirs": up("-c", BARE, "PORT")}
    times = interleaved(sides, options.runs)
    second = "page up / a bare Gradio page up"
    yield Figure(second, "s", times["ours"], times["theirs"], Target("<=", 1.3))


def whole(*arguments: str) -> Callable[[], object]:
    """A whole process, from its start to its end."""
    return lambda: subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
    )


def up(*arguments: str) -> Callable[[], object]:
    """A server, from its start to its first page; ending it is cheap on both sides."""

    def start() -> None:
        with served(*arguments):
            pass

    return start
