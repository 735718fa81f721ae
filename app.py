"""Parallax in the browser: ``python app.py``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="your own pictures, as the gallery 'folder'")
    parser.add_argument("--public", action="store_true", help="strangers use it: builds nothing")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.add_argument("--cache", type=Path, help="where to keep what is built")
    parser.add_argument("--memory", help="models that stay loaded, as 8GB: default half of it all")
    parser.add_argument("--precision", help="what networks compute in: float32 or bfloat16")
    return parser


def main() -> None:
    """Open the page and stay."""
    options = flags().parse_args()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from retrieval.cli import caching, lab, sorry
    from retrieval.errors import LabError
    from retrieval.ui.launch import serve

    host = options.host or os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    try:
        with caching(options.cache):
            serve(lab(options), host, options.port)
    except LabError as error:
        raise SystemExit(sorry(str(error), 2)) from None


if __name__ == "__main__":
    main()
    os._exit(0)  # the end of the interpreter would wait for threads that still embed
