"""Tokenizers that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from retrieval.embedders.text_tokens import Tokens
from retrieval.errors import NotReady


class Theirs:
    """A library's tokenizer of a single word."""

    backend_tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))

    def __call__(self, texts: list[str], **_: Any) -> dict[str, Any]:
        rows = np.empty(len(texts), dtype=object)
        rows[:] = [[0] if text else [] for text in texts]
        return {"input_ids": rows}


def test_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path))
    assert Tokens({"source": "x"}, {}, Theirs)(["a"])[0].tolist() == [[0]]

    def never() -> Theirs:
        raise AssertionError("it was kept")

    assert Tokens({"source": "x"}, {}, never)(["a"])[0].tolist() == [[0]]


def test_a_cache_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokenizers").write_text("no folder")
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path))
    with pytest.raises(NotReady, match="cannot be written.*set PARALLAX_CACHE"):
        Tokens({"source": "x"}, {}, Theirs)
