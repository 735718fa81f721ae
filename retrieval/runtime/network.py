"""A network on this machine's processor."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.runtime import engine, threads
from retrieval.runtime.convert import converted
from retrieval.runtime.recipe import Recipe
from retrieval.types import Precision

Request: TypeAlias = Any
"""An ``openvino.InferRequest``; the library has no types that mypy reads."""
Floats: TypeAlias = NDArray[np.float32]


CHUNK = 16
"""Rows of one request in a batch: more are no faster and leave the last core alone for longer."""
MOST_STREAMS = 8
"""Requests that run side by side; each has its own buffers."""

_HINT = {"float32": "f32", "bfloat16": "bf16"}


class Network:
    """A converted network that many threads may call at once.

    One row runs on every core for its latency, a batch as requests of ``CHUNK`` rows side by
    side, one core each. Use ``open_network``, by which embedders share what is equal.

    Args:
        recipe: what it is made of; converted now if the cache does not hold it.
        precision: of the arithmetic, whatever the processor would prefer.

    Raises:
        NotReady: a conversion is needed and the cache cannot be written.
    """

    def __init__(self, recipe: Recipe, precision: Precision = "float32") -> None:
        self.recipe = recipe
        graph, weights = converted(recipe)
        model = engine.core().read_model(graph, weights)
        cores = threads.cores()
        self._one = _Lane(_one_row(model, recipe), precision, streams=1, threads=cores)
        self._many = _Lane(model, precision, streams=min(cores, MOST_STREAMS), threads=cores)
        self._reference: Any = None
        self._lock = threading.Lock()

    def __call__(self, *inputs: NDArray[Any]) -> tuple[Floats, ...]:
        """Run it.

        Args:
            inputs: as the recipe says, all with the same number of rows, at least one.

        Returns:
            Its outputs, each with that number of rows, in arrays of their own.
        """
        if len(inputs[0]) == 1:
            return self._one.run(inputs)
        parts = self._many.run_chunks(inputs)
        return tuple(np.concatenate(rows) for rows in zip(*parts, strict=True))

    def reference(self, *inputs: NDArray[Any]) -> tuple[Floats, ...]:
        """The same from the torch module, in eager mode and float32; imports torch."""
        import torch

        with self._lock:
            if self._reference is None:
                self._reference = self.recipe.module()
        with torch.no_grad():
            outputs = self._reference(*(torch.from_numpy(each) for each in inputs))
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(each.numpy() for each in several)


class _Lane:
    """One way of running a network, compiled when it is first used."""

    def __init__(self, model: Any, precision: Precision, streams: int, threads: int) -> None:
        self._model = model
        self._streams = streams
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINT[precision],
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled: Any = None
        self._lock = threading.Lock()
        self._free: deque[Request] = deque()

    def run(self, inputs: tuple[NDArray[Any], ...]) -> tuple[Floats, ...]:
        """All rows in one request."""
        request = self._start(inputs)
        return self._finish(request)

    def run_chunks(self, inputs: tuple[NDArray[Any], ...]) -> list[tuple[Floats, ...]]:
        """The outputs of each chunk, in order, with as many at work as there are streams."""
        waiting: deque[Request] = deque()
        done: list[tuple[Floats, ...]] = []
        for first in range(0, len(inputs[0]), CHUNK):
            if len(waiting) == self._streams:
                done.append(self._finish(waiting.popleft()))
            waiting.append(self._start(tuple(each[first : first + CHUNK] for each in inputs)))
        return done + [self._finish(request) for request in waiting]

    def _start(self, inputs: tuple[NDArray[Any], ...]) -> Request:
        request = self._request()
        request.start_async(list(inputs))
        return request

    def _finish(self, request: Request) -> tuple[Floats, ...]:
        """Wait; a request that fails is not used again."""
        request.wait()
        outputs = tuple(tensor.data.copy() for tensor in request.output_tensors)
        self._free.append(request)
        return outputs

    def _request(self) -> Request:
        try:
            return self._free.pop()
        except IndexError:
            return self._ready().create_infer_request()

    def _ready(self) -> Any:
        with self._lock:
            if self._compiled is None:
                self._compiled = engine.core().compile_model(self._model, "CPU", self._settings)
            return self._compiled


def _one_row(model: Any, recipe: Recipe) -> Any:
    """The model for a batch of one: a fixed size halves the time of the first call."""
    one = model.clone()
    one.reshape({place: [1, *shape[1:]] for place, (_, shape) in enumerate(recipe.inputs)})
    return one


_opened: weakref.WeakValueDictionary[tuple[str, Precision], Network] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def open_network(recipe: Recipe, precision: Precision = "float32") -> Network:
    """The network of a recipe, loaded once for all who hold it at the same time.

    Raises:
        NotReady: a conversion is needed and the cache cannot be written.
    """
    with _opening:
        wanted = (recipe.key(), precision)
        network = _opened.get(wanted)
        if network is None:
            network = _opened[wanted] = Network(recipe, precision)
        return network
