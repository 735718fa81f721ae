"""OpenVINO, imported so that it reports to nobody."""

from __future__ import annotations

import importlib
import sys
import threading
from functools import cache
from types import ModuleType
from typing import Any

_CONVERTER = "openvino.tools.ovc"
_REPORTER = "openvino_telemetry"
_importing = threading.RLock()


def openvino() -> ModuleType:
    """The library, without its converter and without its telemetry.

    ``import openvino`` alone sends an event and writes an identifier into the home folder,
    both from the converter, which takes two thirds of the import's time besides.
    """
    with _importing:
        _silence()
        if "openvino" not in sys.modules:
            sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # import gives ImportError
            try:
                importlib.import_module("openvino")
            finally:
                del sys.modules[_CONVERTER]
            _first_tensor(sys.modules["openvino"])
        return sys.modules["openvino"]


def converter() -> ModuleType:
    """OpenVINO's converter, without telemetry; slow to import, needed once a network."""
    with _importing:
        openvino()
        return importlib.import_module(_CONVERTER)


def core() -> Any:
    """The one ``openvino.Core`` of this process."""
    with _importing:
        return _core()


@cache
def _core() -> Any:
    return openvino().Core()


def _first_tensor(library: Any) -> None:
    """Look at a tensor once, from one thread.

    Two threads that look at their first tensor at the same time stop the whole process: one in
    four starts did so (OpenVINO 2026.4).
    """
    import numpy as np

    library.Tensor(np.zeros(1, np.float32)).data  # noqa: B018 - looking is the point


def _silence() -> None:
    if _REPORTER not in sys.modules:
        sys.modules[_REPORTER] = None  # type: ignore[assignment]  # OpenVINO then uses its stub
