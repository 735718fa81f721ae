"""Write the README's tables from the registries: ``python -m scripts.make_readme``."""

from __future__ import annotations

from pathlib import Path

from retrieval.embedders import EMBEDDERS
from retrieval.galleries.catalog import Catalog, Entry
from retrieval.indexes import INDEXES
from retrieval.lab import DATA
from retrieval.types import Licence, Spec

README = DATA.parent / "README.md"
BEGIN, END = "<!-- tables:", "<!-- /tables -->"


def main() -> None:
    """Replace what stands between the two marks."""
    README.write_text(written(README.read_text("utf-8")), "utf-8")


def written(text: str) -> str:
    """The README with today's tables."""
    head, _, rest = text.partition(BEGIN)
    mark, _, rest = rest.partition("\n")
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{mark}\n{tables()}\n{END}{tail}"


def tables() -> str:
    """Galleries, embedders and indexes."""
    catalog = Catalog(DATA, Path("cache"))
    return "\n\n".join(
        [
            "## Galleries\n\n" + table(GALLERY, [gallery(each) for each in catalog.entries()]),
            "## Embedders\n\n" + table(EMBEDDER, [embedder(each) for each in EMBEDDERS.specs()]),
            "## Indexes\n\n" + table(INDEX, [index(each) for each in INDEXES.specs()]),
        ]
    )


GALLERY = ("gallery", "what", "pictures", "from", "licence")
EMBEDDER = ("embedder", "what", "reads", "dimension", "licence", "commercial use")
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
    return [f"`{spec.name}`", what, reads, str(spec.dim), licence(spec.licence), allowed]


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
