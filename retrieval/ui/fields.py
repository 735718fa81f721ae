"""What a tab sent, checked: whoever speaks HTTP can send anything."""

from __future__ import annotations

from collections.abc import Mapping

from retrieval.errors import BadQuery

LONGEST = 500


def mapping(given: object) -> Mapping[str, object]:
    """The whole of it.

    Raises:
        BadQuery: it is no JSON object.
    """
    if not isinstance(given, Mapping):
        raise BadQuery("a tab is asked with a JSON object; open the page anew")
    return given


def text(given: Mapping[str, object], name: str, default: str = "") -> str:
    """A short text.

    Raises:
        BadQuery: it is none.
    """
    value = given.get(name, default)
    if not isinstance(value, str) or len(value) > LONGEST:
        raise BadQuery(f"{name} must be a text of at most {LONGEST} characters")
    return value


def texts(given: Mapping[str, object], name: str, most: int) -> list[str]:
    """Some short texts.

    Raises:
        BadQuery: it is no list of texts, or a longer one.
    """
    value = given.get(name, [])
    if isinstance(value, list) and len(value) <= most:
        short = [each for each in value if isinstance(each, str) and len(each) <= LONGEST]
        if len(short) == len(value):
            return short
    raise BadQuery(f"{name} must be a list of at most {most} texts")


def number(
    given: Mapping[str, object], name: str, low: float, high: float, default: float
) -> float:
    """A number in a range.

    Raises:
        BadQuery: it is none, or outside.
    """
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadQuery(f"{name} must be a number from {low:g} to {high:g}")
    if not low <= value <= high:  # NaN is in no range
        raise BadQuery(f"{name} is {str(value)[:20]}; it must be from {low:g} to {high:g}")
    return float(value)
