"""What was measured, one JSON body a key, on disk beside the artefacts; each is its own receipt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retrieval import manifest
from retrieval.errors import BadQuery, Damaged
from retrieval.measure.receipts import FORMAT
from retrieval.runtime.machine import machine
from retrieval.store import Key

FILE = "note.json"
NAME = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Note:
    """A measurement.

    Attributes:
        key: all that decides it.
        body: what came out, plain JSON.
        machine: where it was measured.
        at: when, in UTC.
        recorded: versions, processor and Python of then.
    """

    key: Key
    body: Mapping[str, Any]
    machine: str
    at: str
    recorded: Mapping[str, Any] = field(default_factory=lambda: manifest.recorded())

    @property
    def here(self) -> bool:
        """Whether it was measured on a machine like this one."""
        return self.machine == machine()

    @property
    def name(self) -> str:
        """By which its receipt is asked for."""
        return manifest.digest(self.key)

    def receipt(self) -> dict[str, Any]:
        """All that it came of, and what came of it."""
        return {
            "format": FORMAT,
            "kind": self.key.get("kind"),
            "at": self.at,
            "machine": self.machine,
            **self.recorded,
            **{name: self.key.get(name) for name in ("gallery", "gallery_revision")},
            "options": {"queries": self.key.get("queries")},
            "keys": {self.key.get("embedder"): {**self.key, "kind": "vectors"}},
            "key": dict(self.key),
            "measured": dict(self.body),
        }


class Notes:
    """A folder of measurements, and perhaps one of those that ship.

    Args:
        root: where they stand.
        shipped: is looked into where the first has none; read only.
    """

    def __init__(self, root: Path, shipped: Path | None = None) -> None:
        self.root = root
        self.shipped = shipped

    def find(self, key: Key) -> Note | None:
        """The measurement of a key; one that is damaged is measured anew."""
        return self._first(manifest.digest(key))

    def save(self, key: Key, body: Mapping[str, Any]) -> Note:
        """Keep a measurement of here and now, in the place of an older one.

        Raises:
            LabError: the cache cannot be written.
        """
        return self.add(key, lambda _: body)

    def add(self, key: Key, make: Callable[[Note | None], Mapping[str, Any]]) -> Note:
        """Keep what is made of the one that is there, which nobody else changes meanwhile.

        Raises:
            LabError: the cache cannot be written.
        """
        target = self._place(key)
        with manifest.alone(target), manifest.publish(target, key) as folder:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            made = Note(key, make(self.find(key)), machine(), now)
            told = {"body": made.body, "machine": made.machine, "at": made.at}
            (folder / FILE).write_text(json.dumps(told), "utf-8")
        return made

    def named(self, name: str) -> Note:
        """A measurement by its receipt's name.

        Raises:
            BadQuery: there is none.
        """
        found = self._first(name) if NAME.fullmatch(name) else None
        if found is None:
            raise BadQuery("no measurement has this receipt; measure again for a new one")
        return found

    def folders(self) -> Iterator[Path]:
        """Every measurement of both."""
        for root in self._roots():
            for found in sorted(root.glob(f"[!.]*/{manifest.NAME}")):
                yield found.parent

    def _roots(self) -> tuple[Path, ...]:
        return (self.root, self.shipped) if self.shipped else (self.root,)

    def _first(self, name: str) -> Note | None:
        for root in self._roots():
            try:
                return manifest.steady(root / name, _read)
            except Damaged:
                continue
        return None

    def _place(self, key: Key) -> Path:
        return self.root / manifest.digest(key)


def _read(folder: Path) -> Note:
    known = manifest.check(folder)
    try:
        told = json.loads((folder / FILE).read_text("utf-8"))
        parts = dict(told["body"]), str(told["machine"]), str(told["at"])
        recorded = {name: each for name, each in known["recorded"].items() if name != "seconds"}
        return Note(known["key"], *parts, recorded)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{folder / FILE} cannot be read ({error}); delete {folder}") from error
