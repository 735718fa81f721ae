"""Milvus's own gRPC interface on loopback, served by Milvus Lite, with moods."""

from __future__ import annotations

import json
import shutil
import tempfile
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from milvus_lite import MilvusLite
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.adapter.grpc.translators.search import parse_search_request
from milvus_lite.exceptions import CollectionNotFoundError
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

from tests.fakegrpc import Mood

BUILD: dict[str, dict[str, tuple[int, int]]] = {
    "FLAT": {},
    "HNSW": {"M": (2, 2048), "efConstruction": (1, 2**31 - 1)},
    "IVF_FLAT": {"nlist": (1, 65_536)},
    "IVF_SQ8": {"nlist": (1, 65_536)},
}
"""What an index must be told, and from where to where."""


class Milvus:
    """A server that keeps what it holds when it is stopped and started again.

    Attributes:
        mood: a status, ``slow``, ``cut``, or empty for in order.
        key: the token that must be sent; empty for none.
    """

    def __init__(self) -> None:
        self.mood: int | str = ""
        self.key = ""
        self.port = 0
        self.asked: list[str] = []
        self._folder = Path(tempfile.mkdtemp(prefix="fakemilvus-"))
        self._database = MilvusLite(str(self._folder / "data.db"))
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        pool = futures.ThreadPoolExecutor(8)
        options = [
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", 1 << 26),
            ("grpc.http2.max_ping_strikes", 0),  # the client asks whether it lives, as it should
        ]
        self._server = grpc.server(pool, interceptors=[Mood(self)], options=options)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Service(self._database), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait(10)

    def close(self) -> None:
        self.stop()
        self._database.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Service(MilvusServicer):  # type: ignore[misc]
    """Does as servers do, which Milvus Lite does not.

    It reads an index's parameters beside its type, where clients of today put them, refuses those
    that are out of range, of an index and of a search, and says that nothing waits to be indexed
    only when nothing does.
    """

    def Flush(self, request: Any, context: Any) -> Any:
        answer = super().Flush(request, context)
        for name in request.collection_names:
            self._db.get_collection(name)._wait_for_bg()
        return answer

    def CreateIndex(self, request: Any, context: Any) -> Any:
        given = {each.key: each.value for each in request.extra_params}
        build = {name: int(each) for name, each in given.items() if each.isdecimal()}
        wrong = slip(given.get("index_type", ""), build | json.loads(given.get("params", "{}")))
        if wrong:
            return common_pb2.Status(code=1100, error_code=1, reason=wrong)
        if build and "params" not in given:
            request.extra_params.add(key="params", value=json.dumps(build))
        return super().CreateIndex(request, context)

    def Search(self, request: Any, context: Any) -> Any:
        asked = parse_search_request(request)
        wrong = self._slip(request.collection_name, asked["top_k"], asked["search_params"])
        if wrong:
            status = common_pb2.Status(code=65_535, error_code=1, reason=wrong)
            return milvus_pb2.SearchResults(status=status)
        return super().Search(request, context)

    def _slip(self, name: str, k: int, params: dict[str, int]) -> str:
        """What is wrong with a search; its documented ranges, which some versions are lax about."""
        try:
            (spec,) = self._db.get_collection(name)._index_specs.values()
        except CollectionNotFoundError:
            return ""  # it says that itself
        if spec.index_type == "HNSW" and params["ef"] < k:
            return f"ef({params['ef']}) should be larger than k({k})"
        lists = spec.build_params.get("nlist")
        if lists and not 1 <= params["nprobe"] <= lists:
            return f"Out of range in json: param 'nprobe' ({params['nprobe']})"
        return ""


def slip(kind: str, build: dict[str, int]) -> str:
    """What is wrong with an index, in a server's words."""
    if kind not in BUILD:
        return f"invalid index type: {kind}"
    for name, (low, high) in BUILD[kind].items():
        if not low <= build.get(name, low - 1) <= high:
            return f"{name} out of range: [{low}, {high}]: invalid parameter"
    return ""
