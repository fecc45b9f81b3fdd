"""The chart's drawings over HTTP."""

from __future__ import annotations

from litestar import Response

__all__ = ["draw"]


def draw(name: str, level: str) -> Response[bytes]:
    """Return a drawing such as `conversation.svg`."""
    raise NotImplementedError(name, level)
