"""Errors on HTTP: RFC 9457 problem details, whoever raised them."""

from __future__ import annotations

import uuid

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR, HTTP_503_SERVICE_UNAVAILABLE

from adapters.bus.port import BusUnavailable
from statecharts.events import InvalidEvent, VoicechartError

__all__ = ["EXCEPTION_HANDLERS", "session_key"]

_log = structlog.get_logger()
_MEDIA_TYPE = "application/problem+json"


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


def _problem(status: int, title: str, detail: str, extra: object = None) -> Response[dict[str, object]]:
    body: dict[str, object] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if extra:
        body["errors"] = extra
    return Response(body, status_code=status, media_type=_MEDIA_TYPE)


def _http(request: Request[object, object, State], error: HTTPException) -> Response[dict[str, object]]:
    title = type(error).__name__.removesuffix("Exception") or "Error"
    detail = error.detail
    if isinstance(error, NotFoundException) and detail == "Not Found":
        detail = f"there is nothing at {request.url.path}"
    return _problem(error.status_code, title, detail, error.extra)


def _bus(request: Request[object, object, State], error: BusUnavailable) -> Response[dict[str, object]]:
    response = _problem(HTTP_503_SERVICE_UNAVAILABLE, "BusUnavailable", str(error))
    response.headers["Retry-After"] = "1"
    return response


def _invalid(request: Request[object, object, State], error: InvalidEvent) -> Response[dict[str, object]]:
    return _problem(400, "InvalidEvent", str(error))


def _unable(request: Request[object, object, State], error: VoicechartError) -> Response[dict[str, object]]:
    return _problem(HTTP_503_SERVICE_UNAVAILABLE, type(error).__name__, str(error))


def _too_deep(request: Request[object, object, State], error: RecursionError) -> Response[dict[str, object]]:
    return _problem(400, "Client", "the body is nested too deeply to be read")


def _unexpected(request: Request[object, object, State], error: Exception) -> Response[dict[str, object]]:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    return _problem(HTTP_500_INTERNAL_SERVER_ERROR, "InternalError", "the server made a mistake; its log says which")


EXCEPTION_HANDLERS = {
    HTTPException: _http,
    BusUnavailable: _bus,
    InvalidEvent: _invalid,
    VoicechartError: _unable,
    RecursionError: _too_deep,
    Exception: _unexpected,
}
