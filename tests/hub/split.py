"""A split in the hub's layout, and how a client builds a gallery of it."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from PIL import Image

from retrieval.galleries.catalog import Entry
from retrieval.types import Licence
from tests.hubclient import HubClient

SHA, OTHER = "1" * 40, "2" * 40
LICENCE = Licence("CC0-1.0", "yes", "https://creativecommons.org/publicdomain/zero/1.0/")
ENTRY = Entry(
    "tiny", "Tiny", "hub", 30, 0, LICENCE, "https://example.org", SHA,
    repo="lab/tiny", config="default", split="test",
    image="image", caption="caption", label="label",
)  # fmt: skip
BUILD = """
from pathlib import Path
from retrieval.galleries import hub as galleries
from retrieval.galleries.catalog import Entry
from retrieval.types import Licence
entry = Entry(**{**entry, "licence": Licence(**entry["licence"]), "files": ()})
galleries.SHARD_ROWS = 8
seen = []
galleries.build(entry, Path(cache), limit, lambda *step: seen.append(step))
answer = seen
"""
README = b"""---
configs:
- config_name: default
  data_files:
  - split: test
    path: data/test-*
---
"""


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 200), (number * 8, 0, 255 - number * 8)).save(out, "PNG")
    return out.getvalue()


def shard(first: int, last: int, broken: int = -1) -> bytes:
    """Rows of a split as ``datasets`` writes them: class labels are numbers."""
    rows = [
        {
            "image": {
                "bytes": b"no picture" if row == broken else picture(row),
                "path": f"{row}.png",
            },
            "caption": [f"picture  {row}", f"number {row}"],
            "label": row % 3 - 1,
        }
        for row in range(first, last)
    ]
    features = {
        "image": {"_type": "Image"},
        "caption": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    }
    schema = pa.schema(
        {
            "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            "caption": pa.list_(pa.string()),
            "label": pa.int64(),
        },
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), out, row_group_size=5)
    return out.getvalue()


def build(
    client: HubClient, cache: Path, entry: Entry = ENTRY, limit: int | None = None, **given: Any
) -> dict[str, Any]:
    return client.run(BUILD, entry=asdict(entry), cache=str(cache), limit=limit, **given)
