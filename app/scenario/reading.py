"""Reads scenario files, and says of a wrong one where it is wrong and what was expected."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import TypeVar, get_args

import msgspec
from msgspec import Struct, structs

from app.scenario.format import (
    Answer,
    CallerAct,
    Expectation,
    HangsUp,
    HistoryEntry,
    Keys,
    PolicyTable,
    Scenario,
    Setting,
    Speaker,
    Speculation,
    StateName,
    Types,
    Voice,
)
from statecharts.events import VoicechartError

__all__ = ["BadScenario", "parse_scenario", "read_scenario"]

_ACTS: dict[str, type[CallerAct]] = {"voice": Voice, "types": Types, "hangs_up": HangsUp, "keys": Keys}
"""What a caller may do, by the key that says so."""
_TABLES: dict[str, type[Struct]] = {
    "policy": PolicyTable, "answers": Answer, "speaker": Speaker, "expect": Expectation, "history": HistoryEntry,
}  # fmt: skip
_CHOICES: dict[str, tuple[str, ...]] = {
    "speculation": get_args(Speculation), "role": ("user", "assistant"),
    "states": get_args(StateName), "never": get_args(StateName),
}  # fmt: skip
_IN_WORDS = {
    "`float`": "a number", "`int`": "a whole number", "`str`": "text", "`bool`": "true or false",
    "`array`": "a list", "`object`": "a table",
}  # fmt: skip
"""msgspec's names of types as those who write TOML know them."""
_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<key>\w+)|\[(?P<index>\d+)\]")
_HEADER = re.compile(r"\s*\[\[?\s*([\w-]+)\s*\]")
_KEY = re.compile(r"""\s*["']?([\w-]+)["']?\s*(?:\.\s*["']?([\w-]+)["']?\s*)?=""")

_A = TypeVar("_A", bound=Struct)
_Path = list[str | int]


class BadScenario(VoicechartError):
    """A scenario file that cannot be run; the message says where it is wrong and what was expected."""


class _Wrong(Exception):
    """Something in a document is wrong: where, and what was expected."""

    def __init__(self, path: _Path, expected: str) -> None:
        super().__init__(expected)
        self.path = path
        self.expected = expected

    @property
    def place(self) -> str:
        """The path as people write it: `caller[0].voice`."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).lstrip(".")


def read_scenario(path: Path) -> Scenario:
    """Return what a file holds.

    Raises:
        BadScenario: It cannot be read, or something in it is not as it must be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadScenario(f"{path}: expected a TOML file that can be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadScenario(f"{path}: expected a TOML file, which is UTF-8 text: {error}") from error
    return parse_scenario(text, str(path))


def parse_scenario(text: str, name: str) -> Scenario:
    """Return what a document holds; `name` is what messages call it. Raises BadScenario."""
    try:
        return _scenario(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        raise BadScenario(f"{name}, line {line}: expected TOML: {error}") from error
    except _Wrong as wrong:
        line = _line_of(wrong.path, text)
        raise BadScenario(f"{name}, line {line}: {wrong.place}: {wrong.expected}") from wrong


def _scenario(document: dict[str, object]) -> Scenario:
    acts = document.pop("caller", [])
    if not isinstance(acts, list):
        raise _Wrong(["caller"], f"expected [[caller]] tables, found {acts!r}")
    setting = _convert(document, Setting, [])
    caller = [_act(act, index) for index, act in enumerate(acts)]
    _check_voices(caller)
    return Scenario(**structs.asdict(setting), caller=caller)


def _act(act: object, index: int) -> CallerAct:
    path: _Path = ["caller", index]
    if not isinstance(act, dict):
        raise _Wrong(path, f"expected a table, found {act!r}")
    told = [key for key in _ACTS if key in act]
    if len(told) != 1:
        found = " and ".join(told) or ", ".join(act) or "nothing"
        raise _Wrong(path, f"expected exactly one of the keys {', '.join(_ACTS)}; found {found}")
    return _convert(act, _ACTS[told[0]], path)


def _check_voices(caller: list[CallerAct]) -> None:
    voices = sorted((*act.voice, index) for index, act in enumerate(caller) if isinstance(act, Voice))
    before = 0.0
    for start, end, index in voices:
        if end <= start:
            raise _Wrong(["caller", index, "voice"], f"expected an end after the start, found [{start}, {end}]")
        if start < before:
            raise _Wrong(["caller", index, "voice"], f"expected a start after the voice before it ends, at {before}")
        before = end


def _convert(found: object, cls: type[_A], path: _Path) -> _A:
    """Return a table as a value of `cls`; `path` leads to it."""
    try:
        return msgspec.convert(found, cls)
    except msgspec.ValidationError as error:
        told = _MESSAGE.fullmatch(str(error))
        assert told is not None
        inner: _Path = [step["key"] or int(step["index"]) for step in _STEP.finditer(told["path"] or "")]
        if unknown := _UNKNOWN.fullmatch(told["what"]):
            tables = [_TABLES[step] for step in inner if step in _TABLES and isinstance(step, str)]
            allowed = [
                *(tables[-1] if tables else cls).__struct_fields__,
                *(["caller"] if cls is Setting and not tables else []),
            ]
            raise _Wrong([*path, *inner, unknown["name"]], f"unknown key; known are {', '.join(allowed)}") from error
        raise _Wrong([*path, *inner], _expected(told["what"], inner, _value(found, inner))) from error


def _expected(what: str, inner: _Path, value: object) -> str:
    choices = next((_CHOICES[step] for step in reversed(inner) if isinstance(step, str) and step in _CHOICES), ())
    if what.startswith("Invalid enum value"):
        return f"expected one of {', '.join(choices)}; found {value!r}"
    for name, word in _IN_WORDS.items():
        what = what.replace(name, word)
    return f"{what[:1].lower()}{what[1:]}; found {value!r}"


def _value(found: object, path: _Path) -> object:
    """Return what stands at the end of a path that msgspec gave."""
    for step in path:
        found = found[step]  # type: ignore[index]  # msgspec found its way along it
    return found


def _line_of(path: _Path, text: str) -> int:
    """Return the line of the key a path leads to, else of the table in which it would stand, else 1."""
    top, *inner = [step for step in path if isinstance(step, str)]
    wanted = (top, path[1] + 1 if len(path) > 1 and isinstance(path[1], int) else 1)
    here, tables, best = ("", 0), Counter[str](), 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            tables[header[1]] += 1
            here = (header[1], tables[header[1]])
            best = number if here == wanted else best
        elif not (key := _KEY.match(line)):
            continue
        elif here == wanted and inner[:1] == [key[1]]:
            return number
        elif here == ("", 0) and key[1] == top and key[2] in (None, *inner[:1]):
            best = number
    return best
