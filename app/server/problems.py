"""Errors on HTTP: RFC 9457 problem details, whoever raised them."""

from __future__ import annotations

import uuid
from http import HTTPStatus

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.status_codes import (
    HTTP_400_BAD_REQUEST,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from adapters.bus.port import BusUnavailable
from adapters.nesting import MAX_DEPTH, too_deep
from statecharts.events import InvalidEvent, VoicechartError

__all__ = ["EXCEPTION_HANDLERS", "CheckedRequest", "session_key"]

_log = structlog.get_logger()
_MEDIA_TYPE = "application/problem+json"


class CheckedRequest(Request[object, object, State]):
    """A request whose JSON, if it cannot be read, is the client's mistake and not ours."""

    async def json(self) -> object:
        """Return the decoded body.

        Raises:
            ClientException: It nests too deep, or a text in it is no UTF-8: the decoder raises neither as its own.
        """
        if too_deep(await self.body()):
            raise ClientException(f"a body nests at most {MAX_DEPTH} levels deep; this one goes deeper")
        try:
            return await super().json()
        except UnicodeDecodeError as error:
            raise ClientException(f"a body is UTF-8: {error.reason} at byte {error.start} of a text") from error


def session_key(text: str) -> str:
    """Return a session id as keys are built from it: a UUID in its canonical form, lower case.

    Raises:
        ClientException: It is none.
    """
    try:
        canonical = str(uuid.UUID(text))
    except ValueError:
        canonical = ""
    if not canonical or canonical != text.lower():
        raise ClientException(f"a session id is a UUID such as {uuid.UUID(int=0)}; this is {text[:80]!r}")
    return canonical


def _problem(
    status: int, detail: str, extra: object = None, headers: dict[str, str] | None = None
) -> Response[dict[str, object]]:
    # Without a type of its own a problem is titled by its status (RFC 9457, section 4.2.1).
    title = HTTPStatus(status).phrase
    body: dict[str, object] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if extra:
        body["errors"] = extra
    return Response(body, status_code=status, media_type=_MEDIA_TYPE, headers=headers)


def _http(request: Request[object, object, State], error: HTTPException) -> Response[dict[str, object]]:
    detail = error.detail
    if isinstance(error, NotFoundException) and detail == "Not Found":
        detail = f"there is nothing at {request.url.path}"
    return _problem(error.status_code, detail, error.extra, error.headers)


def _bus(request: Request[object, object, State], error: BusUnavailable) -> Response[dict[str, object]]:
    return _problem(HTTP_503_SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "1"})


def _invalid(request: Request[object, object, State], error: InvalidEvent) -> Response[dict[str, object]]:
    return _problem(HTTP_400_BAD_REQUEST, str(error))


def _unable(request: Request[object, object, State], error: VoicechartError) -> Response[dict[str, object]]:
    return _problem(HTTP_503_SERVICE_UNAVAILABLE, str(error))


def _unexpected(request: Request[object, object, State], error: Exception) -> Response[dict[str, object]]:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    return _problem(HTTP_500_INTERNAL_SERVER_ERROR, "the server made a mistake; its log says which")


EXCEPTION_HANDLERS = {
    HTTPException: _http,
    BusUnavailable: _bus,
    InvalidEvent: _invalid,
    VoicechartError: _unable,
    Exception: _unexpected,
}
