"""How a figure grows with the number of vectors: a fit, its interval, and where it crosses a bound.

A figure is a constant and a multiple of one of ``FORMS``: exhaustive search grows with n, lists
with its root where their number is chosen well, graphs with its logarithm (Malkov and Yashunin
2016). The form is the one that leaves the smallest relative errors, by least squares; beyond what
was measured the interval is the widest of the 95 % prediction intervals (Student's t) of every
form that fits nearly as well, or that there is another reason for, so that not knowing the form is
part of it. Errors are relative, so the interval is a factor up and down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FORMS: dict[str, Callable[[Any], Any]] = {
    "n": lambda n: n,
    "root n": np.sqrt,
    "log n": np.log,
    "n log n": lambda n: n * np.log(n),
    "n root n": lambda n: n * np.sqrt(n),
}
ASKING = ("n", "root n", "log n")
"""Forms of what a query takes."""
NEARLY = 2.0
"""A form whose errors are this many times the best's is still possible."""
FAR = 10.0
"""The same of a form for which there is a reason besides the measurements."""
LEAST = 0.02
"""Relative error that every timing has, however well a form fits few of them."""
FEWEST = 3
STUDENT = {1: 12.7, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31}
"""97.5 % quantiles of Student's t by degrees of freedom; 2.26 from 9 on."""


@dataclass(frozen=True)
class Line:
    """One form, fitted.

    Attributes:
        form: its name.
        weights: (2,) constant and multiple.
        error: relative, of one measurement.
        inverse: (2, 2) of the normal equations.
        freedom: measurements less 2.
    """

    form: str
    weights: Floats
    error: float
    inverse: Floats
    freedom: int

    def at(self, count: float) -> tuple[float, float]:
        """The figure, and the factor by which its prediction interval goes up and down."""
        row = np.array([1.0, FORMS[self.form](float(count))])
        value = max(float(row @ self.weights), 1e-9)
        spread = np.sqrt(float(row @ self.inverse @ row) / value**2 + 1)
        return value, float(np.exp(min(STUDENT.get(self.freedom, 2.26) * self.error * spread, 20)))


@dataclass(frozen=True)
class Growth:
    """All forms that a figure may grow by.

    Attributes:
        lines: possible ones, the best first.
        least: vectors from which on it was measured.
        most: vectors up to which it was.
    """

    lines: tuple[Line, ...]
    least: int
    most: int

    def at(self, count: float) -> tuple[float, float, float]:
        """The figure at a number of vectors, with the ends of its interval."""
        ends = [line.at(count) for line in self.lines]
        low = min(value / factor for value, factor in ends)
        return ends[0][0], low, max(value * factor for value, factor in ends)

    def reaches(self, bound: float, most: float = 1e12) -> tuple[float, float, float]:
        """From how many vectors on it is above a bound, with the interval; ``most`` at most."""
        middle, earliest, latest = (self._crossing(end, bound, most) for end in (0, 2, 1))
        return middle, earliest, latest

    def _crossing(self, end: int, bound: float, most: float) -> float:
        low, high = 1.0, most
        if self.at(high)[end] < bound:
            return most
        for _ in range(80):
            middle = float(np.sqrt(low * high))
            low, high = (low, middle) if self.at(middle)[end] >= bound else (middle, high)
        return high


def grown(
    counts: Sequence[int], values: Sequence[float], forms: Sequence[str] = ()
) -> Growth | None:
    """Fit a figure that was measured at several numbers of vectors; none from fewer than three.

    Args:
        counts: of vectors.
        values: the figure at each.
        forms: those that it may grow by, kept unless they are ``FAR`` off; else those of
            ``ASKING`` that fit nearly as well as the best.
    """
    if len(set(counts)) < FEWEST:
        return None
    n, y = np.array(counts, np.float64), np.array(values, np.float64)
    lines = sorted((_line(form, n, y) for form in forms or ASKING), key=lambda each: each.error)
    bound = lines[0].error * (FAR if forms else NEARLY)
    possible = (line for line in lines if line.error <= bound)
    return Growth(tuple(possible), int(n.min()), int(n.max()))


def _line(form: str, counts: Floats, values: Floats) -> Line:
    design = np.column_stack([np.ones_like(counts), FORMS[form](counts)]) / values[:, None]
    weights = _positive(design)
    freedom = max(1, len(counts) - 2)
    error = float(np.sqrt(((design @ weights - 1) ** 2).sum() / freedom))
    inverse = np.asarray(np.linalg.pinv(design.T @ design), np.float64)
    return Line(form, weights, max(LEAST, error), inverse, freedom)


def _positive(design: Floats) -> Floats:
    """Least squares against ones, with a multiple that is not below zero."""
    weights = np.linalg.lstsq(design, np.ones(len(design)), rcond=None)[0]
    if weights[1] < 0:
        constant = design[:, 0]
        weights = np.array([constant.sum() / (constant @ constant), 0.0])
    return np.asarray(weights, np.float64)
