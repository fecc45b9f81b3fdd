"""Very small ONNX models, written by hand: field numbers as in onnx.proto, everything else left out."""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["constant", "model", "node"]


def _field(number: int, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return bytes([number << 3, content])
    raw = content.encode() if isinstance(content, str) else content
    assert number < 16
    length, head = len(raw), bytes([number << 3 | 2])
    return head + (bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])) + raw


def node(operation: str, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Return an operation."""
    named = b"".join(_field(1, name) for name in inputs) + b"".join(_field(2, name) for name in outputs)
    return named + _field(4, operation)


def constant(name: str, value: float) -> bytes:
    """Return a constant of one number."""
    return _field(1, 1) + _field(2, 1) + _field(8, name) + _field(9, struct.pack("<f", value))


def model(nodes: Sequence[bytes], constants: Sequence[bytes], *, inputs: list[str], outputs: list[str]) -> bytes:
    """Return a model over vectors of one float."""
    of_one_float = _field(2, _field(1, _field(1, 1) + _field(2, _field(1, _field(1, 1)))))
    graph = (
        b"".join(_field(1, one) for one in nodes) + _field(2, "test") + b"".join(_field(5, one) for one in constants)
    )
    graph += b"".join(_field(11, _field(1, name) + of_one_float) for name in inputs)
    graph += b"".join(_field(12, _field(1, name) + of_one_float) for name in outputs)
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 15))
