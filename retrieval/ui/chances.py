"""The fitted probability of what a search shows: read beside the answer, never timed with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from retrieval.errors import LabError
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.calibration import Curve
from retrieval.measure.calibrations import calibrations, key
from retrieval.measure.sweep import Kind
from retrieval.query import Query
from retrieval.types import Hit

LOG = logging.getLogger(__name__)


class Chances:
    """What scores are worth, where that was fitted.

    Args:
        lab: whose fits.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.fits = calibrations(lab)

    def curve(self, gallery: Gallery, embedder: str, query: Query) -> Curve | None:
        """The fit for this gallery, embedder and kind of query, where one is of any use."""
        kind: Kind = "text" if query.text is not None else "picture"
        try:
            found = self.fits.find(key(gallery, self.lab.spec(embedder), kind))
        except LabError:  # the answer is whole without it
            LOG.exception("the fit of %s cannot be read", embedder)
            return None
        return found.curve if found and found.useful else None

    def of(
        self, gallery: Gallery, embedder: str, query: Query, hits: Sequence[Hit]
    ) -> dict[int, float]:
        """The probability by row that a hit is a right one; empty where there is no fit."""
        curve = self.curve(gallery, embedder, query)
        if curve is None:
            return {}
        chances = curve.at(np.array([hit.score for hit in hits])).tolist()
        return {hit.row: chance for hit, chance in zip(hits, chances, strict=True)}
