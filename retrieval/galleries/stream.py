"""A split of a hub's data set as rows of a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from retrieval import hub, images
from retrieval.errors import BadImage, Damaged
from retrieval.galleries.catalog import Entry

LONGEST = 320
"""Pixels of the longer side of a kept picture."""


class Stream:
    """The rows of a split at its pinned revision, from a place on.

    Args:
        entry: of kind ``hub``.
        place: what ``place`` gave after the last row that is kept; none for the first row.
        read: rows of the split before that place.

    Raises:
        NotReady: gated, or a token is wanted.
        Unreachable: no answer, refused, offline.
        Damaged: another commit came, or a column is not there.
    """

    def __init__(self, entry: Entry, place: dict[str, Any] | None, read: int) -> None:
        self._entry = entry
        self._read = read
        _check(entry)
        self._stream = _opened(entry)
        label = self._stream.features.get(entry.label)
        self._names: list[str] | None = getattr(getattr(label, "feature", label), "names", None)
        if place is not None:
            self._stream.load_state_dict(place)

    def place(self) -> dict[str, Any]:
        """Where the stream stands: after the row that it gave last."""
        found: dict[str, Any] = self._stream.state_dict()
        return found

    def __iter__(self) -> Iterator[dict[str, Any] | None]:
        """Each row with its picture as WebP, or None where its picture cannot be read."""
        rows = iter(self._stream)
        while (example := self._next(rows)) is not None:
            try:
                yield self._row(example)
            except BadImage:
                yield None
            self._read += 1

    def _next(self, rows: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
        try:
            return next(rows, None)
        except Exception as error:  # fsspec, pyarrow, httpx and datasets each raise their own
            raise hub.explained(error, self._entry.repo, "dataset") from error

    def _row(self, example: Mapping[str, Any]) -> dict[str, Any]:
        entry = self._entry
        captions = [_line(each) for each in _many(example.get(entry.caption))]
        named = [self._label(each) for each in _many(example.get(entry.label))]
        labels = list(dict.fromkeys(filter(None, named)))
        stored = example.get(entry.image) or {}
        if not stored.get("bytes"):
            raise BadImage("the row holds a link or nothing instead of a picture; skip it")
        picture = images.webp(images.decode(stored["bytes"], LONGEST), LONGEST)
        return {
            "image": {"bytes": picture, "path": f"{self._read}.webp"},
            "caption": captions[0] if captions else "",
            "captions": [{"language": "en", "caption": each} for each in captions],
            "label": labels[0] if labels else "",
            "labels": labels,
            "source": f"{entry.split} {self._read} {stored.get('path') or ''}".strip(),
            "licence": entry.licence.id,
        }

    def _label(self, value: Any) -> str:
        if self._names is not None and isinstance(value, int):
            return self._names[value] if 0 <= value < len(self._names) else ""  # -1 is unknown
        return _line(value)


def _check(entry: Entry) -> None:
    """Ask for the revision first: a refusal then comes at once and with its status."""
    if hub.offline():
        raise hub.forbidden(entry.repo)
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.endpoint())
    try:
        info = api.dataset_info(entry.repo, revision=entry.revision, timeout=10)
    except Exception as error:  # the client's own errors and those of its transport
        raise hub.explained(error, entry.repo, "dataset") from error
    if info.sha != entry.revision:
        raise Damaged(
            f"the hub gave commit {info.sha} of {entry.repo}, wanted is {entry.revision}; "
            "nothing of it is used: check HF_ENDPOINT"
        )


def _opened(entry: Entry) -> Any:
    """The split, its pictures encoded as they are stored."""
    from datasets import Image, load_dataset  # type: ignore[import-untyped]

    try:
        stream = load_dataset(
            entry.repo,
            entry.config or None,
            split=entry.split,
            revision=entry.revision,
            streaming=True,
        )
        if stream.features is None:  # where no file declares them the first rows do
            stream = stream._resolve_features()
    except Exception as error:  # fsspec, pyarrow, httpx and datasets each raise their own
        raise hub.explained(error, entry.repo, "dataset") from error
    for column in filter(None, (entry.image, entry.caption, entry.label)):
        if column not in stream.features:
            raise Damaged(
                f"{entry.repo} has no column {column!r}, it has: {', '.join(stream.features)}; "
                "correct the entry"
            )
    return stream.cast_column(entry.image, Image(decode=False))


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _line(value: Any) -> str:
    return " ".join(str(value).split())
