"""How what lies in the log is read, whoever wrote it."""

from __future__ import annotations

import pytest

from adapters.bus.codec import decode_entry, encode_envelope, session_of
from statecharts.events import Envelope

SESSION = "5f0c7a52-9d9e-4f57-8f7e-1c5a3c1f2b10"


def envelope(payload: str) -> bytes:
    return f'{{"event_type":"voice.stt.final","session_id":"{SESSION}","payload":{payload}}}'.encode()


def test_an_envelope_is_read_as_it_was_written() -> None:
    written = Envelope(event_type="voice.stt.final", session_id=SESSION, payload={"text": "{[" * 40})
    assert decode_entry("1-0", encode_envelope(written)).envelope == written


@pytest.mark.parametrize("levels", [70, 900, 980, 20_000])
@pytest.mark.parametrize("brackets", ['{"a":', "["])
def test_what_is_nested_too_deeply_is_no_envelope(levels: int, brackets: str) -> None:
    closing = "}" if brackets.startswith("{") else "]"
    data = envelope('{"text":' + brackets * levels + "1" + closing * levels + "}")
    entry = decode_entry("1-0", data)
    assert entry.envelope is None
    assert entry.error


@pytest.mark.parametrize("data", [b"", b"rubbish", b"[]", b"{}", b"\xff", b"[" * 20_000])
def test_what_is_no_json_object_belongs_to_nobody(data: bytes) -> None:
    assert decode_entry("1-0", data).envelope is None
    assert session_of(data) == ""
