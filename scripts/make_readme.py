"""Write the tables of README and catalogue from the registries, and what ``evaluate`` measures.

``python -m scripts.make_readme``; with ``--quality`` the measured tables are made anew too. The
README shows what works without a download, ``docs/catalogue.md`` everything.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from retrieval.commands.evaluate import MINE, measured, plain
from retrieval.commands.verify import shipping
from retrieval.embedders import EMBEDDERS
from retrieval.galleries.catalog import Catalog, Entry
from retrieval.indexes import INDEXES
from retrieval.lab import DATA, Lab
from retrieval.measure.metrics import NAMES
from retrieval.readiness import download
from retrieval.registry import families
from retrieval.types import Licence, Spec

README = DATA.parent / "README.md"
CATALOGUE = DATA.parent / "docs" / "catalogue.md"
GALLERIES = ("stamps", "clipart")


def main() -> None:
    """Replace what stands between the marks."""
    text = written(README.read_text("utf-8"))
    if "--quality" in sys.argv:
        text = between(text, "quality", quality())
    README.write_text(text, "utf-8")
    CATALOGUE.write_text(catalogue(), "utf-8")


def written(text: str) -> str:
    """The README with today's tables."""
    return between(text, "tables", tables())


def catalogue() -> str:
    """Every gallery, embedder and index."""
    galleries = [gallery(each) for each in Catalog(DATA, Path("cache")).entries()]
    parts: list[tuple[str, tuple[str, ...], list[list[str]]]] = [("Galleries", GALLERY, galleries)]
    for family, specs in families(named()).items():
        parts.append((f"Embedders: {family}", EMBEDDER, [embedder(each) for each in specs]))
    for family, specs in families(INDEXES.specs()).items():
        parts.append((f"Indexes: {family or 'Exact'}", INDEX, [index(each) for each in specs]))
    text = "\n\n".join(f"## {title}\n\n{table(head, rows)}" for title, head, rows in parts)
    return f"{HEAD}\n\n{text}\n"


def named() -> list[Spec]:
    """The embedders that everybody has: none that was trained here."""
    return [each for each in EMBEDDERS.specs() if not each.param("parent")]


def between(text: str, mark: str, new: str) -> str:
    """A text with something new between two marks."""
    head, begin, rest = text.partition(f"<!-- {mark}:")
    said, newline, rest = rest.partition("\n")
    _, end, tail = rest.partition(f"<!-- /{mark} -->")
    return f"{head}{begin}{said}{newline}{new}\n{end}{tail}"


def quality() -> str:
    """What every embedder that needs no hub reaches in the shipped galleries."""
    return "\n\n".join(
        f"**{name}, {task}**\n\n" + table(("embedder", "queries", *NAMES), rows)
        for name in GALLERIES
        for task, rows in by_task(name).items()
    )


def by_task(gallery: str) -> dict[str, list[list[str]]]:
    """Rows of figures by task."""
    lab = Lab()
    tasks: dict[str, list[list[str]]] = {}
    for each in map(plain, measured(lab, lab.gallery(gallery), shipping(), [MINE])):
        tasks.setdefault(each["task"], []).append(measured_row(each))
    return tasks


def measured_row(each: dict[str, Any]) -> list[str]:
    """An embedder with its figures and their intervals."""
    cells = [
        f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
        for value in each["metrics"].values()
    ]
    return [f"`{each['embedder']}`", f"{each['queries']:,}", *cells]


def tables() -> str:
    """What works without a download or a further package, and how much else there is."""
    entries = Catalog(DATA, Path("cache")).entries()
    galleries = [gallery(each) for each in entries if each.kind == "parquet"]
    ships = [each for each in map(EMBEDDERS.spec, shipping()) if "cv2" not in each.needs]
    base = [each for each in INDEXES.specs() if set(each.needs) <= {"faiss"}]
    return "\n\n".join(
        [
            "## Galleries\n\n" + table(GALLERY, galleries),
            "## Embedders\n\n" + table(EMBEDDER, [embedder(each) for each in ships]),
            "## Indexes\n\n" + table(INDEX, [index(each) for each in base]),
            f"The other {len(entries) - len(galleries)} galleries, {len(named()) - len(ships)} "
            f"embedders and {len(INDEXES.names()) - len(base)} indexes, which need a download, a "
            "key, a server or a further package, stand in [the catalogue](docs/catalogue.md).",
        ]
    )


HEAD = """# Catalogue

Everything that can be picked, as `python -m retrieval list` prints it; made by `python -m
scripts.make_readme`, checked by a test. What is missing on a machine is listed there with the
reason and the remedy."""
GALLERY = ("gallery", "what", "pictures", "from", "licence")
EMBEDDER = (
    "embedder",
    "what",
    "reads",
    "dimension",
    "parameters",
    "download",
    "licence",
    "commercial use",
)
INDEX = ("index", "what", "compares by", "knobs: default (range), *at build time*")


def gallery(entry: Entry) -> list[str]:
    """A row about a gallery."""
    where = {"parquet": "ships", "hub": "hub", "folder": "yours"}[entry.kind]
    rows = f"{entry.rows:,}" if entry.rows else "?"
    return [
        f"`{entry.name}`",
        f"[{entry.title}]({entry.source})",
        rows,
        where,
        licence(entry.licence),
    ]


def embedder(spec: Spec) -> list[str]:
    """A row about an embedder."""
    reads = " + ".join(["pictures"] * spec.reads_images + ["text"] * spec.reads_text)
    allowed = spec.licence.commercial if spec.licence else ""
    what = f"{spec.title} ({spec.note})" if spec.note else spec.title
    known = spec.parameters and f"{spec.parameters / 1e6:,.0f} M"
    return [
        f"`{spec.name}`",
        what,
        reads,
        str(spec.dim),
        known or "",
        fetched(spec),
        licence(spec.licence),
        allowed,
    ]


def fetched(spec: Spec) -> str:
    """How much an embedder fetches when it is first used."""
    return download(spec) if spec.param("repo") else ""


def index(spec: Spec) -> list[str]:
    """A row about an index."""
    told = [f"{each.name} {each.default} ({each.low} to {each.high})" for each in spec.knobs]
    marked = [
        f"*{text}*" if each.when == "build" else text
        for each, text in zip(spec.knobs, told, strict=True)
    ]
    return [f"`{spec.name}`", spec.title, " or ".join(spec.metrics), ", ".join(marked)]


def licence(given: Licence | None) -> str:
    """A licence with its link."""
    if given is None:
        return ""
    return f"[{given.id}]({given.link})" if given.link else given.id


def table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
