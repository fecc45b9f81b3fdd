"""The address of a server, as an option."""

from __future__ import annotations

from urllib.parse import urlsplit

import rich_click as click

__all__ = ["SERVER_URL", "url_option"]


class _ServerUrl(click.ParamType[str]):
    """An http or https address; anything else is bad use, told before a connection is tried."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parts = urlsplit(value)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number, or no port
            good = False
        if not good:
            self.fail(f"{value!r} is not the address of a server; one looks like http://127.0.0.1:8000", param, ctx)
        return value


SERVER_URL = _ServerUrl()
url_option = click.option(
    "--url", type=SERVER_URL, default="http://127.0.0.1:8000", show_default=True, help="Address of the server."
)
