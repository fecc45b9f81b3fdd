"""What actions ask for, read from their source: which effects a call of one may make. Nothing is run.

An action makes an effect where it, or a method that it calls, constructs one. Calls are followed through objects whose
class can be told from a constructor (`self.timers = Timers(...)`) or an annotation, and literal arguments are carried
along, so that `self._play("duck")` is known to make `Playout duck`. What cannot be followed makes nothing here: a
drawing may say too little of a chart written otherwise, never something untrue.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Literal, TypeAlias, get_origin, get_type_hints

from msgspec import Struct

__all__ = ["effects_of"]

_DEPTH = 12
"""Calls within calls after which there is a recursion."""


class _Of(Struct, frozen=True):
    """An instance of a class."""

    kind: type[object]


class _Literal(Struct, frozen=True):
    """A string, or several of which each is meant."""

    texts: tuple[str, ...]


class _Flag(Struct, frozen=True):
    """A truth value that is known."""

    holds: bool


_Value: TypeAlias = "_Of | _Literal | _Flag | None"


def effects_of(owner: type[object], name: str, effects: Iterable[type[object]]) -> list[str]:
    """Return what calling a method may ask for, each once, in the order of its source: `Speak`, `Playout duck`.

    Args:
        owner: The class that has the method.
        name: The method.
        effects: The classes that count as effects.
    """
    reader = _Reader(frozenset(effects))
    reader.call(_Of(owner), name, [], {}, 0)
    return list(dict.fromkeys(reader.made))


class _Reader:
    def __init__(self, effects: frozenset[type[object]]) -> None:
        self.effects = effects
        self.made: list[str] = []

    def call(self, of: _Of, name: str, values: list[_Value], named: Mapping[str, _Value], depth: int) -> None:
        function = inspect.getattr_static(of.kind, name, None)
        if not isinstance(function, FunctionType) or depth > _DEPTH:
            return
        tree = _tree(function)
        if tree is None:
            return
        scope = _Scope(self, of, function, depth)
        scope.bind(tree.args, values, named)
        for statement in tree.body:
            scope.visit(statement)


class _Scope(ast.NodeVisitor):
    """What the names of one function stand for while it is read from top to bottom; every branch is taken."""

    def __init__(self, reader: _Reader, of: _Of, function: FunctionType, depth: int) -> None:
        self.reader = reader
        self.globals = function.__globals__
        self.depth = depth
        self.names: dict[str, _Value] = {"self": of}

    def bind(self, arguments: ast.arguments, values: list[_Value], named: Mapping[str, _Value]) -> None:
        places = arguments.args[1:]
        for place in (*places, *arguments.kwonlyargs):
            self.names[place.arg] = self._annotated(place.annotation)
        for place, default in (
            *zip(reversed(places), reversed(arguments.defaults), strict=False),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ):
            if isinstance(default, ast.Constant) and isinstance(default.value, bool):
                self.names[place.arg] = _Flag(default.value)
        for place, value in zip(places, values, strict=False):
            self.names[place.arg] = value or self._annotated(place.annotation)
        if arguments.vararg is not None:
            rest = [value.texts for value in values[len(places) :] if isinstance(value, _Literal)]
            self.names[arguments.vararg.arg] = _Literal(tuple(text for texts in rest for text in texts))
        self.names |= named

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for one, value in zip(target.elts, node.value.elts, strict=False):
                    self._assign(one, value)
            else:
                self._assign(target, node.value)

    def visit_If(self, node: ast.If) -> None:
        test = self._value(node.test)
        self.visit(node.test)
        if not isinstance(test, _Flag) or test.holds:
            self._read_all(node.body)
        if not isinstance(test, _Flag) or not test.holds:
            self._read_all(node.orelse)

    def visit_For(self, node: ast.For) -> None:
        self._assign(node.target, node.iter)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        self._value(node)
        values = [self._value(argument.value if isinstance(argument, ast.Starred) else argument)
                  for argument in node.args]  # fmt: skip
        named = {word.arg: self._value(word.value) for word in node.keywords if word.arg}
        if isinstance(node.func, ast.Attribute):
            of = self._value(node.func.value)
            if isinstance(of, _Of):
                self.reader.call(of, node.func.attr, values, named, self.depth + 1)
        elif (made := self._named(node.func)) in self.reader.effects and made is not None:
            self._make(made, values, named)

    def _make(self, made: type[object], values: list[_Value], named: Mapping[str, _Value]) -> None:
        fields = list(inspect.signature(made).parameters)
        given = dict(zip(fields, values, strict=False)) | dict(named)
        told = [value.texts for name in _telling(made) if isinstance(value := given.get(name), _Literal)]
        self.reader.made += [f"{made.__name__} {text}".strip() for text in (told[0] if told else ()) or ("",)]

    def _read_all(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.visit(statement)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = self._value(value)

    def _value(self, node: ast.expr) -> _Value:
        match node:
            case ast.Constant(value=str(text)):
                return _Literal((text,))
            case ast.Constant(value=bool(holds)):
                return _Flag(holds)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                known = self._value(operand)
                return _Flag(not known.holds) if isinstance(known, _Flag) else None
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                texts = [element.value for element in elements if isinstance(element, ast.Constant)]
                return _Literal(tuple(text for text in texts if isinstance(text, str)))
            case ast.Name(id=name):
                return self.names.get(name)
            case ast.Attribute(value=inner, attr=attr):
                of = self._value(inner)
                return _attribute(of.kind, attr) if isinstance(of, _Of) else None
            case ast.Call(func=ast.Name() as func):
                made = self._named(func)
                return _Of(made) if made is not None and made not in self.reader.effects else None
        return None

    def _named(self, node: ast.expr) -> type[object] | None:
        found = self.globals.get(node.id) if isinstance(node, ast.Name) else None
        return found if isinstance(found, type) else None

    def _annotated(self, annotation: ast.expr | None) -> _Value:
        found = self._named(annotation) if annotation is not None else None
        return _Of(found) if found is not None else None


def _telling(effect: type[object]) -> list[str]:
    """Return the fields whose value belongs to the effect's name: a choice of few words, or a name."""
    hints = get_type_hints(effect)
    return [name for name, hint in hints.items() if name == "name" or get_origin(hint) is Literal]


def _tree(function: FunctionType) -> ast.FunctionDef | None:
    """Return a function's source, read; None if it has no file: a chart typed into an interpreter."""
    return _functions(function.__code__.co_filename).get(function.__code__.co_firstlineno)


@cache
def _functions(filename: str) -> dict[int, ast.FunctionDef]:
    """Return the functions in a file by the line they begin in; `inspect.getsource` takes ten times as long."""
    try:
        parsed = ast.parse(Path(filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    found = (node for node in ast.walk(parsed) if isinstance(node, ast.FunctionDef))
    return {min([node.lineno, *(one.lineno for one in node.decorator_list)]): node for node in found}


_attributes: dict[tuple[type[object], str], _Value] = {}


def _attribute(owner: type[object], name: str) -> _Value:
    """Return what an object's attribute is, as far as its constructor says; asked often, so it is remembered."""
    if (owner, name) not in _attributes:
        _attributes[owner, name] = _found_attribute(owner, name)
    return _attributes[owner, name]


def _found_attribute(owner: type[object], name: str) -> _Value:
    init = inspect.getattr_static(owner, "__init__", None)
    tree = _tree(init) if isinstance(init, FunctionType) else None
    if tree is None or not isinstance(init, FunctionType):
        return None
    scope = _Scope(_Reader(frozenset()), _Of(owner), init, _DEPTH)
    scope.bind(tree.args, [], {})
    for statement in ast.walk(tree):
        match statement:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=attr)], value=value) if attr == name:
                return scope._value(value)
    return None
