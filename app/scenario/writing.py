"""Writes scenario files; what has its default is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator

from msgspec import Struct, structs

from app.scenario.format import Scenario, Setting

__all__ = ["encode_scenario"]

_FIRST = ("title", "source", "tolerance_s", "run_until_s")
_ALWAYS = frozenset({"title", "source", "voice", "text", "at", "types", "keys", "hangs_up"})
"""Keys that are written even if they have their default."""


def encode_scenario(scenario: Scenario, remarks: list[str]) -> str:
    """Return a scenario as its file holds it, the remarks as comments at its head."""
    lines = [f"# {remark}" for remark in remarks]
    lines += _pairs(Setting(**{name: getattr(scenario, name) for name in _FIRST}), _FIRST)
    lines += _table("[policy]", scenario.policy)
    for act in scenario.caller:
        lines += ["", "[[caller]]", *_pairs(act, act.__struct_fields__)]
    for answer in scenario.answers:
        lines += ["", "[[answers]]", *_pairs(answer, answer.__struct_fields__)]
    lines += _table("[speaker]", scenario.speaker)
    lines += _table("[expect]", scenario.expect)
    return "\n".join(lines) + "\n"


def _table(header: str, table: Struct) -> list[str]:
    pairs = list(_pairs(table, table.__struct_fields__))
    return ["", header, *pairs] if pairs else []


def _pairs(table: Struct, names: tuple[str, ...]) -> Iterator[str]:
    defaults = dict(zip(reversed(table.__struct_fields__), reversed(table.__struct_defaults__), strict=False))
    for name in names:
        value = getattr(table, name)
        default = defaults.get(name)
        if name in _ALWAYS or (value != default and (value != [] or default is None)):
            yield f"{name} = {_value(value)}"


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int() | float():
            return repr(value)
        case list() | tuple():
            return _list(value)
        case Struct():
            pairs = ((name, item) for name, item in structs.asdict(value).items() if item is not None)
            return "{ " + ", ".join(f"{name} = {_value(item)}" for name, item in pairs) + " }"
    raise TypeError(f"a scenario holds no {type(value).__name__}")


def _list(values: list[object] | tuple[object, ...]) -> str:
    items = [_value(value) for value in values]
    short = "[" + ", ".join(items) + "]"
    if len(short) <= 100:
        return short
    return "[\n" + "".join(f"  {item},\n" for item in items) + "]"
