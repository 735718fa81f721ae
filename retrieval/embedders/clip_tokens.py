"""The tokenizers of OpenCLIP models, without importing torch or transformers."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders.clip_config import Config
from retrieval.errors import Damaged

TOKENS = "tokenizer.json"
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")
"""Where a model's own tokenizer says what it pads with; the second need not be there."""
_PUNCTUATION = str.maketrans("_", " ", string.punctuation.replace("_", ""))


class Tokens:
    """Token numbers as open_clip makes them.

    Args:
        folder: with ``tokenizer.json`` and, where the tokenizer is the model's own, ``SETTINGS``.
        config: of the model.

    Raises:
        Damaged: a file cannot be read, or is of another model.
    """

    def __init__(self, folder: Path, config: Config) -> None:
        self._config = config
        self._clean = _CLEANING[config.cleaning]
        self._pairs = _tokenizer(folder / TOKENS)
        if config.own:
            self._arrange(folder)
        else:
            self._pairs.encode_special_tokens = True  # a text that holds one does not become one
            self._ends = _ends(self._pairs, folder / TOKENS, config.words)

    def _arrange(self, folder: Path) -> None:
        """Cut and fill as the folder's settings say."""
        settings, length = _settings(folder), self._config.context
        pad, side = _special(settings, "pad_token"), _end(settings, "padding_side", folder)
        number = self._number(pad, "pad_token", folder)
        self._separator = (
            self._number(_special(settings, "sep_token"), "sep_token", folder)
            if self._config.strips
            else None
        )
        end = _end(settings, "truncation_side", folder)
        self._pairs.enable_truncation(length, direction=end)
        self._pairs.enable_padding(direction=side, pad_id=number, pad_token=pad, length=length)
        most = self._pairs.get_vocab_size()
        if most > self._config.words:
            raise Damaged(f"{folder} has {most:,} tokens; its model reads {self._config.words:,}")

    def _number(self, token: str, name: str, folder: Path) -> int:
        number = self._pairs.token_to_id(token)
        if number is None:
            raise Damaged(f"{folder / SETTINGS[0]} names no {name} that {TOKENS} holds ({token!r})")
        return int(number)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Token numbers, (n, context); a longer text loses its rest."""
        whole = [self._clean(text.encode("utf-8", "replace").decode("utf-8")) for text in texts]
        encoded = self._pairs.encode_batch(whole, add_special_tokens=self._config.own)
        if not self._config.own:
            return self._ended([each.ids for each in encoded])
        rows = np.array([each.ids for each in encoded], np.int64).reshape(
            len(texts), self._config.context
        )
        return rows if self._separator is None else np.where(rows == self._separator, 0, rows)

    def _ended(self, encoded: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """CLIP's rows: between its start and its end, then zeros."""
        first, last = self._ends
        rows = np.zeros((len(encoded), self._config.context), dtype=np.int64)
        for row, ids in zip(rows, encoded, strict=True):
            inner = ids[: self._config.context - 2]
            row[: len(inner) + 2] = [first, *inner, last]
        return rows


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more special
        raise Damaged(f"{path} is no tokenizer: {error}") from error
    made.no_padding()
    made.no_truncation()
    return made


def _ends(pairs: Any, path: Path, words: int) -> tuple[int, int]:
    """The numbers of CLIP's start and end: the last two that there are."""
    ends = tuple(pairs.token_to_id(f"<|{word}text|>") for word in ("startof", "endof"))
    if ends != (words - 2, words - 1):
        raise Damaged(
            f"{path} has start and end at {list(ends)}; "
            f"a model of {words:,} tokens wants {[words - 2, words - 1]}"
        )
    return words - 2, words - 1


def _settings(folder: Path) -> dict[str, Any]:
    """Both files of settings, the first one's word before the second's."""
    found: dict[str, Any] = {}
    for name in reversed(SETTINGS):
        path = folder / name
        if name == SETTINGS[0] or path.is_file():
            try:
                found |= dict(json.loads(path.read_text("utf-8")))
            except (OSError, ValueError, TypeError) as error:
                raise Damaged(f"{path} holds no settings of a tokenizer: {error}") from error
    return found


def _special(settings: dict[str, Any], name: str) -> str:
    token = settings.get(name)
    return str((token.get("content") if isinstance(token, dict) else token) or "")


def _end(settings: dict[str, Any], name: str, folder: Path) -> str:
    """The end of a text at which it is filled or cut."""
    found = settings.get(name, "right")
    if found not in ("left", "right"):
        raise Damaged(f"{folder / SETTINGS[0]} has {name} {found!r:.80}; it is left or right")
    return str(found)


def _basic(text: str) -> str:
    """What open_clip does to every text."""
    import html

    import ftfy

    return html.unescape(html.unescape(ftfy.fix_text(text)))


def _whitespace(text: str) -> str:
    return " ".join(_basic(text).split())


def _canonical(text: str) -> str:
    """Small letters without punctuation, as SigLIP was trained on."""
    return " ".join(_basic(text).strip().translate(_PUNCTUATION).lower().split())


_CLEANING: dict[str, Callable[[str], str]] = {
    "lower": lambda text: _whitespace(text).lower(),
    "whitespace": _whitespace,
    "canonicalize": _canonical,
}
