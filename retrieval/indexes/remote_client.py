"""A server's client that is closed when nobody holds it any more. Holds no index: no ``SPECS``."""

from __future__ import annotations

import weakref
from typing import Any


class Held:
    """Everything that a client has; one left open would complain.

    Args:
        client: has a ``close``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        weakref.finalize(self, client.close)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
