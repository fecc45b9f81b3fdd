"""How the server is spoken to: answers to whom they belong, doors that are locked, and voices that are no Redis."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.exceptions import ResponseError

from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import Link

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a port of loopback."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_callers_at_the_same_time_get_their_own_answers(link: Link) -> None:
    answers = await asyncio.gather(*(link.call("ECHO", number) for number in range(200)))
    assert answers == [str(number).encode() for number in range(200)]


async def test_a_caller_that_gives_up_takes_nobody_elses_answer(link: Link) -> None:
    await link.call("PING")
    gives_up = asyncio.create_task(link.call("BLPOP", "nothing", 0.1))
    await asyncio.sleep(0.02)
    gives_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    assert await link.call("ECHO", "mine") == b"mine"


async def test_a_cancellation_is_never_lost_not_even_beside_the_answer(link: Link) -> None:
    cancelled = 0
    for number in range(300):
        task = asyncio.create_task(link.call("PING"))
        await asyncio.sleep(number * 2e-6)  # from before the question to after the answer
        if task.cancel():
            cancelled += 1
            with pytest.raises(asyncio.CancelledError):
                await task
    assert cancelled
    assert await link.call("ECHO", "still in order") == b"still in order"


async def test_a_blocked_read_that_is_given_up_does_not_hold_up_the_next(valkey_url: str) -> None:
    reader = Link(valkey_url, blocking=True)
    waits = asyncio.create_task(reader.read({"nothing": "0-0"}, 1, 1500))
    await asyncio.sleep(0.05)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    began = time.monotonic()
    assert await reader.call("ECHO", "next") == b"next"
    assert time.monotonic() - began < 1.0
    await reader.close()


async def test_a_refusal_among_many_answers_is_raised_or_returned(link: Link) -> None:
    commands = [("SET", "text", "x"), ("INCR", "text"), ("GET", "text")]
    with pytest.raises(ResponseError, match="not an integer"):
        await link.call_all(commands)
    answers = await link.call_all(commands, raising=False)
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == b"x"


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silence) as port:
        link = Link(f"redis://127.0.0.1:{port}")
        began = time.monotonic()
        with pytest.raises(BusUnavailable, match=r"no answer within 0\.3 s"):
            await link.call("PING")
        assert time.monotonic() - began < 0.6  # 0.3 s, and what this machine adds
        await link.close()


async def test_what_is_no_redis_is_called_so() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with serving(web) as port:
        link = Link(f"redis://127.0.0.1:{port}")
        with pytest.raises(BusUnavailable, match="no Redis"):
            await link.call("PING")
        await link.close()


async def test_a_password_opens_and_a_wrong_one_is_refused_in_words(link: Link, valkey_url: str) -> None:
    path = valkey_url.removeprefix("unix://")
    await link.call("ACL", "SETUSER", "me", "on", ">secret", "~*", "+@all")
    known, stranger = Link(f"unix://me:secret@{path}"), Link(f"unix://me:guess@{path}")
    assert await known.call("ACL", "WHOAMI") == b"me"
    with pytest.raises(BusUnavailable, match="WRONGPASS") as error:
        await stranger.call("PING")
    assert "guess" not in str(error.value)
    await known.close()
    await stranger.close()
    await link.call("ACL", "DELUSER", "me")


async def test_an_encrypted_connection_is_made_and_its_certificate_checked(valkey_url: str, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, to_inner = await asyncio.open_unix_connection(valkey_url.removeprefix("unix://"))
        while data := await reader.read(65536):
            to_inner.write(data)
            writer.write(await inner.read(65536))
        to_inner.close()

    async with serving(forward, tls) as port:
        trusting = Link(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}")
        assert await trusting.call("ECHO", "hidden") == b"hidden"
        await trusting.close()
        doubting = Link(f"rediss://127.0.0.1:{port}")
        with pytest.raises(BusUnavailable, match="certificate"):
            await doubting.call("PING")
        await doubting.close()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "cert.pem", folder / "key.pem"
    certificate_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path
