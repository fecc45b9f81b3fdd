"""The Litestar application: routes, pages, limits."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from litestar import Litestar, Response, Router, get
from litestar.config.response_cache import ResponseCacheConfig
from litestar.datastructures import ResponseHeader
from litestar.di import Provide
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.status_codes import HTTP_404_NOT_FOUND
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.runtime import Runtime
from app.server.drawings import draw
from app.server.problems import EXCEPTION_HANDLERS, CheckedRequest
from app.server.realtime import orchestrate
from app.server.sessions import SessionController
from app.version import VERSION

__all__ = ["create_app"]

MAX_BODY_BYTES = 256 * 1024
"""Largest request body: an offer with every codec and candidate has some 20 KiB."""

_PAGES = Path(__file__).parent / "pages"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HEADERS = [
    ResponseHeader(name="X-Content-Type-Options", value="nosniff"),
    ResponseHeader(name="Referrer-Policy", value="no-referrer"),
]
_PAGE_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; worker-src 'self'"


def _page(name: str) -> Response[bytes]:
    # Looked up among the files that are there: no path of the client's is ever opened.
    files = {path.name: path for path in _PAGES.iterdir() if path.suffix in _TYPES}
    if name not in files:
        raise NotFoundException(f"there is no page file {name[:80]!r}")
    return Response(
        files[name].read_bytes(),
        media_type=_TYPES[files[name].suffix],
        headers={"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-cache"},
    )


@get("/", include_in_schema=False, sync_to_thread=False)
def talk_page() -> Response[bytes]:
    """Serve the talk page."""
    return _page("index.html")


@get("/static/{name:str}", include_in_schema=False, sync_to_thread=False)
def page_file(name: str) -> Response[bytes]:
    """Serve a file of the pages."""
    return _page(name)


@get("/diagrams/{name:str}", sync_to_thread=True)
def diagram(name: str, level: str = "full") -> Response[bytes]:
    """Draw the chart; `level` is `full` or `overview`."""
    return draw(name, level)


@get("/health/live", sync_to_thread=False)
def live() -> dict[str, str]:
    """Say that the process runs."""
    return {"status": "live"}


@get("/health/ready")
async def ready(runtime: Runtime) -> Response[dict[str, object]]:
    """Say whether a question asked now would be answered, and what is missing if not."""
    missing = await runtime.missing()
    body: dict[str, object] = {"status": "waiting" if missing else "ready", "missing": missing}
    return Response(body, status_code=503 if missing else 200)


@get("/metrics", sync_to_thread=False)
def metrics(runtime: Runtime) -> Response[bytes]:
    """Serve the figures of this process, for Prometheus."""
    return Response(generate_latest(runtime.figures.registry), media_type=CONTENT_TYPE_LATEST)


def _schema_router() -> Router:
    """Return a router for the OpenAPI pages where what is unknown is a problem, not a page of Litestar's."""

    def refuse(response: Response[object]) -> Response[object]:
        if response.status_code == HTTP_404_NOT_FOUND:
            raise NotFoundException
        return response

    return Router(
        "/schema", route_handlers=[], after_request=refuse, include_in_schema=False, dto=None, return_dto=None
    )


def create_app(runtime: Runtime) -> ASGIApp:
    """Return the application of one process.

    HEAD is answered wherever GET is, as it must be (RFC 9110, section 9.1) and as monitors ask; the server leaves the
    body out.
    """
    routes = _routes(runtime)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "HEAD":
            await routes(cast("Scope", {**scope, "method": "GET"}), receive, send)
        else:
            await routes(scope, receive, send)

    return app


def _routes(runtime: Runtime) -> Litestar:

    def provide_runtime() -> Runtime:
        return runtime

    return Litestar(
        route_handlers=[talk_page, page_file, diagram, live, ready, metrics, SessionController, orchestrate],
        dependencies={"runtime": Provide(provide_runtime, sync_to_thread=False, use_cache=True)},
        request_class=CheckedRequest,
        exception_handlers=EXCEPTION_HANDLERS,  # type: ignore[arg-type]  # each handler takes its own error
        response_headers=_HEADERS,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="voicechart",
            version=VERSION,
            openapi_router=_schema_router(),
            # The document itself: the viewers that the library offers load their code from elsewhere.
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"], media_type=MediaType.JSON)],
        ),
        response_cache_config=ResponseCacheConfig(),
        logging_config=None,
    )
