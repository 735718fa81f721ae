"""Turn two unpacked Debian packages into the galleries that ship.

    apt-get download tuxpaint-stamps-default openclipart-png
    for package in *.deb; do dpkg-deb --extract "$package" unpacked; done
    python scripts/make_galleries.py --stamps unpacked/usr/share/tuxpaint/stamps \
        --clipart unpacked/usr/share/openclipart/png --out data

Sorted paths and fixed settings: the same packages and library versions give the same bytes.
It writes the Parquet files and the shipped part of catalog.yaml, and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from retrieval import images
from retrieval.galleries.catalog import Shard
from retrieval.galleries.parquet import digest

ROW_GROUP = 64
"""Rows that are read together: one picture costs about half a megabyte."""
SHARD_BYTES = 20_000_000
BEGIN, END = "# Begin of what scripts/make_galleries.py writes.", "# End of it."
TEXT = pa.string()
SCHEMA = pa.schema(
    {
        "image": pa.struct({"bytes": pa.binary(), "path": TEXT}),
        "caption": TEXT,
        "captions": pa.list_(pa.struct({"language": TEXT, "caption": TEXT})),
        "label": TEXT,
        "labels": pa.list_(TEXT),
        "source": TEXT,
        "licence": TEXT,
    }
)


@dataclass(frozen=True)
class Recipe:
    """How one package becomes a gallery; the last three go into the catalogue as they are."""

    name: str
    longest: int
    inside: str
    title: str
    licence: dict[str, str]
    source: str


STAMPS = Recipe(
    "stamps",
    320,
    "usr/share/tuxpaint/stamps",
    "Tux Paint stamps",
    {
        "id": "GPL-2.0-or-later",
        "commercial": "conditions",
        "link": "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html",
    },
    "https://tuxpaint.org/stamps/",
)
CLIPART = Recipe(
    "clipart",
    224,
    "usr/share/openclipart/png",
    "Open Clip Art Library",
    {
        "id": "CC-PDDC",
        "commercial": "yes",
        "link": "https://spdx.org/licenses/CC-PDDC.html",
    },
    "https://openclipart.org/",
)


@dataclass(frozen=True)
class Item:
    """One picture before it is read."""

    path: Path
    inside: str
    captions: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]


def stamps(root: Path) -> Iterator[Item]:
    """Every stamp but the mirrored ones, by path."""
    for path in sorted(root.rglob("*.png")):
        if not path.stem.endswith("_mirror"):
            inside = path.relative_to(root)
            words = tuple(_stamp_captions(path.with_suffix(".txt")))
            yield Item(path, inside.as_posix(), words, (inside.parent.as_posix(),))


def _stamp_captions(path: Path) -> Iterator[tuple[str, str]]:
    """The first line is English, the others are ``xx.utf8=words``."""
    first, *others = path.read_text(encoding="utf-8").splitlines()
    yield "en", first.strip()
    for line in others:
        language, sign, words = line.partition(".utf8=")
        if sign and words.strip():
            yield language.strip(), words.strip()


def clipart(root: Path) -> Iterator[Item]:
    """Every file that is not too large, by path; its categories are all paths that lead to it."""
    paths = sorted(root.rglob("*.png"))
    links: dict[Path, list[str]] = {}
    for path in paths:
        if path.is_symlink():
            links.setdefault(path.resolve(), []).append(_folder(path, root))
    for path in paths:
        if not path.is_symlink() and _pixels(path) <= images.MOST_PIXELS:
            categories = dict.fromkeys([_folder(path, root), *links.get(path.resolve(), [])])
            words = (("en", readable(path.stem)),)
            yield Item(path, path.relative_to(root).as_posix(), words, tuple(categories))


def _folder(path: Path, root: Path) -> str:
    return path.relative_to(root).parent.as_posix()


def _pixels(path: Path) -> int:
    """Width times height from a PNG's header: two of the files have 623 megapixels."""
    with path.open("rb") as file:
        width, height = struct.unpack(">II", file.read(24)[16:])
    return int(width) * int(height)


def readable(stem: str) -> str:
    """A file's name as words: ``red_apple_01`` is "red apple"."""
    return re.sub(r"[\s_-]+", " ", re.sub(r"[_-]+0\d$", "", stem.strip("_-"))).strip() or stem


def row(item: Item, recipe: Recipe) -> dict[str, Any]:
    """One row of the Parquet, picture included."""
    small = images.webp(images.decode(images.read(item.path)), recipe.longest, method=6)
    return {
        "image": {"bytes": small, "path": str(Path(item.inside).with_suffix(".webp"))},
        "caption": item.captions[0][1],
        "captions": [{"language": each, "caption": words} for each, words in item.captions],
        "label": item.labels[0],
        "labels": list(item.labels),
        "source": f"{recipe.inside}/{item.inside}",
        "licence": recipe.licence["id"],
    }


def rows(items: list[Item], recipe: Recipe) -> Iterator[dict[str, Any]]:
    """All rows in the order of the items, made on every core."""
    with ProcessPoolExecutor() as pool:
        yield from pool.map(row, items, [recipe] * len(items), chunksize=16)


def shards(made: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows in equal parts, as few as keep the pictures of each below ``SHARD_BYTES``."""
    total = sum(len(each["image"]["bytes"]) for each in made)
    count = -(-total // SHARD_BYTES)
    step = -(-len(made) // count)
    return [made[at : at + step] for at in range(0, len(made), step)]


def features() -> dict[str, Any]:
    """The features as the ``datasets`` library writes them into a Parquet file."""
    text = {"dtype": "string", "_type": "Value"}
    spoken = {"language": text, "caption": text}
    lists = {"captions": spoken, "labels": text}
    return {
        "image": {"_type": "Image"},
        **{name: text for name in ("caption", "label", "source", "licence")},
        **{name: {"feature": inner, "_type": "List"} for name, inner in lists.items()},
    }


def write(part: list[dict[str, Any]], path: Path) -> Shard:
    """One Parquet file; pictures lie uncompressed, since WebP does not shrink."""
    known = features()
    ordered = {"info": {"features": {name: known[name] for name in SCHEMA.names}}}
    schema = SCHEMA.with_metadata({"huggingface": json.dumps(ordered)})
    leaves = ("caption", "label", "source", "licence", "image.path", "labels.list.element")
    spoken = [f"captions.list.element.{name}" for name in ("language", "caption")]
    packed = {**dict.fromkeys([*leaves, *spoken], "zstd"), "image.bytes": "none"}
    pq.write_table(
        pa.Table.from_pylist(part, schema=schema),
        path,
        row_group_size=ROW_GROUP,
        compression=packed,
        use_dictionary=["label", "licence", spoken[0]],
        write_statistics=False,
        write_page_checksum=True,
        store_schema=True,
    )
    data = path.read_bytes()
    return Shard(path.name, len(data), hashlib.sha256(data).hexdigest())


def make(recipe: Recipe, items: list[Item], out: Path) -> dict[str, Any]:
    """Write a gallery's files and give its entry of the catalogue."""
    folder = out / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    made = list(rows(items, recipe))
    parts = shards(made)
    names = [f"train-{at:05}-of-{len(parts):05}.parquet" for at in range(len(parts))]
    files = [write(part, folder / name) for part, name in zip(parts, names, strict=True)]
    return {
        "name": recipe.name,
        "title": recipe.title,
        "kind": "parquet",
        "rows": len(made),
        "bytes": sum(file.bytes for file in files),
        "licence": recipe.licence,
        "source": recipe.source,
        "revision": digest(files),
        "files": [{"name": f.name, "bytes": f.bytes, "sha256": f.sha256} for f in files],
    }


def publish(entries: list[dict[str, Any]], path: Path) -> None:
    """Replace the shipped part of the catalogue and keep the rest of it."""
    # JSON texts are YAML texts: quoted, so that "yes" stays a word.
    lines = [BEGIN]
    for entry in entries:
        for at, (name, value) in enumerate(entry.items()):
            lines.append(f"{'-' if at == 0 else ' '} {name}: {json.dumps(value)}")
    old = path.read_text(encoding="utf-8") if path.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    path.write_text(before + "\n".join(lines) + f"\n{END}" + rest.partition(END)[2], "utf-8")


def main() -> None:
    """Read the flags, make both galleries, write the catalogue."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stamps", type=Path, required=True, help="Tux Paint's folder of stamps")
    parser.add_argument("--clipart", type=Path, required=True, help="Open Clip Art's folder of PNG")
    parser.add_argument("--out", type=Path, required=True, help="the project's data folder")
    flags = parser.parse_args()
    entries = [
        make(STAMPS, list(stamps(flags.stamps)), flags.out),
        make(CLIPART, list(clipart(flags.clipart)), flags.out),
    ]
    publish(entries, flags.out / "catalog.yaml")
    for entry in entries:
        sys.stdout.write(f"{entry['name']}: {entry['rows']:,} rows, {entry['bytes']:,} bytes\n")


if __name__ == "__main__":
    main()
