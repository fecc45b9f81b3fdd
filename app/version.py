"""Which voicechart this is."""

from __future__ import annotations

from importlib import metadata

__all__ = ["VERSION"]


def _version() -> str:
    try:
        return metadata.version("voicechart")
    except metadata.PackageNotFoundError:
        return "0.1.0"  # a checkout that is run in place


VERSION = _version()
