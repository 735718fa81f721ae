"""Images a second by the build command against ``clip-retrieval inference``, whole processes.

The peer lives in an environment of its own: ``python -m venv P && P/bin/pip install -r
benchmarks/peers/clip-retrieval.txt`` and ``--peer P``. Both read the same JPEG files and the same
random weights of ViT-B/32. Both run twice in each round, over few and over all files; what all take
longer than few is the time of the rest, so that neither pays for its start.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.report import Figure, Target, table
from retrieval.lab import Lab
from retrieval.runtime import paths, threads

SIZES = {"12 megapixels": (4000, 3000), "500 x 375": (500, 375)}
TARGETS = {
    ("12 megapixels", "float32"): Target(">=", 2),
    ("500 x 375", "float32"): Target(">=", 1.2),
    ("12 megapixels", "bfloat16"): Target(">=", 3.5),
    ("500 x 375", "bfloat16"): Target(">=", 2.5),
}
MODEL = "ViT-B-32"
START = "start"
"""The folder of the files that both sides read to start."""


def main(argv: list[str]) -> int:
    """Print images a second of both sides."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks clip_retrieval", description=__doc__
    )
    parser.add_argument("--peer", type=Path, help="the peer's environment")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--few", type=int, default=32, help="files of the start")
    parser.add_argument("--files", type=int, default=160, help="files beyond them")
    parser.add_argument("--precision", nargs="+", default=["float32"], help="and bfloat16")
    options = parser.parse_args(argv)
    if options.peer is None or not (options.peer / "bin" / "clip-retrieval").is_file():
        print("--peer names no environment with clip-retrieval; --help says how to make it")
        return 2
    facts = {"files": options.files, "threads": threads.cores(), "runs": options.runs}
    return table("build against clip-retrieval inference, ViT-B/32", figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """A line for each size of pictures and each precision."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = weights(folder / "model")
        for size, side in SIZES.items():
            for kind, count in ((START, options.few), ("all", options.few + options.files)):
                pictures(folder / size / kind, count, side)
            for precision in options.precision:
                sides: dict[str, Callable[[Path, Path], None]] = {
                    "lab": partial(ours, model, precision),
                    "peer": partial(theirs, options.peer, model),
                }
                rates = measured(sides, folder / size, options)
                target = TARGETS[size, precision]
                yield Figure(f"{size}, {precision}", "img/s", rates["lab"], rates["peer"], target)


def measured(
    sides: dict[str, Callable[[Path, Path], None]], folder: Path, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Images a second of each side, in turn; the first round is for nobody."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(options.runs + 1):
        for name in sorted(sides, reverse=bool(turn % 2)):
            spent = spans(sides[name], folder)
            if turn:
                rates[name].append(options.files / spent)
    return rates


def spans(side: Callable[[Path, Path], None], folder: Path) -> float:
    """Seconds that all files take longer than those of the start."""
    times = []
    for kind in (START, "all"):
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            side(folder / kind, Path(out))
            times.append(time.perf_counter() - start)
    return times[1] - times[0]


def ours(model: Path, precision: str, pictures: Path, out: Path) -> None:
    """The build command, with the converted network of the first round."""
    kept = paths.cache() / "networks"
    kept.mkdir(parents=True, exist_ok=True)
    (out / "networks").symlink_to(kept.resolve())
    words = ["build", "--gallery", "folder", "--folder", str(pictures), "--index", "exact"]
    words += ["--embedder", "openclip-local", "--precision", precision, "--cache", str(out)]
    run([sys.executable, "-m", "retrieval", *words], PARALLAX_OPENCLIP_DIR=str(model))


def theirs(peer: Path, model: Path, pictures: Path, out: Path) -> None:
    """``clip-retrieval inference`` with as many workers as there are cores, in batches of 32.

    Its own default of 256 would take all files in one batch, and overlap nothing.
    """
    file = model / "open_clip_model.safetensors"
    words = ["inference", str(pictures), str(out), "--enable_text=False"]
    words += [f"--clip_model=open_clip:{MODEL}/{file}", "--use_jit=False"]
    words += [f"--num_prepro_workers={threads.cores()}", "--batch_size=32"]
    run([str(peer / "bin" / "clip-retrieval"), *words], CUDA_VISIBLE_DEVICES="")


def run(words: list[str], **environ: str) -> None:
    """A command that must succeed."""
    done = subprocess.run(words, env={**os.environ, **environ}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed: {done.stderr[-2000:]}")


def weights(folder: Path) -> Path:
    """ViT-B/32 of random weights, as the hub keeps it."""
    import open_clip  # type: ignore[import-untyped]
    import torch

    from tests.clipmodels import KINDS, PLAIN, write_model

    torch.manual_seed(0)
    KINDS[MODEL] = {**PLAIN, "model_cfg": open_clip.get_model_config(MODEL)}
    return write_model(folder, seed=0, kind=MODEL)


def pictures(folder: Path, count: int, size: tuple[int, int]) -> None:
    """JPEG files of a size, of the gallery's own pictures; each is another file."""
    folder.mkdir(parents=True)
    gallery = Lab().gallery("stamps")
    first: list[Path] = []
    for at in range(count):
        path = folder / f"{at:05}.jpg"
        if at < len(gallery) and at < 48:
            gallery.image(at).convert("RGB").resize(size).save(path, quality=90)
            first.append(path)
        else:
            # a comment after the header makes it another file, and as hard to decode
            data = first[at % len(first)].read_bytes()
            note = f"{at:08}".encode()
            mark = b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note
            path.write_bytes(data[:2] + mark + data[2:])
    shutil.copystat(first[0], folder)
