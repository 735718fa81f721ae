"""ONNX files, read by OpenVINO itself: neither torch nor the package ``onnx`` is needed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.errors import Damaged
from retrieval.runtime import engine

if TYPE_CHECKING:
    from retrieval.runtime.recipe import Recipe

BY = ("openvino",)
"""What ``Recipe.by`` is of such a file."""


@dataclass(frozen=True, slots=True)
class Onnx:
    """A network that takes one batch of pictures, float32 (n, 3, height, width) from 0 to 255.

    Attributes:
        path: the file.
        bgr: blue comes first.
    """

    path: Path
    bgr: bool = False


def read(recipe: Recipe) -> Any:
    """The file as an OpenVINO model that takes uint8 (n, height, width, 3), red first.

    Its batch is free where its layers let it be, else one.

    Raises:
        Damaged: it cannot be read, or takes something else.
    """
    file: Any = recipe.module()
    shape = list(recipe.inputs[0][1])
    try:
        model = _folded(_fitting(engine.core().read_model(file.path), shape), file.bgr)
        return _free(model, shape) or _fixed(model, shape)
    except (RuntimeError, ValueError, IndexError) as error:  # OpenVINO's own are of these
        said = (str(error).strip().splitlines() or [""])[-1].strip()[:200]
        raise Damaged(
            f"{file.path} is no network that takes pictures of {shape[1]} x {shape[2]} ({said}); "
            "delete that file and load it again"
        ) from error


def _fitting(model: Any, shape: list[int]) -> Any:
    """The model, if its own input can be of this height and width."""
    library: Any = engine.openvino()
    _, high, wide, colours = shape
    own = model.input().partial_shape
    if not own.compatible(library.PartialShape([-1, colours, high, wide])):
        raise ValueError(f"its input is {own}")
    return model


def _folded(model: Any, bgr: bool) -> Any:
    """The model with its input in bytes, as pictures lie in memory."""
    library: Any = engine.openvino()
    made = importlib.import_module("openvino.preprocess").PrePostProcessor(model)
    one = made.input()
    one.tensor().set_element_type(library.Type.u8).set_layout(library.Layout("NHWC"))
    one.model().set_layout(library.Layout("NCHW"))
    one.preprocess().convert_element_type(library.Type.f32)
    if bgr:
        one.preprocess().reverse_channels()
    return made.build()


def _free(model: Any, shape: list[int]) -> Any:
    """A copy with a free batch; none where a layer fixes it."""
    copy = model.clone()
    try:
        copy.reshape({0: [-1, *shape[1:]]})
    except RuntimeError:
        return None
    free = all(each.partial_shape[0].is_dynamic for each in copy.outputs)
    return copy if free else None


def _fixed(model: Any, shape: list[int]) -> Any:
    model.reshape({0: [1, *shape[1:]]})
    return model
