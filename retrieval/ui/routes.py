"""Routes beside Gradio's: pictures of the galleries; and those of Gradio's that are closed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from io import BytesIO

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from retrieval.errors import LabError
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab

DAY = "public, max-age=86400"
LARGE = 200_000
"""Bytes from which a picture is made smaller before it is sent."""
SIDE = 480
"""Longest side of a picture that was made smaller."""
OTHER = "application/octet-stream"
"""What not every browser shows, such as TIFF: it is sent as WebP."""
CLOSED = (
    "/gradio_api/file={path:path}",
    "/gradio_api/file/{path:path}",
    "/gradio_api/proxy={path:path}",
    "/gradio_api/deep_link",
    "/gradio_api/process_recording",
    "/gradio_api/component_server",
    "/gradio_api/component_server/",
    "/gradio_api/vibe-edit",
    "/gradio_api/vibe-code",
    "/gradio_api/vibe-starter-queries",
    "/gradio_api/undo-vibe-edit",
    "/monitoring",
    "/monitoring/{path:path}",
)
"""The page needs none of these; the first three read files or other servers."""


def routes(lab: Lab) -> list[Route]:
    """What ``launch(app_kwargs={"routes": ...})`` takes; they come before Gradio's."""

    def thumb(request: Request) -> Response:
        return picture(lab, request)

    closed = [Route(path, _closed, methods=["GET", "HEAD", "POST"]) for path in CLOSED]
    return [Route("/thumb/{gallery}/{row}", thumb, methods=["GET", "HEAD"]), *closed]


def picture(lab: Lab, request: Request) -> Response:
    """A picture of a gallery by its row; 404 where there is none."""
    try:
        gallery = lab.catalog.open(request.path_params["gallery"])
        row = _row(request.path_params["row"], len(gallery))
        tag = _tag(gallery, row)
        headers = {"ETag": tag, "Cache-Control": DAY, "X-Content-Type-Options": "nosniff"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        data = _shown(gallery, row)
    except (LabError, ValueError) as error:
        return PlainTextResponse(str(error), status_code=404)
    return Response(data, media_type=_type(data), headers=headers)


def _closed(request: Request) -> Response:
    return PlainTextResponse("This app serves no files here.", status_code=404)


def _row(text: str, count: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) < count):
        raise ValueError(f"no picture {text[:80]!r}; rows run from 0 to {count - 1}")
    return int(text)


def _tag(gallery: Gallery, row: int) -> str:
    name = f"{gallery.name} {gallery.revision} {row}"
    return f'"{hashlib.sha256(name.encode()).hexdigest()[:20]}"'


def _type(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    return "image/gif" if data[:4] == b"GIF8" else OTHER


@lru_cache(maxsize=256)
def _shown(gallery: Gallery, row: int) -> bytes:
    """A picture as it is stored, or made anew where that is large or nothing for a browser."""
    data = gallery.encoded(row)
    if len(data) <= LARGE and _type(data) != OTHER:
        return data
    image = gallery.image(row, SIDE // 2)
    image.thumbnail((SIDE, SIDE))
    out = BytesIO()
    image.save(out, "WEBP", quality=85)
    return out.getvalue()
