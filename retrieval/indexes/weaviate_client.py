"""A client of Weaviate whose calls end in time, and its errors. Holds no index: no ``SPECS``.

Weaviate answers at two places: by REST for collections and their settings, by gRPC for vectors.
"""

from __future__ import annotations

import importlib
import logging
from functools import cache
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from retrieval.errors import NotReady
from retrieval.indexes.remote_client import Held
from retrieval.indexes.remote_refusal import Refusal, causes
from retrieval.runtime import servers

GRPC = 50051
"""Port of the gRPC interface where the address names none."""
CLOUD = ".weaviate.cloud"
"""End of the names of Weaviate's own service, which has the gRPC interface at another name."""
CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 1000)]
"""A channel of its own: all others with one address would back off together, for minutes."""
STATUS = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAVAILABLE": 0,
    "DEADLINE_EXCEEDED": 0,
    "CANCELLED": 0,
}
SAID = {"could not find class": 404, "too many requests": 429}
"""What the server says in words alone, its number being that of any failure."""
OURS = ("InvalidInput", "UnsupportedFeature", "InsertManyAllFailed", "is not supported")
"""Parts of names and sentences of errors that asking again does not cure."""


@cache
def library() -> Any:
    """The client's module, imported by name: it need not be installed."""
    module = importlib.import_module("weaviate")
    importlib.import_module("weaviate.classes")
    logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)  # it logs what it raises too
    return module


class Named(Held):
    """A client that makes each collection once."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self._made: dict[str, Any] = {}

    def rows(self, name: str) -> Any:
        """A collection by its name or alias; made once, for it takes a tenth of a search."""
        found = self._made.get(name)
        if found is None:
            found = self._client.collections.use(name, skip_argument_validation=True)
            self._made[name] = found
        return found


class Away(Exception):
    """A server that cannot be reached."""


class Once:
    """Calls that are made once; the client would offer them again for a minute, holding a place.

    Args:
        calls: the client's own, by name.
    """

    def __init__(self, calls: Any) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._calls, name)

        def once(*args: Any, **options: Any) -> Any:
            try:
                return call(*args, **options)
            except Exception as error:
                if _code(error) == "UNAVAILABLE":
                    raise Away(_words(error)) from error
                raise

        return once


def connected(variable: str, address: SplitResult, port: int, key: str, limit: float) -> Named:
    """A client, once the server has said its version.

    Args:
        variable: of the environment, with the address.
        address: of the REST interface.
        port: of the REST interface where the address names none.
        key: the server's; empty where it wants none.
        limit: seconds that a call may take.

    Raises:
        NotReady: the address is none of a Weaviate server.
    """
    module = library()
    init, secure = module.classes.init, address.scheme == "https"
    host, number = grpc_place(variable, address)
    params = module.connect.ConnectionParams.from_params(
        http_host=address.hostname,
        http_port=servers.port(address, port),
        http_secure=secure,
        grpc_host=host,
        grpc_port=number,
        grpc_secure=secure,
    )
    config = init.AdditionalConfig(
        timeout=init.Timeout(init=limit, query=limit, insert=limit),
        grpc_config=module.config.GrpcConfig(channel_options=CHANNEL),
    )
    client = module.WeaviateClient(
        params,
        auth_client_secret=init.Auth.api_key(key) if key else None,
        additional_config=config,
        skip_init_checks=True,  # they ask PyPI for a newer client
    )
    held = Named(client)
    client.connect()
    client._connection._grpc_stub = Once(client._connection._grpc_stub)
    return held


def grpc_place(variable: str, address: SplitResult) -> tuple[str, int]:
    """Host and port of the gRPC interface: as ``?grpc=`` says, else as Weaviate has it.

    Raises:
        NotReady: it says neither a port nor ``host:port``, or that of REST, or there is a path.
    """
    if address.path.strip("/"):
        raise NotReady(f"{variable} has a path, which Weaviate has not; leave it out")
    host = address.hostname or ""
    given = parse_qs(address.query).get("grpc", [""])[0]
    if not given:
        return (f"grpc-{host}", 443) if host.endswith(CLOUD) else (host, GRPC)
    try:
        told = urlsplit(f"//{given}" if ":" in given else f"//:{given}")
        number = told.port or 0
    except ValueError:
        number = 0
    if not number:
        raise NotReady(f"{variable} has ?grpc={given[:40]!r}; it must be a port or host:port")
    place = told.hostname or host, number
    if place == (host, address.port):
        raise NotReady(f"{variable} has port {number} twice; gRPC answers at another")
    return place


def refusal(error: Exception) -> Refusal:
    """What an error of the client means."""
    for each in causes(error):
        if name := _code(each):
            return Refusal(_status(name, _words(each)), _words(each))
    text = str(getattr(error, "message", "")) or str(error) or type(error).__name__
    if status := getattr(error, "status_code", 0):
        return Refusal(int(status), text)
    if isinstance(error, LookupError | TypeError | ValueError | AssertionError):
        return Refusal(500, f"its client cannot read the answer: {text}")
    ours = any(part in f"{type(error).__name__} {text}" for part in OURS)
    return Refusal(400 if ours else 0, text)


def _status(name: str, text: str) -> int:
    if name in STATUS:
        return STATUS[name]
    return next((status for part, status in SAID.items() if part in text.lower()), 500)


def _code(error: BaseException) -> str:
    """The name of the code of a gRPC error; empty for others."""
    code = getattr(error, "code", None)
    return str(getattr(code(), "name", "")) if callable(code) else ""


def _words(error: Any) -> str:
    return str(error.details() or "")
