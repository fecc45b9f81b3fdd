"""Where Redis is: one server, a master that Sentinels name, or a cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio.connection import parse_url

from statecharts.events import VoicechartError

__all__ = ["Address", "BadAddress", "Node", "address_of", "is_cluster", "node_of", "shown"]

_FORMS = {
    "redis+cluster": ("redis", "cluster"), "rediss+cluster": ("rediss", "cluster"),
    "redis+sentinel": ("redis", "sentinel"), "rediss+sentinel": ("rediss", "sentinel"),
}  # fmt: skip
_PORTS = {"cluster": 6379, "sentinel": 26379}

Node = tuple[str, int]
"""Host and port of one process."""


class BadAddress(VoicechartError):
    """An address that cannot be read."""


class Address(NamedTuple):
    """What an address says.

    Attributes:
        form: Who is to be asked first.
        options: How to connect to a server that holds data: redis-py's words, host and port among them if it is one.
        nodes: The cluster's nodes, or the Sentinels, that were named.
        service: What the Sentinels call the master.
        guard: How to connect to a Sentinel, without host and port.
    """

    form: Literal["single", "sentinel", "cluster"]
    options: Mapping[str, object]
    nodes: tuple[Node, ...] = ()
    service: str = ""
    guard: Mapping[str, object] = {}

    def at(self, node: Node) -> Mapping[str, object]:
        """Return how to connect to one server."""
        return {**self.options, "host": node[0], "port": node[1]}


def address_of(url: str) -> Address:
    """Read an address: the forms redis-py takes, and these (also with `rediss`).

    `redis+cluster://[user:password@]host:port[,host:port…][?options]`
    `redis+sentinel://[user:password@]host:port[,host:port…]/master[/db][?options]`; name and password are the master's,
    those of the Sentinels are the options `sentinel_username` and `sentinel_password`.

    Raises:
        BadAddress: It is none of these.
    """
    try:
        return _of_several(url) if _scheme(url) in _FORMS else Address("single", parse_url(url))
    except ValueError as error:
        raise BadAddress(f"{shown(url)} is no address of a Redis: {error}") from error


def _scheme(url: str) -> str:
    return url.partition("://")[0]


def _of_several(url: str) -> Address:
    scheme, form = _FORMS[_scheme(url)]
    # Not by urlsplit: it takes one host, and some versions of it refuse brackets behind another.
    servers, rest = re.fullmatch(r"[^:]+://([^/?#]*)(.*)", url, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = urlsplit(f"{scheme}://localhost{rest}")
    account, _, hosts = servers.rpartition("@")
    nodes = tuple(node_of(host, _PORTS[form]) for host in hosts.split(",") if host)
    if not nodes:
        raise ValueError(f"it names no host, as {_scheme(url)}://host:port,host:port does")
    path = [part for part in parts.path.split("/") if part]
    service = path.pop(0) if form == "sentinel" and path else ""
    if form == "sentinel" and not service:
        raise ValueError(f"it does not say which master, as {_scheme(url)}://host:port,host:port/master does")
    query = dict(parse_qsl(parts.query))
    guard = {name: query.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in query}

    def options(account: str, path: str) -> Mapping[str, object]:
        netloc = f"{account}@localhost" if account else "localhost"
        made = parse_url(urlunsplit((scheme, netloc, path, urlencode(query), "")))
        return {name: value for name, value in made.items() if name != "host"}

    return Address(
        "cluster" if form == "cluster" else "sentinel",
        options(account, "/".join(path)), nodes, service, {**options("", ""), **guard},
    )  # fmt: skip


def is_cluster(url: str) -> bool:
    """Whether an address is a cluster's."""
    return _FORMS.get(_scheme(url), ("", ""))[1] == "cluster"


def node_of(text: str, port: int = 0) -> Node:
    """Read `host:port`; `port` is taken where none is named.

    Raises:
        ValueError: What stands for the port is no number.
    """
    if text.endswith("]") or ":" not in text:
        return text.strip("[]"), port
    host, _, number = text.rpartition(":")
    if not number.isdigit():
        raise ValueError(f"{text!r} is no host:port")
    return host.strip("[]"), int(number)


def shown(url: str) -> str:
    """Return an address fit for people: without its passwords, also one that is too broken to be taken apart."""
    without = re.sub(r"^([a-z+]+://[^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"([?&][a-z_]*password=)[^&]*", r"\1***", without)
