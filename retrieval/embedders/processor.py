"""What ``preprocessor_config.json`` says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from retrieval.errors import Damaged

NAME = "preprocessor_config.json"
RESAMPLING = {2: Image.Resampling.BILINEAR, 3: Image.Resampling.BICUBIC}

Way = Literal["middle", "stretched", "patches"]
"""The middle of a picture; all of it in a square; or all of it in patches, its shape kept."""

_MEANT = {"do_resize": True, "do_rescale": True, "do_normalize": True}
_WAYS: dict[str, Way] = {
    "BitImageProcessor": "middle",
    "CLIPImageProcessor": "middle",
    "CLIPFeatureExtractor": "middle",
    "DINOv3ViTImageProcessor": "stretched",
    "Siglip2ImageProcessor": "patches",
}


@dataclass(frozen=True, slots=True)
class Processor:
    """How one of transformers' image processors makes numbers of a picture.

    Attributes:
        way: what becomes of the picture's shape.
        side: pixels of the square that the network reads; of one patch where ``way`` is patches.
        edge: pixels of the shorter edge before the middle is cut out.
        most: patches of one picture, at most.
        mean: of each colour, from 0 to 1.
        deviation: of each colour.
        resampling: how a picture is shrunk.
    """

    way: Way
    side: int
    edge: int
    most: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    resampling: Image.Resampling


def read_processor(folder: Path) -> Processor:
    """What the folder's image processor does.

    Raises:
        Damaged: no configuration, or of a kind that is not read here.
    """
    path = folder / NAME
    try:
        told = json.loads(path.read_text("utf-8"))
        return _processor(told)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise Damaged(f"{path} is no configuration of an image processor ({what})") from error


def _processor(told: dict[str, Any]) -> Processor:
    name = told.get("image_processor_type") or told["feature_extractor_type"]
    way = _WAYS[name.removesuffix("Fast")]
    wrong = [key for key, wanted in _MEANT.items() if told.get(key, wanted) is not wanted]
    if wrong or bool(told.get("do_center_crop", way == "middle")) != (way == "middle"):
        raise ValueError(f"{', '.join(wrong) or 'do_center_crop'} is not as {name} is read here")
    side, edge, most = _sizes(told, way)
    if edge < side:
        raise ValueError(f"the middle of {side} is cut from an edge of {edge}")
    return Processor(
        way=way,
        side=side,
        edge=edge,
        most=most,
        mean=_three(told["image_mean"]),
        deviation=_three(told["image_std"]),
        resampling=RESAMPLING[told["resample"]],
    )


def _sizes(told: dict[str, Any], way: Way) -> tuple[int, int, int]:
    """Side, edge and most patches."""
    if way == "patches":
        return int(told["patch_size"]), int(told["patch_size"]), int(told["max_num_patches"])
    size = told["size"]
    if way == "stretched":
        return _square(size), _square(size), 0
    edge = int(size["shortest_edge"] if isinstance(size, dict) else size)
    return _square(told["crop_size"]), edge, 0


def _square(size: Any) -> int:
    """A side in pixels, which older files give as a bare number."""
    if not isinstance(size, dict):
        return int(size)
    if size["height"] != size["width"]:
        raise ValueError(f"{size} is no square")
    return int(size["height"])


def _three(values: Any) -> tuple[float, ...]:
    found = tuple(map(float, values))
    if len(found) != 3:
        raise ValueError(f"{len(found)} colours")
    return found
