"""A network on this machine's processor."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict, deque
from contextlib import nullcontext
from contextvars import copy_context
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Unsupported
from retrieval.runtime import courtesy, engine, onnx, threads
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
    side, one core each. One row of the recipe's usual size runs twice as fast as one of any
    size. Use ``open_network``, by which embedders share what is equal.

    Args:
        recipe: what it is made of; converted now if the cache does not hold it.
        precision: of the arithmetic, whatever the processor would prefer.

    Raises:
        NotReady: a conversion is needed and the cache cannot be written.
    """

    def __init__(self, recipe: Recipe, precision: Precision = "float32") -> None:
        self.recipe = recipe
        with threads.beside("checking") as pool:  # hashing beside a slow import
            files = pool.submit(copy_context().run, converted, recipe)
            core = engine.core()
            graph, weights = files.result()
            model = core.read_model(graph, weights)
        self._weights = weights.stat().st_size
        cores = threads.cores()
        any_size, self._usual = recipe.one_row(), recipe.one_row(recipe.usual)
        self._one = _Lane(_reshaped(model, any_size), precision, streams=1, threads=cores)
        self._quick = self._one
        if self._usual != any_size:
            self._quick = _Lane(_reshaped(model, self._usual), precision, streams=1, threads=cores)
        streams = min(cores, MOST_STREAMS)
        self._many = _Lane(model, precision, streams, threads=cores, gives_way=True)
        self._chunk = CHUNK if model.inputs[0].partial_shape[0].is_dynamic else 1
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
            usual = [list(each.shape) for each in inputs] == self._usual
            return (self._quick if usual else self._one).run(inputs)
        parts = self._many.run_chunks(inputs, self._chunk)
        return tuple(np.concatenate(rows) for rows in zip(*parts, strict=True))

    def nbytes(self) -> int:
        """Bytes of the weights, once for each way of running it that is compiled."""
        lanes = {self._one, self._quick, self._many}
        return self._weights * max(1, sum(lane.compiled for lane in lanes))

    def reference(self, *inputs: NDArray[Any]) -> tuple[Floats, ...]:
        """The same from the torch module, in eager mode and float32; imports torch.

        Raises:
            Unsupported: it was read from an ONNX file, without torch.
        """
        if self.recipe.by == onnx.BY:
            raise Unsupported(f"{self.recipe.name} is an ONNX file and has no torch module")
        import torch

        with self._lock:
            if self._reference is None:
                self._reference = self.recipe.module()
        with torch.no_grad():
            outputs = self._reference(*(torch.from_numpy(each) for each in inputs))
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(each.numpy() for each in several)


class _Lane:
    """One way of running a network, compiled when it is first used.

    Its threads give way to those that answer a query where ``gives_way`` is set.
    """

    def __init__(
        self,
        model: Any,
        precision: Precision,
        streams: int,
        threads: int,
        gives_way: bool = False,
    ) -> None:
        self._model = model
        self._courtesy = courtesy.giving_way if gives_way else nullcontext
        self._streams = streams
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINT[precision],
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled: Any = None
        self._lock = threading.Lock()
        self._free: deque[Request] = deque()

    @property
    def compiled(self) -> bool:
        """Whether it was used."""
        return self._compiled is not None

    def run(self, inputs: tuple[NDArray[Any], ...]) -> tuple[Floats, ...]:
        """All rows in one request."""
        request = self._start(inputs)
        return self._finish(request)

    def run_chunks(self, inputs: tuple[NDArray[Any], ...], chunk: int) -> list[tuple[Floats, ...]]:
        """The outputs of each chunk, in order, with as many at work as there are streams."""
        waiting: deque[Request] = deque()
        done: list[tuple[Floats, ...]] = []
        for first in range(0, len(inputs[0]), chunk):
            if len(waiting) == self._streams:
                done.append(self._finish(waiting.popleft()))
            waiting.append(self._start(tuple(each[first : first + chunk] for each in inputs)))
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
                with self._courtesy():
                    core = engine.core()
                    self._compiled = core.compile_model(self._model, "CPU", self._settings)
            return self._compiled


def _reshaped(model: Any, shapes: list[list[int]]) -> Any:
    """A copy of the model for inputs of these shapes: fixed sizes halve the time of a call."""
    copy = model.clone()
    copy.reshape(dict(enumerate(shapes)))
    return copy


_opened: weakref.WeakValueDictionary[tuple[str, Precision], Network] = weakref.WeakValueDictionary()
_opening: defaultdict[tuple[str, Precision], threading.Lock] = defaultdict(threading.Lock)


def open_network(recipe: Recipe, precision: Precision = "float32") -> Network:
    """The network of a recipe, loaded once for all who hold it at the same time.

    Raises:
        NotReady: a conversion is needed and the cache cannot be written.
    """
    wanted = (recipe.key(), precision)
    with _opening[wanted]:  # one conversion holds up no other network
        network = _opened.get(wanted)
        if network is None:
            network = _opened[wanted] = Network(recipe, precision)
        return network
