"""How deep JSON may nest is known before it is decoded."""

from __future__ import annotations

import time

import pytest

from adapters.nesting import MAX_DEPTH, too_deep


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("data", "deep"),
    [
        (nested(MAX_DEPTH), False),
        (nested(MAX_DEPTH + 1), True),
        (b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH, False),
        (b'{"a":' * (MAX_DEPTH + 1), True),
        (b"[" + b",".join([b"[]"] * 500) + b"]", False),
        (b'{"text": "' + b"[" * 500 + b'"}', False),
        (b'{"text": "\\"' + b"[" * 500 + b'"}', False),
        (b'{"text": "\\\\"}' + b"[" * 500, True),
        (b'"' + b"[" * 500, False),
        (b"", False),
    ],
)
def test_levels_are_counted_outside_of_texts(data: bytes, deep: bool) -> None:
    assert too_deep(data) is deep


def test_no_input_takes_long() -> None:
    began = time.process_time()
    for data in (b'"' * 262_144 + b"[" * 100, b'\\"' * 131_072 + b"[" * 100, b'["' * 131_072, b"[]" * 131_072):
        too_deep(data)
    assert time.process_time() - began < 2.0
