"""What galleries are about, and embedders that are for such galleries and no others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.errors import Unsupported

if TYPE_CHECKING:
    from retrieval.galleries.base import Gallery
    from retrieval.types import Spec

FACES = "faces"
KINDS = (FACES,)
"""What a gallery can be declared to be about."""
FILE = "about.txt"
"""An optional file in a user's folder, with one of these words."""
NOTICE = {
    FACES: "Vectors that identify people by their faces are biometric data. The GDPR (Art. 9) "
    "forbids processing them but for its exceptions, such as explicit consent; the EU AI Act "
    "(Regulation 2024/1689) prohibits databases of faces that were scraped untargeted (Art. 5) "
    "and counts remote identification among the high risks (Annex III). Search only people "
    "who have agreed to it, or pictures that were published for research."
}
"""What the law says, shown wherever such an embedder answers; no legal advice."""


def unfit(spec: Spec, about: str) -> str:
    """Why an embedder is not for a gallery, in one clause; empty where it is.

    Args:
        spec: of the embedder.
        about: what the gallery is about.
    """
    if not spec.about or spec.about == about:
        return ""
    return f"compares {spec.about} only, and this is no gallery of {spec.about}"


def check(spec: Spec, gallery: Gallery) -> None:
    """Refuse an embedder that is for other galleries, before anything is loaded.

    Raises:
        Unsupported: saying what to use instead.
    """
    if unfit(spec, gallery.about):
        raise Unsupported(
            f"{spec.title} compares {spec.about} only, and {gallery.title} is no gallery of "
            f"{spec.about}; choose an embedder of whole pictures, or a gallery of {spec.about} "
            f"(a folder of yours is one if its {FILE} says {spec.about})"
        )


def declared(folder: Path) -> tuple[str, str]:
    """What a folder says it is about, and what is wrong with how it says it."""
    try:
        with (folder / FILE).open(encoding="utf-8") as file:
            word = file.read(80).strip()
    except FileNotFoundError:
        return "", ""
    except (OSError, UnicodeDecodeError) as error:
        return "", f"{FILE} cannot be read ({type(error).__name__})"
    return (word, "") if word in KINDS else ("", f"{FILE} may say {', '.join(KINDS)} and no more")
