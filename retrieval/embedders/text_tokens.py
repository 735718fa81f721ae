"""A library's own tokenizer, kept as it made it, so that a text needs neither it nor torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import manifest
from retrieval.errors import Damaged
from retrieval.runtime import paths

FILE = "tokenizer.json"
MOST_LETTERS = 32_768
"""Cut before tokenising: a megabyte would be read through for its first tokens."""
PROBES = ("a photo of a cat", "Don't STOP!  3.14 caf\u00e9 & \u65e5\u672c", "", "word " * 200)
"""Texts on which what is kept must agree with the library."""


def clean(text: str) -> str:
    """Text that the tokenizer takes: short enough, and no half of a surrogate pair."""
    return text[:MOST_LETTERS].encode("utf-8", "replace").decode("utf-8")


class Tokens:
    """What a library makes of texts; it is asked once, and imported for that alone.

    Args:
        key: all that decides it: whose, which revision, the settings.
        settings: that the library's tokenizer is called with, such as ``padding``.
        make: gives that tokenizer.

    Raises:
        Damaged: the library cannot read it, or what is kept does otherwise.
        NotReady: the cache cannot be written.
    """

    def __init__(
        self, key: Mapping[str, str], settings: Mapping[str, Any], make: Callable[[], Any]
    ) -> None:
        whole = {"kind": "tokenizer", **key, "settings": dict(settings)}
        folder = paths.cache() / "tokenizers" / manifest.digest(whole)
        self._tokenizer = _kept(folder) or _made(folder, whole, settings, make)

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token numbers and mask, both (n, length); 0 in the mask is padding."""
        encoded = self._tokenizer.encode_batch([clean(text) for text in texts])
        numbers = np.array([each.ids for each in encoded], dtype=np.int64)
        return numbers, np.array([each.attention_mask for each in encoded], dtype=np.int64)


def _kept(folder: Path) -> Any:
    """The tokenizer that an earlier start kept, if it is there and sound."""
    from tokenizers import Tokenizer

    try:
        manifest.check(folder)
    except Damaged:
        return None
    return Tokenizer.from_file(str(folder / FILE))


def _made(
    folder: Path, key: Mapping[str, Any], settings: Mapping[str, Any], make: Callable[[], Any]
) -> Any:
    import filelock
    from tokenizers import Tokenizer

    try:
        theirs = make()
        wanted = theirs(list(PROBES), **settings, return_tensors="np")
        told = theirs.backend_tokenizer.to_str()  # with the settings of that call
    except Exception as error:  # tokenizers raises nothing more special, transformers its own
        said = (str(error).splitlines() or [""])[0][:200]
        raise Damaged(f"the tokenizer of {key['source']} cannot be read ({said})") from error
    mine = Tokenizer.from_str(told)
    if [each.ids for each in mine.encode_batch(list(PROBES))] != wanted["input_ids"].tolist():
        raise Damaged(f"the tokenizer of {key['source']} does otherwise when it is kept")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder.with_suffix(".lock"))
        with lock, manifest.publish(folder, key) as beside:
            (beside / FILE).write_text(told, "utf-8")
    except OSError as error:
        raise paths.unwritable(folder.parent, error) from error
    return mine
