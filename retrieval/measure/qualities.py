"""Quality and losses on disk: those of here, and what ships. They depend on no machine's speed."""

from __future__ import annotations

from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.metrics import NAMES
from retrieval.measure.notes import Notes
from retrieval.measure.quality import Task
from retrieval.panel import Panel
from retrieval.store import Key, vectors_key
from retrieval.types import Spec


def notes(lab: Lab) -> Notes:
    """Where a lab keeps them."""
    return Notes(lab.cache / "qualities", lab.data / "qualities")


def key(gallery: Gallery, spec: Spec, task: Task, panel: Panel | None = None) -> Key:
    """All that decides an embedder's quality in a task, or what a panel loses there."""
    return {
        **vectors_key(gallery, spec),
        "kind": "quality",
        "task": task.name,
        "queries": len(task.rows),
        "words": gallery.words,
        "metrics": list(NAMES),
        "panel": str(panel or ""),
    }
