"""A bare Gradio page whose second tab draws the points of a gallery's stored sweeps."""

from __future__ import annotations

import sys
from typing import Any

import gradio as gr
import pandas as pd  # type: ignore[import-untyped]

from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.rounds import Job, sweeps
from retrieval.types import Metric

GALLERY, EMBEDDER = "clipart", "conse-lite2"


def points() -> pd.DataFrame:
    """Every setting that was measured, a line each."""
    lab = Lab()
    specs = [spec for spec in INDEXES.specs() if Metric.COSINE in spec.metrics]
    job = Job(lab.gallery(GALLERY), lab.spec(EMBEDDER), specs, "text")
    found = [(spec.title, sweeps(lab).find(job.key(spec))) for spec in specs]
    rows = [
        {"index": title, "recall": point.recall, "ms": point.p50, "knobs": str(point.knobs)}
        for title, sweep in found
        for point in (sweep.points if sweep else ())
    ]
    return pd.DataFrame(rows)


def page() -> Any:
    """The page; its plot and table are filled when the tab is opened."""
    with gr.Blocks() as blocks:
        with gr.Tab("Search"):
            gr.Markdown("nothing here")
        with gr.Tab("Trade-offs", elem_id="plain") as tab:
            plot = gr.ScatterPlot(x="ms", y="recall", color="index", elem_id="plot")
            table = gr.Dataframe(elem_id="table")
            tab.select(lambda: (points(), points()), None, [plot, table])
    return blocks


if __name__ == "__main__":
    page().launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
