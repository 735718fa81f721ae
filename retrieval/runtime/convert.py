"""Converting a network once, and keeping it."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

from retrieval.runtime import engine, onnx, paths
from retrieval.runtime.disk import publish, sha256, sync
from retrieval.runtime.recipe import Recipe
from retrieval.telling import now

_MANIFEST = "manifest.json"
_PARTS = (".xml", ".bin")


def converted(recipe: Recipe) -> tuple[Path, Path]:
    """The network's graph and weights, converted if they are not there or damaged.

    Returns:
        Paths of an OpenVINO ``.xml`` and its ``.bin``, whose SHA-256 was just compared.

    Raises:
        NotReady: a conversion is needed and the cache cannot be written.
    """
    folder = paths.cache() / "networks" / recipe.key()
    found = _found(folder)
    if found is None:
        _convert_locked(recipe, folder)
        found = _found(folder)
    if found is None:
        raise paths.unwritable(folder, OSError("what was written reads back differently"))
    return found


def _found(folder: Path) -> tuple[Path, Path] | None:
    """The two files if both are what the manifest says, else nothing."""
    try:
        sums = json.loads((folder / _MANIFEST).read_bytes())["sha256"]
        graph, weights = (folder / f"{sums[part]}{part}" for part in _PARTS)
        whole = all(sha256(path) == path.stem for path in (graph, weights))
    except (OSError, ValueError, KeyError, TypeError):  # not there, cut short, or overwritten
        return None
    return (graph, weights) if whole else None


_CONVERTING = threading.Lock()  # torch's tracing and Python's warnings are for all threads at once


def _convert_locked(recipe: Recipe, folder: Path) -> None:
    """Convert unless another process did so while this one waited."""
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _CONVERTING, filelock.FileLock(folder / ".lock"):
            if _found(folder) is None:
                _convert(recipe, folder)
    except OSError as error:
        raise paths.unwritable(folder, error) from error


def _convert(recipe: Recipe, folder: Path) -> None:
    for left in folder.glob("part-*"):  # by a process that was killed: the lock is ours
        shutil.rmtree(left)
    now("converting the network for this machine, once")
    with tempfile.TemporaryDirectory(dir=folder, prefix="part-") as beside:
        _save(_model(recipe), Path(beside) / "network.xml", recipe)
        _publish(Path(beside), folder, recipe)


def _publish(beside: Path, folder: Path, recipe: Recipe) -> None:
    """Move both files to the names of their contents, and the manifest last of all."""
    sums = {part: sha256(beside / f"network{part}") for part in _PARTS}
    for part, name in sums.items():
        publish(beside / f"network{part}", folder / f"{name}{part}")
    manifest: dict[str, Any] = {
        "name": recipe.name,
        "revision": recipe.revision,
        "preprocessing": recipe.preprocessing,
        "made_by": recipe.made_by(),
        "sha256": sums,
    }
    (beside / _MANIFEST).write_text(json.dumps(manifest, indent=1))
    publish(beside / _MANIFEST, folder / _MANIFEST)


def _save(model: Any, path: Path, recipe: Recipe) -> None:
    try:
        engine.openvino().save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:  # OpenVINO's own, for a full disk
        raise OSError(f"{recipe.name}: {error}") from error
    for part in _PARTS:
        sync(path.with_suffix(part))


def _model(recipe: Recipe) -> Any:
    """What the recipe makes, as an OpenVINO model with its free sizes."""
    if recipe.by == onnx.BY:
        return onnx.read(recipe)
    return _traced(recipe)


def _traced(recipe: Recipe) -> Any:
    """The torch module as an OpenVINO model with the recipe's free sizes."""
    import warnings

    import torch

    example = tuple(
        torch.ones([2 if size < 0 else size for size in shape], dtype=getattr(torch, kind))
        for kind, shape in recipe.inputs
    )
    with torch.no_grad(), warnings.catch_warnings():  # tensors of inference_mode break tracing
        warnings.simplefilter("ignore")  # the tracer warns of each shape that it fixes
        model: Any = engine.converter().convert_model(recipe.module(), example_input=example)
    model.reshape({place: list(shape) for place, (_, shape) in enumerate(recipe.inputs)})
    return model
