"""What a panel waits for, in words and as a quiet bar."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.ui.figures import escape
from retrieval.work import Doing


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is being made for a panel, as it was at one look.

    Attributes:
        words: such as "Embedding stamps with conse-lite2, 512 of 785".
        share: how much is done, from 0 to 1; none where that is not known.
        stop: the embedder that waits for it, where a visitor may stop it.
    """

    words: str
    share: float | None
    stop: str = ""

    @classmethod
    def of(cls, doing: Doing, stop: str = "") -> Waiting:
        """A look at what is being made."""
        what, done, total = doing.what, doing.done, doing.total
        unit = f" {doing.unit}" if doing.unit else ""
        counted = f", {done:,} of {total:,}{unit}" if total else ""
        share = min(done / total, 1) if total else None
        return cls(what[:1].upper() + what[1:] + counted, share, stop if total else "")

    def __str__(self) -> str:
        """Its HTML."""
        value = "" if self.share is None else f' value="{self.share:.3f}"'
        bar = f'<progress{value} aria-hidden="true"></progress>'
        stop = (
            f'<button type="button" class="plain" data-stop="{escape(self.stop)}">Stop</button>'
            if self.stop
            else ""
        )
        return f'<p class="wait" role="status"><span>{escape(self.words)}</span>{bar}{stop}</p>'
