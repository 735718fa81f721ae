"""The tabs beside the search: routes that draw them, measure for them, and give their figures."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from retrieval.errors import BadQuery, LabError, Refused
from retrieval.ui import fields
from retrieval.ui.answers import Answers
from retrieval.ui.choose import ChooseTab
from retrieval.ui.duplicates import Duplicates
from retrieval.ui.quality import QualityTab
from retrieval.ui.scaled import ScaleTab
from retrieval.ui.tradeoffs import Tradeoffs
from retrieval.ui.vote import BlindVote

LOG = logging.getLogger(__name__)
LONGEST = 16_000
"""Bytes of a request that are read."""
HANDED = 2_000_000
"""The same of one that brings the votes that a browser keeps."""
BROKEN = "something broke in here, not in your request; the server's log has the details"
TYPES = {"csv": "text/csv", "json": "application/json"}
NEVER = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def tabs(answers: Answers) -> list[Route]:
    """Routes of the tabs and of receipts; each answers in JSON, also where it refuses."""
    tradeoffs, quality = Tradeoffs(answers), QualityTab(answers)
    duplicates = Duplicates(answers)
    choose, scale = ChooseTab(answers), ScaleTab(answers)
    return [
        Route("/receipt/{name}", _named(answers.kept.receipt)),
        Route("/receipt/{name}/figures", _named(answers.kept.figures)),
        Route("/tab/stop", _drawn(lambda given: stopped(answers, given)), methods=["POST"]),
        Route("/tab/tradeoffs.{kind}", _file(tradeoffs.figures)),
        Route("/tab/tradeoffs", _drawn(tradeoffs.draw), methods=["POST"]),
        Route("/tab/tradeoffs/measure", _measured(tradeoffs.measure), methods=["POST"]),
        Route("/tab/scale.{kind}", _file(scale.figures)),
        Route("/tab/scale", _drawn(scale.draw), methods=["POST"]),
        Route("/tab/scale/measure", _measured(scale.measure), methods=["POST"]),
        Route("/tab/choose", _drawn(choose.draw), methods=["POST"]),
        Route("/tab/choose/measure", _measured(choose.measure), methods=["POST"]),
        Route("/tab/choose/receipt/{name}", _named(choose.receipt)),
        Route("/tab/quality", _drawn(quality.draw), methods=["POST"]),
        Route("/tab/quality/measure", _measured(quality.measure), methods=["POST"]),
        Route("/tab/duplicates.{kind}", _file(duplicates.figures)),
        Route("/tab/duplicates", _drawn(duplicates.draw), methods=["POST"]),
        Route("/tab/duplicates/picture", _drawn(duplicates.picture), methods=["POST"]),
        Route("/tab/duplicates/measure", _measured(duplicates.measure), methods=["POST"]),
        *(
            Route(f"/tab/quality/vote/{name}", _drawn(act, HANDED), methods=["POST"])
            for name, act in BlindVote(answers).acts().items()
        ),
    ]


def stopped(answers: Answers, given: object) -> dict[str, str]:
    """Stop what an embedder's panels wait for.

    Raises:
        Refused: strangers use the lab.
    """
    if answers.lab.public:
        raise Refused("a public lab lets nobody stop what others wait for")
    name = fields.text(fields.mapping(given), "embedder", "")
    count = answers.lab.work.stop(name)
    return {"say": f"Stopping {name}" if count else f"nothing is being made for {name}"}


Endpoint = Callable[[Request], Any]


def _drawn(draw: Callable[[object], dict[str, Any]], most: int = LONGEST) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            given = await _sent(request, most)
        except LabError as error:
            return _refused(error)
        return await _answer(lambda: draw(given))

    return endpoint


def _measured(measure: Callable[[object], Iterator[dict[str, str]]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            given = await _sent(request)
        except LabError as error:
            return _refused(error)
        return StreamingResponse(_lines(measure(given)), media_type="text/plain", headers=NEVER)

    return endpoint


async def _lines(pieces: Iterator[dict[str, str]]) -> AsyncIterator[str]:
    """A line of JSON for each; whoever goes away ends the measuring."""
    said = _said(pieces)
    try:
        async for line in iterate_in_threadpool(said):
            yield line
    finally:
        said.close()  # at once: it only tells the reader, and nothing may be awaited here


def _said(pieces: Iterator[dict[str, str]]) -> Generator[str]:
    try:
        for each in pieces:
            yield json.dumps(each) + "\n"
    except LabError as error:
        yield json.dumps({"problem": str(error)}) + "\n"
    except Exception:
        LOG.exception("a measuring failed")
        yield json.dumps({"problem": BROKEN}) + "\n"
    finally:
        if isinstance(pieces, Generator):
            pieces.close()


async def _sent(request: Request, most: int = LONGEST) -> object:
    """The request's JSON.

    Raises:
        BadQuery: it is too long, of another type, or no JSON.
    """
    # of another type, any site could send it from its visitors' browsers
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadQuery("a tab is asked with a body of application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise BadQuery(f"a tab is asked with {most:,} bytes at most")
    try:
        given: object = json.loads(body)
    except (ValueError, RecursionError):
        raise BadQuery("the request is no JSON; open the page anew") from None
    return given


async def _answer(ask: Callable[[], dict[str, Any]]) -> Response:
    try:
        return JSONResponse(await run_in_threadpool(ask), headers=NEVER)
    except LabError as error:
        return _refused(error)
    except Exception:
        LOG.exception("a tab failed")
        return JSONResponse({"problem": BROKEN}, status_code=500)


Figures = Callable[[dict[str, str], str], tuple[str, str]]


def _file(figures: Figures) -> Endpoint:
    """What a tab gives to take away, by its text and its name."""

    def endpoint(request: Request) -> Response:  # Starlette runs it in a thread
        kind = request.path_params["kind"]
        try:
            text, name = figures(dict(request.query_params), kind)
        except LabError as error:
            return _refused(error)
        headers = {**NEVER, "Content-Disposition": f'attachment; filename="{_plain(name)}"'}
        return Response(text, media_type=TYPES[kind], headers=headers)

    return endpoint


def _named(give: Callable[[str], dict[str, Any]]) -> Endpoint:
    """What is kept under a name."""

    async def endpoint(request: Request) -> Response:
        return await _answer(lambda: give(request.path_params["name"]))

    return endpoint


def _plain(name: str) -> str:
    return "".join(
        char if char.isascii() and (char.isalnum() or char in "-.") else "-" for char in name
    )


def _refused(error: LabError) -> Response:
    return JSONResponse({"problem": str(error)}, status_code=400)
