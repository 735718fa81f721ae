"""What is measured by two at once stays, of both."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from retrieval.duplicates.detection import Measured
from retrieval.duplicates.distortions import settings
from retrieval.duplicates.kept import Detection, Detections, key
from retrieval.lab import Lab
from retrieval.measure import scale
from retrieval.measure.notes import Note, Notes
from retrieval.measure.rounds import sweeps
from retrieval.measure.scale import Mark, Running
from retrieval.measure.sweeps import Sweep, Sweeps
from tests.bare import unmeasured
from tests.held import LONGEST
from tests.page.test_plots import SPECS, job, point, stored

TURNS = 12


def joined(name: str, old: Note | None) -> dict[str, int]:
    return {name: 1} | dict(old.body if old else {})


def keep(cache: Path, sweep: Sweep, first: int) -> None:
    """What another process measures, and keeps a setting at a time."""
    for value in range(first, first + TURNS):
        Sweeps(cache / "none", cache).save(
            replace(sweep, points=(point(0.9, 0.1, efSearch=value),))
        )
        Notes(cache / "notes").add({"kind": "test"}, partial(joined, str(value)))


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    _, sweep = stored(unmeasured(tmp_path))
    cache = tmp_path / "both"
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for each in [pool.submit(keep, cache, sweep, at * TURNS + 1) for at in range(2)]:
            each.result(LONGEST)
    found = Sweeps(cache / "none", cache).find(sweep.key)
    assert found is not None
    wanted = range(1, 2 * TURNS + 1)
    assert sorted(each.knobs["efSearch"] for each in found.points) == [*wanted]
    note = Notes(cache / "notes").find({"kind": "test"})
    assert note is not None and note.body == {str(value): 1 for value in wanted}


def test_a_sweep_that_was_looked_up_before_loses_nothing(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    _, old = stored(lab)
    sweeps(lab).save(replace(old, points=(point(0.99, 0.2, efSearch=256),)))
    found = sweeps(lab).find(old.key)
    assert found is not None
    assert [each.knobs["efSearch"] for each in found.points] == [16, 64, 256]


def test_scales_that_are_measured_at_once_have_the_marks_of_both(tmp_path: Path) -> None:
    lab, spec = unmeasured(tmp_path), SPECS[0]
    asked = scale.Job(job(lab).gallery, job(lab).embedder, [spec])
    one, other = Running(lab, asked), Running(lab, asked)
    for running, count in ((other, 3000), (one, 1000)):
        mark = Mark(spec.name, count, point(1.0, 0.1), 1000, 0.1, {})
        running.found[spec.name] = [mark]
        running._keep(spec.name)
    found = scale.known(lab, asked)[spec.name]
    assert [mark.count for mark in scale.marks(found)] == [1000, 3000]
    assert [mark.count for mark in one.found[spec.name]] == [1000, 3000]  # not measured again


@pytest.mark.parametrize("counts", [(4, 2), (2, 4)])
def test_the_larger_detection_stays(lab: Lab, counts: tuple[int, int]) -> None:
    wanted = key(lab.gallery("colours"), lab.spec("colour"))
    for count in counts:
        zeros = np.zeros((count, len(settings())), np.float32)
        Detections(lab).save(Detection(wanted).more(Measured(zeros, zeros)))
    assert len(Detections(lab).find(wanted).measured) == 4
