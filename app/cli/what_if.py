"""How a replay under another policy is shown."""

from __future__ import annotations

from itertools import zip_longest
from statistics import mean

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.caller.report import STATE_COLOURS
from app.replay.course import Course, TurnCourse
from app.replay.what_if import WhatIf

__all__ = ["told_what_if"]


def told_what_if(found: list[WhatIf]) -> RenderableType:
    """Return what a changed policy does to one call in full, to several in a table."""
    return _one(found[0]) if len(found) == 1 else _many(found)


def _one(found: WhatIf) -> RenderableType:
    changes = ", ".join(f"{name}={_json(value)}" for name, value in found.changed.items())
    was = ", ".join(f"{name}={_json(value)}" for name, value in found.recorded_with.items())
    head = Text(f"{found.log} with {changes} (recorded with {was})\n")
    if found.departs_at_s is None:
        return Group(head, Text("nothing differs", "green"), *_assumptions(found))
    head.append(f"goes its own way at {found.departs_at_s:.3f} s: {found.departs_because}\n", "bold")
    states = Table("recorded", f"with {changes}", box=None, pad_edge=False)
    for old, new in zip_longest(found.recorded.states, found.replayed.states):
        states.add_row(_state(old), _state(new, None if old == new else "bold"))
    turns = Table("turn", "the caller said", "waited", "first audio", "outcome", "heard", box=None, pad_edge=False)
    for name, course in (("recorded", found.recorded), ("replayed", found.replayed)):
        turns.add_row(Text(name, "dim"))
        for turn in course.turns:
            turns.add_row(*_turn(turn))
    return Group(head, states, Text(), turns, Text(), _figures(found), *_assumptions(found))


def _state(entered: tuple[float, str] | None, style: str | None = None) -> Text:
    if entered is None:
        return Text()
    at_s, name = entered
    return Text.assemble((f"{at_s:8.3f}  ", style or ""), (name, STATE_COLOURS.get(name, "")))


def _turn(turn: TurnCourse) -> list[Text]:
    first = f"{turn.first_audio_s:.3f} s" if turn.first_audio_s is not None else ""
    cells = (str(turn.turn), turn.user_text, f"{turn.waited_s:.3f} s", first, turn.outcome, turn.heard_text)
    return [Text(cell) for cell in cells]


def _figures(found: WhatIf) -> Text:
    return Text("\n".join(f"{name:<22}{old} → {new}" for name, old, new in _rows(found)) + "\n")


def _rows(found: WhatIf) -> list[tuple[str, str, str]]:
    pairs = [(course, _means(course)) for course in (found.recorded, found.replayed)]
    (old, (old_wait, old_audio)), (new, (new_wait, new_audio)) = pairs
    return [
        ("cut-offs", str(old.cut_offs), str(new.cut_offs)),
        ("answers interrupted", str(old.interrupted), str(new.interrupted)),
        ("answers resumed", str(old.resumed), str(new.resumed)),
        ("mean wait", old_wait, new_wait),
        ("mean to first audio", old_audio, new_audio),
        ("facts dropped", str(old.dropped), str(new.dropped)),
    ]


def _means(course: Course) -> tuple[str, str]:
    """Return how long the caller waited for the end of a turn and for our first audio, on average."""
    waits = [turn.waited_s for turn in course.turns]
    audio = [turn.first_audio_s for turn in course.turns if turn.first_audio_s is not None]
    return tuple(f"{mean(values):.3f} s" if values else "-" for values in (waits, audio))  # type: ignore[return-value]  # two


def _assumptions(found: WhatIf) -> list[Text]:
    return [Text(f"assumed: {assumption}", "dim") for assumption in found.assumptions]


def _many(found: list[WhatIf]) -> RenderableType:
    table = Table("call", "differs at", box=None, pad_edge=False)
    for heading in ("cut-offs", "interrupted", "resumed", "mean wait", "first audio"):
        table.add_column(heading)
    for item in found:
        differs = "never" if item.departs_at_s is None else f"{item.departs_at_s:.3f} s"
        cells = [old if old == new else f"{old} → {new}" for _, old, new in _rows(item)[:5]]
        table.add_row(Text(item.log), differs, *cells)
    assumed = sum(bool(item.assumptions) for item in found)
    note = Text(f"{assumed} rest on assumptions: replay one of them alone, or with --json, to see which", "dim")
    return Group(table, note) if assumed else table


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
