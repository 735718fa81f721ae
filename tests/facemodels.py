"""Tiny networks as ONNX files: one whose faces are where a picture says so, one of random numbers.

The finder has the inputs and outputs of YuNet's file. A green square of a picture is a face of
48 pixels and a red one a face of 192, seen by the layers of stride 8 and 32; both are as sure as
they are bright. Stride 16 sees nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

ARCFACE, SFACE = "arcface-r100", "sface"
MARKS = np.array([(-1.2, -1.0), (1.3, -1.1), (0.1, 0.2), (-0.9, 1.4), (1.0, 1.3)])
"""A face's five points from its middle, in strides."""
BOX = 6.0
"""Sides of a face in strides."""
SIDE = 640
BLUE, GREEN, RED = 0, 1, 2
SEES = {8: GREEN, 16: None, 32: RED}


def finder(path: Path, random: int | None = None) -> Path:
    """Write a network with YuNet's inputs and outputs.

    Args:
        path: of the file.
        random: a seed for weights of all layers, in the place of those that see squares.
    """
    nodes, held, outputs = [], [], []
    for stride in SEES:
        kernel: dict[str, Any] = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes.append(helper.make_node("AveragePool", ["input"], [f"seen_{stride}"], **kernel))
        for name, (weights, bias) in _heads(stride, random).items():
            end = f"{name}_{stride}"
            held += [_held(f"{end}_w", weights), _held(f"{end}_b", bias)]
            held.append(_held(f"{end}_s", np.array((1, -1, len(bias)))))
            nodes += [
                helper.make_node("Conv", [f"seen_{stride}", f"{end}_w", f"{end}_b"], [f"{end}_c"]),
                helper.make_node("Transpose", [f"{end}_c"], [f"{end}_t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{end}_t", f"{end}_s"], [end]),
            ]
            shape = [1, (SIDE // stride) ** 2, len(bias)]
            outputs.append(helper.make_tensor_value_info(end, TensorProto.FLOAT, shape))
    outputs.sort(key=lambda each: [*"cobk"].index(each.name[0]) * 99 + len(each.name))
    return _save(path, nodes, [1, 3, SIDE, SIDE], outputs, held)


Head = tuple[NDArray[np.float32], NDArray[np.float32]]


def _heads(stride: int, random: int | None) -> dict[str, Head]:
    """Weights (out, 3, 1, 1) and bias (out,) of the four kinds of outputs."""
    if random is not None:
        noise = np.random.default_rng(random + stride)
        return {
            name: (
                noise.normal(0, 0.004, (count, 3, 1, 1)).astype(np.float32),
                noise.normal(0.4, 0.4, count).astype(np.float32),
            )
            for name, count in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items()
        }
    colour = SEES[stride]
    share = np.zeros((1, 3, 1, 1), dtype=np.float32)
    if colour is not None:
        share[0, colour] = 1 / 255
    blind = {count: np.zeros((count, 3, 1, 1), dtype=np.float32) for count in (4, 10)}
    size = np.log(BOX)
    return {
        "cls": (share, np.zeros(1, dtype=np.float32)),
        "obj": (share, np.zeros(1, dtype=np.float32)),
        "bbox": (blind[4], np.array((0.5, 0.5, size, size), dtype=np.float32)),
        "kps": (blind[10], (MARKS + 0.5).ravel().astype(np.float32)),
    }


def recogniser(path: Path, dim: int, fixed: bool = False, seed: int = 0) -> Path:
    """Write a network of 112 x 112 pixels: mean colours of sixteen parts, mixed at random.

    Args:
        path: of the file.
        dim: numbers of a vector.
        fixed: a layer of it knows one row only.
        seed: of the weights.
    """
    pool: dict[str, Any] = {"kernel_shape": [28, 28], "strides": [28, 28]}
    mix = np.random.default_rng(seed).normal(0, 0.01, (48, dim)).astype(np.float32)
    held = [_held("mix", mix)]
    if fixed:
        held.append(_held("shape", np.array((1, 48))))
        flat = helper.make_node("Reshape", ["parts", "shape"], ["flat"])
    else:
        flat = helper.make_node("Flatten", ["parts"], ["flat"], axis=1)
    nodes = [
        helper.make_node("AveragePool", ["data"], ["parts"], **pool),
        flat,
        helper.make_node("MatMul", ["flat", "mix"], ["fc1"]),
    ]
    output = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, dim])
    return _save(path, nodes, [1, 3, 112, 112], [output], held, "data", old=True)


def picture(
    *faces: tuple[int, int, int], size: tuple[int, int] = (320, 240), seed: int = 0
) -> Image.Image:
    """A dark picture with bright squares.

    Args:
        faces: left and top, as multiples of the square's side, and the side: 8 or 32.
        size: width and height.
        seed: of its ground, which is never bright.
    """
    noise = np.random.default_rng(seed).integers(0, 90, (size[1], size[0], 3))
    noise[..., RED] //= 4  # in a picture red comes first: see below
    noise[..., 0] //= 4
    for left, top, side in faces:
        square = noise[top * side : (top + 1) * side, left * side : (left + 1) * side]
        square[:] = (255, 0, 0) if side == 32 else (0, 255, 0)
    return Image.fromarray(noise.astype(np.uint8))


def _held(name: str, values: NDArray[np.generic]) -> onnx.TensorProto:
    kind = np.int64 if values.dtype.kind == "i" else np.float32
    return numpy_helper.from_array(values.astype(kind), name)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    shape: list[int],
    outputs: list[onnx.ValueInfoProto],
    held: list[onnx.TensorProto],
    name: str = "input",
    old: bool = False,
) -> Path:
    """Write a graph; an old one lists its weights among its inputs, as ArcFace's file does."""
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
    weights = [helper.make_tensor_value_info(h.name, h.data_type, list(h.dims)) for h in held]
    graph = helper.make_graph(nodes, "tiny", given + weights * old, outputs, held)
    opset, version = (8, 3) if old else (11, 6)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=version)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path
