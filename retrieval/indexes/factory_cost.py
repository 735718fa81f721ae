"""What an index of FAISS's parts takes, told before it is built. Holds no ``SPECS``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.errors import BadKnob, BadVectors
from retrieval.indexes.factory import PREFIX, SCALARS, Code, Recipe
from retrieval.runtime import machine
from retrieval.runtime.amounts import amount

MEMORY, SECONDS = "PARALLAX_TYPED_MEMORY", "PARALLAX_TYPED_SECONDS"
"""Environment variables that set the caps: such as ``4GB``, and whole seconds."""
PATIENCE = 600
"""Seconds that a build may take where nothing is said."""
PRODUCTS, SMALL, ROTATED, WALKED, BITS = 20e9, 15e9, 4e9, 2.5e9, 50e6
"""Multiplications a second, as two busy Zen 4 cores do them: long products of matrices, those of
the few dimensions of a part on one core, the same between OPQ's rotations, of rows far apart;
and RaBitQ's bits coded a second."""
ROUNDS_LISTS, ROUNDS_PARTS, ROUNDS_OPQ = 10, 25, 50
"""Rounds of FAISS's k-means for lists and for parts; rotations that OPQ learns one after other."""
SAMPLE = 256
"""Rows a centroid that k-means learns from, at most."""
SMALLEST_GRAPH = 40
"""``efConstruction`` where nobody sets it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate.

    Attributes:
        memory: bytes that it holds once it is built, vectors to compare again included.
        extra: bytes that building takes besides.
        seconds: of building, on all cores.
    """

    memory: float
    extra: float
    seconds: float


def cost(recipe: Recipe, count: int, width: int) -> Cost:
    """The estimate for (count, width) vectors."""
    widths = recipe.widths(width)
    last = widths[-1]
    held = count * (_code_bytes(recipe.code, last) + 8 * (recipe.lists > 0)) + sum(
        4 * one * two for one, two in zip(widths, widths[1:], strict=False)
    )
    again = 32 if recipe.refine == "Flat" else SCALARS.get(recipe.refine[2:], 0)
    held += count * width * again / 8 + _tables(recipe, last) + _links(recipe, count)
    extra = 4 * count * last * (len(widths) > 1) + 4 * min(count, SAMPLE * recipe.lists) * last
    return Cost(held, extra, sum(_work(recipe, count, width)))


def check(recipe: Recipe, count: int, width: int) -> None:
    """Whether the vectors allow to build it, and the caps too.

    Raises:
        BadKnob: a part does not fit the width, or memory or time are above their caps.
        BadVectors: too few rows to train.
    """
    name = f"{PREFIX}{recipe.body}"
    _check_widths(recipe, width)
    if count < recipe.fewest:
        raise BadVectors(
            f"{name} needs {recipe.fewest:,} vectors to train, got {count:,}; "
            "take exact, or fewer lists or bits"
        )
    found, most, longest = cost(recipe, count, width), memory_cap(), seconds_cap()
    if found.memory + found.extra > most:
        raise BadKnob(
            f"{name} over {count:,} x {width:,} would take about "
            f"{(found.memory + found.extra) / 1e6:,.0f} MB, the cap is {most / 1e6:,.0f} MB; "
            f"take smaller codes, or set {MEMORY}"
        )
    if found.seconds > longest:
        raise BadKnob(
            f"{name} over {count:,} x {width:,} would take about {found.seconds:,.0f} s to build, "
            f"the cap is {longest:,} s; take fewer bits or lists, or set {SECONDS}"
        )


def memory_cap() -> int:
    """Bytes that a typed index may take: a quarter of the machine where nothing is said."""
    return amount(os.environ.get(MEMORY)) or machine.memory() // 4


def seconds_cap() -> int:
    """Seconds that building a typed index may take.

    Raises:
        BadKnob: the setting is no whole number.
    """
    given = os.environ.get(SECONDS, "") or str(PATIENCE)
    if not (given.isascii() and given.isdigit()):
        raise BadKnob(f"{SECONDS} is {given[:80]!r}; it must be whole seconds such as {PATIENCE}")
    return int(given)


def _check_widths(recipe: Recipe, width: int) -> None:
    widths = recipe.widths(width)
    for step, before, after in zip(recipe.steps, widths, widths[1:], strict=False):
        if step.kind != "HR" and after > before:
            raise BadKnob(
                f"{step.kind}{step.width} of {before:,} dimensions: take {before} or fewer"
            )
        if step.parts and after % step.parts:
            raise BadKnob(_undivided(f"OPQ{step.parts}", step.parts, after))
    parts = recipe.code.parts
    if parts and widths[-1] % parts:
        raise BadKnob(_undivided(f"PQ{parts}", parts, widths[-1]))


def _undivided(part: str, parts: int, width: int) -> str:
    near = max(each for each in range(1, min(parts, width) + 1) if width % each == 0)
    return f"{part} must divide the {width:,} dimensions that it gets: take {near}"


def _code_bytes(code: Code, width: int) -> float:
    if code.kind == "PQ":
        return code.parts * code.bits / 8
    return width * code.bits / 8 + 16 * (code.kind == "RaBitQ")


def _tables(recipe: Recipe, width: int) -> float:
    """Centroids, of lists and of parts; distances between those of parts, for a graph."""
    lists: float = 4 * recipe.lists * width + 8 * recipe.lists * recipe.coarse
    if recipe.code.kind != "PQ":
        return lists
    each = 1 << recipe.code.bits
    between = recipe.code.parts * (4 * each * each * (recipe.links > 0))
    return lists + 4 * each * width + between


def _links(recipe: Recipe, count: int) -> float:
    if recipe.nsg:
        return 4 * count * recipe.nsg
    return float(count * (4 * 2.2 * recipe.links + 12)) if recipe.links else 0.0


def _work(recipe: Recipe, count: int, width: int) -> Iterator[float]:
    """Seconds of each step of a build."""
    widths = recipe.widths(width)
    for step, before, after in zip(recipe.steps, widths, widths[1:], strict=False):
        yield count * before * after / PRODUCTS
        if step.kind.startswith("PCA"):
            yield (min(count, 1000 * before) * before**2 + 20 * before**3) / PRODUCTS
        if step.kind == "OPQ":
            seen = min(count, 65_536)
            yield ROUNDS_OPQ * (5 * seen * 256 * after + 2 * after**3) / ROTATED
    last, lists = widths[-1], recipe.lists
    if lists:
        seen = min(count, SAMPLE * lists)
        yield (ROUNDS_LISTS * seen + count) * lists * last / PRODUCTS
    if recipe.code.kind == "PQ":
        each = 2**recipe.code.bits
        yield (ROUNDS_PARTS * min(count, SAMPLE * each) + count) * each * last / SMALL
    if recipe.links:
        yield count * SMALLEST_GRAPH * recipe.links * 2 * last / WALKED
    if recipe.nsg:
        yield count * (min(count, 50_000) * last / PRODUCTS + 400 * recipe.nsg * last / WALKED)
    if recipe.code.kind == "RaBitQ":
        yield count * last * recipe.code.bits / BITS
