"""How figures are written: a unit always, two significant digits where they are small."""

from __future__ import annotations

from html import escape as _escape

AWAY = 'target="_blank" rel="noopener noreferrer"'
"""Attributes of a link that leaves the page."""


def escape(text: str) -> str:
    """Text as HTML, in an attribute too."""
    return _escape(text, quote=True)


def digits(value: float) -> str:
    """Two significant digits below 10, whole numbers from there on."""
    if value >= 9.95:
        return f"{value:,.0f}"
    if value >= 0.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.3f}"


def ms(value: float) -> str:
    """Milliseconds, such as ``2.1 ms``."""
    return f"{digits(value)} ms"


def size(nbytes: int) -> str:
    """Bytes in the largest unit that leaves at least 1, such as ``1.2 MB``."""
    amount, unit = float(nbytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} B" if unit == "B" else f"{digits(amount)} {unit}"


def seconds(value: float) -> str:
    """Seconds, or milliseconds below a tenth of one."""
    return f"{value:.1f} s" if value >= 0.0995 else ms(1000 * value)


def percent(share: float) -> str:
    """A probability in whole per cent; never 0 or 100 where it is neither."""
    if 0 < share < 0.01:
        return "&lt;1 %"
    return "&gt;99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")


def span(value: float) -> str:
    """Seconds in the largest unit that leaves at least 1, such as ``2.8 h``."""
    for unit, least in (("years", 31_557_600), ("days", 86_400), ("h", 3600), ("min", 60)):
        if value >= least:
            return f"{digits(value / least)} {unit}"
    return f"{digits(value)} s" if value >= 0.995 else ms(1000 * value)
