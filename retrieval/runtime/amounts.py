"""Amounts of memory, as people write them."""

from __future__ import annotations

import re

from retrieval.errors import BadKnob

UNITS = {"MB": 10**6, "GB": 10**9}


def amount(text: str | None) -> int | None:
    """Bytes, written such as ``8GB`` or ``500MB``; none where nothing is said.

    >>> amount("8GB"), amount("0.5 gb"), amount("")
    (8000000000, 500000000, None)

    Raises:
        BadKnob: it has another form.
    """
    if not text:
        return None
    number, unit = text[:-2].strip(), text[-2:].upper()
    if unit not in UNITS or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", number):
        raise BadKnob(f"the memory is {text[:80]!r}; write it as 8GB or 500MB")
    return round(float(number) * UNITS[unit])
