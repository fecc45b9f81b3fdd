"""Addresses: what is read out of them, and what is shown of them."""

from __future__ import annotations

import pytest
from redis.asyncio.connection import SSLConnection

from adapters.bus.redis_address import BadAddress, address_of, is_cluster, shown


def test_one_server_is_addressed_as_everywhere() -> None:
    address = address_of("redis://me:secret@host:7000/2")
    assert address.form == "single"
    assert address.options == {"username": "me", "password": "secret", "host": "host", "port": 7000, "db": 2}
    assert address_of("unix:///run/redis.sock").options["path"] == "/run/redis.sock"
    assert not is_cluster("redis://host")


def test_a_cluster_is_some_of_its_nodes() -> None:
    address = address_of("redis+cluster://me:se%40cret@a:7000,b,[::1]:7002")
    assert address.form == "cluster"
    assert address.nodes == (("a", 7000), ("b", 6379), ("::1", 7002))
    assert address.at(("b", 1)) == {"username": "me", "password": "se@cret", "host": "b", "port": 1}
    assert is_cluster("rediss+cluster://a")


def test_sentinels_name_a_master_and_may_have_a_password_of_their_own() -> None:
    address = address_of("redis+sentinel://:secret@a,b:1/voices/3?sentinel_password=other")
    assert address.form == "sentinel"
    assert address.nodes == (("a", 26379), ("b", 1))
    assert address.service == "voices"
    assert address.options == {"password": "secret", "db": 3}
    assert address.guard == {"password": "other"}


@pytest.mark.parametrize("form", ["cluster", "sentinel"])
def test_with_a_second_s_everything_is_encrypted(form: str) -> None:
    address = address_of(f"rediss+{form}://a:1/voices?ssl_ca_certs=ca.pem" if form == "sentinel" else
                         f"rediss+{form}://a:1?ssl_ca_certs=ca.pem")  # fmt: skip
    assert address.options["connection_class"] is SSLConnection
    assert address.options["ssl_ca_certs"] == "ca.pem"
    if form == "sentinel":
        assert address.guard["connection_class"] is SSLConnection
        assert address.guard["ssl_ca_certs"] == "ca.pem"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+sentinel://:secret@a:1", "which master"),
        ("redis+cluster://", "no host"),
        ("redis+cluster://me:secret@a:x", "host:port"),
        ("redis://me:secret@host:x", "no address"),
        ("http://me:secret@host", "no address"),
    ],
)
def test_what_cannot_be_read_is_told_without_passwords(url: str, told: str) -> None:
    with pytest.raises(BadAddress, match=told) as error:
        address_of(url)
    assert "secret" not in str(error.value)


def test_passwords_are_not_shown() -> None:
    assert shown("redis://me:secret@host:1/0") == "redis://me:***@host:1/0"
    assert shown("redis+cluster://:secret@a:1,b:2") == "redis+cluster://:***@a:1,b:2"
    assert (
        shown("redis+sentinel://a:1/m?sentinel_password=secret&x=1")
        == "redis+sentinel://a:1/m?sentinel_password=***&x=1"
    )
    assert shown("unix:///run/redis.sock") == "unix:///run/redis.sock"
