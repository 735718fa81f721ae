"""A panel's address: ``EMBEDDER@INDEX?knob=value&knob=value``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from retrieval.errors import BadKnob, BadQuery

LONGEST = 500


@dataclass(frozen=True, slots=True)
class Panel:
    """An embedder, an index and the settings that differ from its defaults.

    Attributes:
        embedder: name of an embedder.
        index: name of an index.
        knobs: (name, value) pairs; what is not named has its default.
    """

    embedder: str
    index: str
    knobs: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Panel:
        """Read ``conse-lite2@faiss-hnsw?efSearch=16``; names may be percent-encoded.

        Raises:
            BadQuery: it has another form.
            BadKnob: a value is no whole number, or a knob is named twice.
        """
        head, _, tail = text.partition("?")
        embedder, at, index = head.rpartition("@")  # a typed name may hold one
        if not (at and embedder and index) or len(text) > LONGEST:
            raise BadQuery(
                f"a panel is written EMBEDDER@INDEX?knob=value, not {text[:80]!r}; "
                "an example: conse-lite2@faiss-hnsw?efSearch=16"
            )
        return cls(unquote(embedder), unquote(index), _knobs(tail))

    def __str__(self) -> str:
        """The address that ``parse`` reads."""
        head = f"{quote(self.embedder, safe='')}@{quote(self.index, safe='')}"
        tail = "&".join(f"{quote(name, safe='')}={value}" for name, value in self.knobs)
        return f"{head}?{tail}" if tail else head


def _knobs(text: str) -> tuple[tuple[str, int], ...]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        raise BadKnob(f"settings are written knob=value&knob=value, not {text[:80]!r}") from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise BadKnob(f"a setting is named twice in {text[:80]!r}; name each once")
    return tuple((name, _whole(name, value)) for name, value in pairs)


def _whole(name: str, value: str) -> int:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise BadKnob(f"{name[:80]} is {value[:80]!r}; it must be a whole number")
    return int(value)
