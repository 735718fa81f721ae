"""What stands before a gRPC service on loopback: keys and moods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from tests.fakeserver import slowly

CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}


class Mood(grpc.ServerInterceptor):  # type: ignore[misc]
    """Refuses, waits or lets pass, as ``server.mood`` and ``server.key`` say.

    Args:
        server: keeps what it was asked in ``asked``.
    """

    def __init__(self, server: Any) -> None:
        self.server = server

    def intercept_service(self, proceed: Callable[[Any], Any], details: Any) -> Any:
        server = self.server
        server.asked.append(details.method.rpartition("/")[2])
        sent = dict(details.invocation_metadata).get("authorization", "")
        if server.key and not self._fits(sent):
            return refusing(CODES[401])
        slowly(server)
        if isinstance(server.mood, int):
            return refusing(CODES[server.mood])
        if server.mood == "cut":
            return refusing(grpc.StatusCode.UNAVAILABLE)
        return proceed(details)

    def _fits(self, sent: str) -> bool:
        return bool(sent)


class Bearer(Mood):
    """Wants the key itself, as a bearer."""

    def _fits(self, sent: str) -> bool:
        return sent == f"Bearer {self.server.key}"


def refusing(code: Any) -> Any:
    """A handler that refuses."""

    def end(request: Any, context: Any) -> None:
        context.abort(code, f"mood {code.name}")

    return grpc.unary_unary_rpc_method_handler(end)
