"""Writes ``data/models/openclip_tags.txt``: what open_clip's ARCHITECTURE/TAG means on the hub.

Run after open_clip is upgraded: ``python -m scripts.make_openclip_tags``.
"""

from __future__ import annotations

from retrieval.embedders.typed import TAGS


def lines() -> list[str]:
    """``ARCHITECTURE/TAG owner/name`` of all that open_clip has on the hub, sorted."""
    from open_clip.pretrained import _PRETRAINED  # type: ignore[import-untyped]

    return sorted(
        f"{architecture}/{tag} {'/'.join(known['hf_hub'].split('/')[:2])}"
        for architecture, tags in _PRETRAINED.items()
        for tag, known in tags.items()
        if known.get("hf_hub")
    )


def main() -> None:
    """Write the file."""
    TAGS.parent.mkdir(parents=True, exist_ok=True)
    TAGS.write_text("\n".join(lines()) + "\n", "utf-8")


if __name__ == "__main__":
    main()
