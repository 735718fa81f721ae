"""CLIP's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Damaged


class Tokens:
    """CLIP's lower-case byte pairs, as open_clip makes them, without importing torch.

    Args:
        path: of a ``tokenizer.json``.
        context: tokens that the text tower reads.
        words: tokens that there are; the last two stand for start and end.

    Raises:
        Damaged: the file cannot be read or holds another number of tokens.
    """

    def __init__(self, path: Path, context: int, words: int) -> None:
        from tokenizers import Tokenizer

        try:
            self._pairs = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more special
            raise Damaged(f"{path} is no tokenizer: {error}") from error
        self._pairs.no_padding()
        self._pairs.no_truncation()
        self._pairs.encode_special_tokens = True  # a text that holds one does not become one
        self._context = context
        self._first, self._last = words - 2, words - 1
        ends = [self._pairs.token_to_id(f"<|{word}text|>") for word in ("startof", "endof")]
        if ends != [self._first, self._last]:
            raise Damaged(
                f"{path} has start and end at {ends}; "
                f"a model of {words:,} tokens wants {[self._first, self._last]}"
            )

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Token numbers, (n, context), zero after the end; a longer text loses its rest."""
        encoded = self._pairs.encode_batch([_clean(text) for text in texts], False)
        rows = np.zeros((len(texts), self._context), dtype=np.int64)
        for row, each in zip(rows, encoded, strict=True):
            inner = each.ids[: self._context - 2]
            row[: len(inner) + 2] = [self._first, *inner, self._last]
        return rows


def _clean(text: str) -> str:
    """What open_clip does to a text before its byte pairs."""
    import html

    import ftfy

    whole = text.encode("utf-8", "replace").decode("utf-8")  # no lone surrogates
    unescaped = html.unescape(html.unescape(ftfy.fix_text(whole)))
    return " ".join(unescaped.split()).lower()
