"""The chart's drawings over HTTP."""

from __future__ import annotations

from litestar import Response
from litestar.exceptions import ClientException, NotFoundException

from diagrams.render import FORMATS, LEVELS, render

__all__ = ["draw"]

_BY_NAME = {f"conversation.{made.ending}": kind for kind, made in FORMATS.items()}


def draw(name: str, level: str) -> Response[bytes]:
    """Return a drawing such as `conversation.svg`.

    Raises:
        NotFoundException: There is no drawing of that name.
        ClientException: There is no such level.
    """
    if name not in _BY_NAME:
        raise NotFoundException(f"there is no drawing {name[:80]!r}; there are {', '.join(_BY_NAME)}")
    if level not in LEVELS:
        raise ClientException(f"there is no level {level[:80]!r}; there are {', '.join(LEVELS)}")
    kind = _BY_NAME[name]
    return Response(render(kind, level), media_type=FORMATS[kind].media_type)
