"""FAISS's own strings for indexes, such as ``IVF256,PQ32x4fs,RFlat``. Holds no ``SPECS``.

A name ``faiss:STRING`` is an index that somebody types. Only parts that are listed here are read,
each within its bounds; what FAISS would take besides (file names of transforms, additive
quantisers, lattices, inverted multi-indexes, spectral hashing; residuals in fast-scan, which lose
rows where k is large) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from retrieval.errors import BadKnob, BadQuery, UnknownName
from retrieval.registry import suggest

PREFIX = "faiss:"
LONGEST = 100
"""Characters of a name that are read."""
PARTS = (
    *("Flat", "SQ4", "SQ6", "SQ8", "SQfp16", "SQbf16", "PQ32", "PQ32x4", "PQ32x4fs", "LSH", "LSHr"),
    *("RaBitQ", "RaBitQ4", "RaBitQfs", "HNSW32", "NSG32", "IVF256", "IVF256_HNSW32"),
    *("OPQ32", "OPQ32_64", "PCA64", "PCAR64", "RR64", "HR", "L2norm", "RFlat", "Refine(SQ8)"),
)
"""One of each kind, for messages."""
BOUNDS = {
    "links": (4, 64),
    "lists": (1, 65_536),
    "parts": (1, 1024),
    "bits": (4, 12),
    "dimensions": (1, 4096),
    "links of NSG": (24, 64),
}
"""Least and most of each number in a part."""

Kind: TypeAlias = Literal["Flat", "SQ", "PQ", "RaBitQ", "LSH"]
SCALARS = {"4": 4, "6": 6, "8": 8, "fp16": 16, "bf16": 16}
STEP = re.compile(r"(L2norm|HR|PCAR?|RR|OPQ)(\d{1,9})?(?:_(\d{1,9}))?", re.ASCII)
GRAPH = re.compile(r"HNSW(\d{1,9})(?:_(.+))?", re.ASCII)
NSG = re.compile(r"NSG(\d{1,9})", re.ASCII)
LISTS = re.compile(r"IVF(\d{1,9})(?:_HNSW(\d{1,9})?)?", re.ASCII)
SCALAR = re.compile(r"SQ(4|6|8|fp16|bf16)", re.ASCII)
PRODUCT = re.compile(r"PQ(\d{1,9})(?:x(\d{1,9}))?(fs)?", re.ASCII)
RABITQ = re.compile(r"RaBitQ(fs)?([1-9])?", re.ASCII)
REFINE = re.compile(r"RFlat|Refine\((Flat|SQ(?:4|6|8|fp16|bf16))\)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Step:
    """A transform before the index.

    Attributes:
        kind: its name in FAISS's strings.
        width: dimensions after it; 0 leaves them as they are.
        parts: of the product quantiser that OPQ learns for.
    """

    kind: str
    width: int = 0
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Code:
    """How a vector is held.

    Attributes:
        kind: whole floats, scalars, products, or bits.
        bits: of a dimension, or of a part.
        parts: that a product quantiser cuts a vector into.
        fast: codes are compared in blocks of 32.
    """

    kind: Kind = "Flat"
    bits: int = 32
    parts: int = 0
    fast: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """A string of FAISS's, read.

    Attributes:
        body: the string without its refinement.
        steps: transforms, in turn.
        code: how vectors are held.
        links: of an HNSW graph over the codes; 0 where there is none.
        nsg: links of an NSG graph; 0 where there is none.
        lists: inverted lists; 0 where there are none.
        coarse: links of the HNSW graph over their centroids; 0 where all are compared.
        refine: how the vectors that candidates are compared by again are held; "" for none.
    """

    body: str
    steps: tuple[Step, ...] = ()
    code: Code = Code()
    links: int = 0
    nsg: int = 0
    lists: int = 0
    coarse: int = 0
    refine: str = ""

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Read a string.

        Raises:
            BadQuery: it has another form.
            UnknownName: a part is none of those that are allowed.
            BadKnob: a number in a part is out of its bounds.
        """
        if not text or len(text) > LONGEST:
            raise BadQuery(
                f"an index of FAISS's parts is written {PREFIX}IVF256,PQ32x4fs,RFlat, in at most "
                f"{LONGEST} characters, not {text[:80]!r}"
            )
        parts = text.split(",")
        refine = _refine(parts)
        rest = parts[:-1] if refine else parts
        count = next((at for at, part in enumerate(rest) if not _is_step(part)), len(rest))
        steps = tuple(_step(part) for part in rest[:count])
        found = replace(_core(rest[count:], text), body=",".join(rest), steps=steps, refine=refine)
        _check(found, text)
        return found

    @property
    def exact(self) -> bool:
        """Whether codes are the vectors themselves, so that comparing again changes nothing."""
        return self.code.kind == "Flat" and not any(each.width for each in self.steps)

    @property
    def euclidean(self) -> bool:
        """Whether distances are Euclidean, which for rows of length 1 order as cosines do.

        FAISS has no other between codes of a graph, nor for bits; and a PCA moves the origin,
        which changes products but not distances.
        """
        coded = bool(self.links) and self.code.kind in ("PQ", "RaBitQ")
        moved = any(each.kind.startswith("PCA") for each in self.steps)
        return coded or moved or bool(self.nsg) or self.code.kind == "LSH"

    @property
    def rotated(self) -> bool:
        """Whether a rotation is learnt by OPQ."""
        return any(each.kind == "OPQ" for each in self.steps)

    @property
    def small(self) -> bool:
        """Whether many small k-means are trained: two threads of one wait for each other."""
        return self.rotated or self.code.kind == "PQ"

    @property
    def fewest(self) -> int:
        """Rows below which it cannot be trained."""
        learnt = [each.width for each in self.steps if each.kind.startswith("PCA")]
        product = 2**self.code.bits if self.code.kind == "PQ" else 1
        return max(product, self.lists, 256 * self.rotated, 10 * (self.nsg > 0), *learnt, 1)

    def widths(self, width: int) -> list[int]:
        """Dimensions before the first step and after each."""
        found = [width]
        for step in self.steps:
            padded = 1 << (found[-1] - 1).bit_length()  # a Hadamard rotation fills it up
            found.append(padded if step.kind == "HR" else step.width or found[-1])
        return found


def _is_step(part: str) -> bool:
    return STEP.fullmatch(part) is not None


def _step(part: str) -> Step:
    found = STEP.fullmatch(part)
    assert found is not None
    kind, one, two = found[1], found[2], found[3]
    if (kind in ("L2norm", "HR")) != (one is None) or (two is not None and kind != "OPQ"):
        raise _unknown(part)
    if kind in ("L2norm", "HR"):
        return Step(kind)
    if kind == "OPQ":
        width = _bounded(part, "dimensions", two) if two else 0
        return Step(kind, width, _bounded(part, "parts", one))
    return Step(kind, _bounded(part, "dimensions", one))


def _refine(parts: Sequence[str]) -> str:
    found = REFINE.fullmatch(parts[-1])
    return (found[1] or "Flat") if found else ""


def _core(parts: Sequence[str], text: str) -> Recipe:
    """Graph or lists, and the code in them."""
    if not parts:
        raise BadQuery(f"{text!r} has no index after its transforms; add one such as Flat or SQ8")
    head, *rest = parts
    if found := GRAPH.fullmatch(head):
        after = [*([found[2]] if found[2] else []), *rest] or ["Flat"]
        return Recipe("", code=_only(after, text), links=_bounded(head, "links", found[1]))
    if found := NSG.fullmatch(head):
        return Recipe(
            "", code=_only(rest or ["Flat"], text), nsg=_bounded(head, "links of NSG", found[1])
        )
    if found := LISTS.fullmatch(head):
        coarse = _bounded(head, "links", found[2] or "32") if "_" in head else 0
        lists = _bounded(head, "lists", found[1])
        return Recipe("", code=_only(rest, text), lists=lists, coarse=coarse)
    return Recipe("", code=_only(parts, text))


def _only(parts: Sequence[str], text: str) -> Code:
    found = [_code(part) for part in parts if not REFINE.fullmatch(part)]
    if len(found) != 1 or len(parts) != 1:
        raise BadQuery(
            f"{text!r} must end in one way to hold the vectors, such as Flat, SQ8 or PQ32x4fs, "
            "and at most one refinement, such as RFlat"
        )
    return found[0]


def _code(part: str) -> Code:
    if part == "Flat":
        return Code()
    if found := SCALAR.fullmatch(part):
        return Code("SQ", SCALARS[found[1]])
    if found := RABITQ.fullmatch(part):
        return Code("RaBitQ", int(found[2] or 1), fast=bool(found[1]))
    if re.fullmatch("LSHr?t?", part):
        return Code("LSH", 1)
    found = PRODUCT.fullmatch(part)
    if not found or (found[3] and found[2] != "4"):
        raise _unknown(part)
    bits = _bounded(part, "bits", found[2] or "8")
    return Code("PQ", bits, _bounded(part, "parts", found[1]), fast=bool(found[3]))


def _bounded(part: str, what: str, digits: str) -> int:
    (low, high), value = BOUNDS[what], int(digits)
    if not low <= value <= high:
        raise BadKnob(f"{part} says {value:,} {what}; it must be from {low} to {high:,}")
    return value


def _check(recipe: Recipe, text: str) -> None:
    """What FAISS cannot do, or what would be done for nothing."""
    code, kind = recipe.code, recipe.code.kind
    if recipe.nsg and (kind != "Flat" or recipe.steps or recipe.refine):
        why = "NSG stands alone here; write NSG32, or take HNSW"
    elif recipe.links and (kind == "LSH" or code.fast):
        why = "HNSW goes over Flat, SQ, PQ or RaBitQ, not over blocks or hashes"
    elif recipe.lists and kind == "LSH":
        why = "IVF goes over Flat, SQ, PQ or RaBitQ, not over hashes"
    elif recipe.refine and recipe.exact:
        why = "whole vectors are compared already, and again would change nothing; leave it out"
    elif kind == "SQ" and SCALARS.get(recipe.refine[2:], 32) <= code.bits:
        why = "candidates are compared again by no more than they were; take RFlat"
    else:
        return
    raise BadQuery(f"{text!r} is no index: {why}")


def _unknown(part: str) -> UnknownName:
    return suggest("part of a FAISS index", part, list(PARTS))
