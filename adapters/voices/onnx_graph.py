"""Cuts a part out of an ONNX model, in memory: only the few fields of the format that this takes are read.

The package `onnx` could do it, but at run time it would be a dependency for one function.
Source of the field numbers: onnx.proto (IR version 8); of the encoding: the Protocol Buffers documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

__all__ = ["BadGraph", "Node", "OnnxGraph"]

_LENGTH_DELIMITED = 2
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_CONSTANT, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATION = 1, 2, 4
_CONSTANT_NAME, _VALUE_NAME = 8, 1
_OF_FLOATS = bytes([18, 4, 10, 2, 8, 1])
"""ValueInfoProto.type = TypeProto(tensor_type=Tensor(elem_type=FLOAT)); a shape may be left out."""
_HOLDS_GRAPHS = ("If", "Loop", "Scan")


class BadGraph(ValueError):
    """Not the kind of model that can be cut."""


class Node(NamedTuple):
    """One operation."""

    operation: str
    inputs: list[str]
    outputs: list[str]
    encoded: memoryview


class OnnxGraph:
    """A model's operations and constants.

    Args:
        model: The model's file; kept, not copied.

    Raises:
        BadGraph: It cannot be read, or holds graphs inside its operations.
    """

    def __init__(self, model: bytes | memoryview) -> None:
        self._frame: list[memoryview] = []
        self._constants: dict[str, memoryview] = {}
        self._inputs: dict[str, memoryview] = {}
        self.nodes: list[Node] = []
        try:
            for field, value, encoded in _fields(memoryview(model)):
                if field == _MODEL_GRAPH:
                    self._read(value)
                else:
                    self._frame.append(encoded)
        except (IndexError, UnicodeDecodeError) as error:
            raise BadGraph(f"not an ONNX model: {error}") from error
        if any(node.operation in _HOLDS_GRAPHS for node in self.nodes):
            raise BadGraph("an operation of the model holds a graph of its own")
        self._makers = {output: node for node in self.nodes for output in node.outputs}

    def maker(self, tensor: str) -> Node:
        """Return the operation that makes a tensor.

        Raises:
            BadGraph: None does.
        """
        if tensor not in self._makers:
            raise BadGraph(f"no operation makes {tensor!r}")
        return self._makers[tensor]

    def users(self, tensor: str) -> list[Node]:
        """Return the operations that a tensor goes into."""
        return [node for node in self.nodes if tensor in node.inputs]

    def part(self, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
        """Return the model that makes some tensors (of floats) out of others.

        Args:
            inputs: Tensors (of floats) that become its inputs; those of the model's own that it needs come besides.
            outputs: What it makes.

        Raises:
            BadGraph: They cannot be made of these.
        """
        needed, missing = set(inputs), list(outputs)
        makers: set[int] = set()
        while missing:
            tensor = missing.pop()
            if tensor in needed:
                continue
            needed.add(tensor)
            if tensor not in self._constants and tensor not in self._inputs:
                maker = self.maker(tensor)
                makers.add(id(maker))
                missing += [name for name in maker.inputs if name]
        pieces = [node.encoded for node in self.nodes if id(node) in makers]
        pieces += [encoded for name, encoded in self._constants.items() if name in needed]
        pieces += [encoded for name, encoded in self._inputs.items() if name in needed and name not in inputs]
        described = [_delimited(_GRAPH_NAME, b"part")]
        described += [_delimited(_GRAPH_INPUT, _of_floats(name)) for name in inputs]
        described += [_delimited(_GRAPH_OUTPUT, _of_floats(name)) for name in outputs]
        size = sum(map(len, pieces)) + sum(map(len, described))
        return b"".join([*self._frame, _head(_MODEL_GRAPH, size), *pieces, *described])

    def _read(self, graph: memoryview) -> None:
        for field, value, encoded in _fields(graph):
            if field == _GRAPH_NODE:
                self.nodes.append(_node(value, encoded))
            elif field == _GRAPH_CONSTANT:
                self._constants[_text(value, _CONSTANT_NAME)] = encoded
            elif field == _GRAPH_INPUT:
                self._inputs[_text(value, _VALUE_NAME)] = encoded


def _node(message: memoryview, encoded: memoryview) -> Node:
    node = Node("", [], [], encoded)
    for field, value, _ in _fields(message):
        if field == _NODE_INPUT:
            node.inputs.append(str(value, "utf-8"))
        elif field == _NODE_OUTPUT:
            node.outputs.append(str(value, "utf-8"))
        elif field == _NODE_OPERATION:
            node = node._replace(operation=str(value, "utf-8"))
    return node


def _text(message: memoryview, wanted: int) -> str:
    return next((str(value, "utf-8") for field, value, _ in _fields(message) if field == wanted), "")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Yield number, value and whole encoding of each field; a value that is a number is given as it is encoded."""
    at, end = 0, len(message)
    while at < end:
        begin = at
        key, at = _varint(message, at)
        match key & 7:
            case 0:  # a number
                value_at = at
                _, at = _varint(message, at)
            case 2:  # length and content
                length, value_at = _varint(message, at)
                at = value_at + length
            case 1:  # eight bytes
                value_at, at = at, at + 8
            case 5:  # four bytes
                value_at, at = at, at + 4
            case other:
                raise BadGraph(f"not an ONNX model: a field of the unknown type {other}")
        if at > end:
            raise BadGraph("not an ONNX model: it ends in the middle of a field")
        yield key >> 3, message[value_at:at], message[begin:at]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the number at a place, and the place after it."""
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


def _head(field: int, length: int) -> bytes:
    return bytes([*_number(field << 3 | _LENGTH_DELIMITED), *_number(length)])


def _number(value: int) -> Iterable[int]:
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value


def _delimited(field: int, value: bytes) -> bytes:
    return _head(field, len(value)) + value


def _of_floats(name: str) -> bytes:
    return _delimited(_VALUE_NAME, name.encode()) + _OF_FLOATS
