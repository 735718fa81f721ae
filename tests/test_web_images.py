"""Pictures of every kind, sound and broken, to the real lab over HTTP."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrieval.lab import Lab
from tests.served import QUIET, Answer, Served, sentence, served

pytestmark = [pytest.mark.server, QUIET]
OWL = 10
"""A row of the stamps whose picture is found again in any format."""
BOTH = ["efficientnet-lite0@exact", "phash@exact"]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        with served(Lab(cache=tmp_path_factory.mktemp("cache"))) as made:
            yield made


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def moving(owl: Image.Image, kind: str, **options: Any) -> bytes:
    """The owl, then two black frames."""
    black = Image.new("RGB", owl.size)
    return encoded(
        owl, kind, save_all=True, append_images=[black, black], duration=50, loop=0, **options
    )


def cornered(owl: Image.Image) -> Image.Image:
    """The owl on white, its white transparent over red."""
    pixels = np.dstack([np.asarray(owl), np.full(owl.size[::-1], 255, np.uint8)])
    pixels[(pixels[..., :3] > 250).all(axis=2)] = (255, 0, 0, 0)
    return Image.fromarray(pixels, "RGBA")


SAME: dict[str, Callable[[Image.Image], bytes]] = {
    "PNG": lambda owl: encoded(owl, "PNG"),
    "JPEG": lambda owl: encoded(owl, "JPEG", quality=90),
    "progressive JPEG": lambda owl: encoded(owl, "JPEG", quality=90, progressive=True),
    "CMYK JPEG": lambda owl: encoded(owl.convert("CMYK"), "JPEG", quality=95),
    "grey and alpha": lambda owl: encoded(owl.convert("LA"), "PNG"),
    "transparent": lambda owl: encoded(cornered(owl), "PNG"),
    "transparent WebP": lambda owl: encoded(cornered(owl), "WEBP", lossless=True, exact=True),
    "palette": lambda owl: encoded(owl.quantize(256), "PNG"),
    "palette GIF": lambda owl: encoded(owl, "GIF"),
    "animated GIF": lambda owl: moving(owl, "GIF"),
    "animated WebP": lambda owl: moving(owl, "WEBP", lossless=True),
    "animated PNG": lambda owl: moving(owl, "PNG"),
    "TIFF": lambda owl: encoded(owl, "TIFF", compression="tiff_lzw"),
    "BMP": lambda owl: encoded(owl, "BMP"),
    "named as text": lambda owl: encoded(owl, "PNG") + b"trailing",
    "large": lambda owl: encoded(owl.resize((4000, 5000)), "JPEG", quality=80),
}


def asked(web: Served, data: bytes, panels: list[str], k: int = 5) -> Answer:
    return web.call(None, base64.b64encode(data).decode(), panels, "stamps", k)


@pytest.fixture(scope="module")
def owl(web: Served) -> Image.Image:
    return web.lab.gallery("stamps").image(OWL)


@pytest.mark.parametrize("name", list(SAME))
def test_a_picture_is_found_in_any_format(web: Served, owl: Image.Image, name: str) -> None:
    data = SAME[name](owl)
    answer = asked(web, data, BOTH)
    assert answer.said == []
    assert answer.rows[0] == OWL
    path = web.upload("any name.txt", data)
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    page = web.stream([{"address": "?k=3&panel=efficientnet-lite0%40exact", "file": file}])
    assert page.said == []
    assert f'src="thumb/stamps/{OWL}?v=' in page.data[1].partition("</li>")[0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_all_eight_orientations_embed_alike(web: Served, owl: Image.Image, kind: str) -> None:
    """What is stored turned, and says so, is the same picture."""
    turns = [None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180,
             Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90,
             Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_270]  # fmt: skip
    every: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 98, "subsampling": 0},
        "WEBP": {"lossless": True},
    }
    options = every.get(kind, {})
    tops = []
    for orientation, turn in enumerate(turns, 1):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = owl if turn is None else owl.transpose(turn)
        data = encoded(stored, kind, exif=exif, **options)
        tops.append(asked(web, data, ["efficientnet-lite0@exact"], 3))
    scores = [[hit["score"] for hit in each.panels[0]["hits"]] for each in tops]
    assert [each.rows for each in tops] == [tops[0].rows] * 8
    assert tops[0].rows[0] == OWL
    assert np.allclose(scores, scores[0], atol=0.01 if kind == "JPEG" else 1e-6)
    unsaid = encoded(owl.transpose(Image.Transpose.ROTATE_90), kind, **options)
    turned = asked(web, unsaid, ["efficientnet-lite0@exact"], 3).panels[0]["hits"]
    assert turned[0]["score"] < scores[0][0] - 0.02  # the score does tell them apart


def test_deep_and_shallow_greys_are_scaled(web: Served, owl: Image.Image) -> None:
    grey = owl.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    shallow = grey.convert("1")
    wanted = asked(web, encoded(grey, "PNG"), BOTH).panels
    for kind in ("PNG", "TIFF"):
        found = asked(web, encoded(deep, kind), BOTH).panels
        assert [hit["row"] for hit in found[0]["hits"]] == [hit["row"] for hit in wanted[0]["hits"]]
        assert found[1]["hits"] == wanted[1]["hits"]
    one = asked(web, encoded(shallow, "PNG"), BOTH).panels
    eight = asked(web, encoded(shallow.convert("L"), "PNG"), BOTH).panels
    assert [each["hits"] for each in one] == [each["hits"] for each in eight]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_one_pixel_is_a_picture(web: Served, mode: str) -> None:
    answer = asked(web, encoded(Image.new(mode, (1, 1)), "PNG"), BOTH)
    assert answer.said == []
    assert [len(each["hits"]) for each in answer.panels] == [5, 5]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, all alike."""
    packer = zlib.compressobj(9)
    row = b"\0" * (width // 8 + 1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


LARGEST_GIF = (
    b"GIF89a\xff\xff\xff\xff\x80\0\0"
    + b"\0" * 6
    + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;"
)
GOOD = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
BAD: dict[str, tuple[bytes, str]] = {
    "truncated JPEG": (GOOD[: len(GOOD) // 2], "broken or cut off"),
    "JPEG of its header": (GOOD[:20], "broken or cut off"),
    "truncated PNG": (bomb(64, 64)[:50], "broken or cut off"),
    "text": (b"this is a text that is called a.png", "no picture that can be read"),
    "HTML": (b"<!doctype html><img src=x onerror=alert(1)>", "no picture that can be read"),
    "random": (bytes(range(256)) * 40, "no picture that can be read"),
    "ZIP": (b"PK\x03\x04" + b"\0" * 60, "no picture that can be read"),
    "100 megapixels": (bomb(10_000, 10_000), "100 megapixels; at most 25 are decoded"),
    "a strip": (bomb(2_000_000, 20), "40 megapixels; at most 25 are decoded"),
    "GIF's largest": (LARGEST_GIF, "megapixels"),
    "SVG": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG is not"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS is not accepted"),
    "PSD": (b"8BPS\0\x01" + b"\0" * 30, "PSD is not accepted"),
    "PDF": (b"%PDF-1.7\n", "PDF is not accepted"),
    "FITS": (b"SIMPLE  =                    T", "FITS is not accepted"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC is not accepted"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_pictures_are_refused_in_a_sentence(web: Served, name: str) -> None:
    data, why = BAD[name]
    assert len(data) < 20_000
    path = web.upload("a.png", data)
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    answers = [
        asked(web, data, BOTH),
        web.call(None, file, BOTH, "stamps", 5),
        web.stream([{"address": "?panel=efficientnet-lite0%40exact", "file": file}]),
    ]
    for answer in answers:
        for said in answer.said:
            assert why in sentence(said)
        assert answer.said
    failed, text = web.mcp(image=base64.b64encode(data).decode(), panels=BOTH)
    assert failed or text.count(why) == 2
    web.alive()


@pytest.mark.parametrize("empty", ["", "data:image/png;base64,", "data:,", "FILE"])
def test_an_empty_picture_is_refused(web: Served, empty: str) -> None:
    image: Any = {"path": web.upload("a.png", b"")} if empty == "FILE" else empty
    answer = web.call(None, image, BOTH, "stamps", 5)
    assert answer.said
    for said in answer.said:
        assert "0 bytes" in sentence(said) or "ask by one" in said


@pytest.mark.parametrize("text", ["====", "a", "AAAA AAAA", "\0", "é", "data:image/png;base64,%%%"])
def test_what_is_no_base64_is_refused(web: Served, text: str) -> None:
    answer = web.call(None, text, BOTH, "stamps", 5)
    assert answer.kind == "error"
    assert "no base64" in sentence(answer.said[0])
