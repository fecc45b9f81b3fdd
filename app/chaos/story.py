"""Keeps the story of a call in which something is wrong: its log, to be replayed, and a telling for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from adapters.bus.port import EventBus
from app.chaos.call_story import CallStory
from app.chaos.judging import Judged
from app.replay.call_log import encode_log, read_log

__all__ = ["keep_story"]


async def keep_story(bus: EventBus, folder: Path, judged: Judged, story: CallStory) -> Path:
    """Write `<session>.jsonl`, which `why` and `replay` read, and `<session>.txt`; return the path of the latter."""
    if (log := await read_log(bus, story.session_id, story.session_id)) is not None:
        (folder / f"{story.session_id}.jsonl").write_bytes(encode_log(log))
    told = folder / f"{story.session_id}.txt"
    told.write_text("\n".join(_told(judged, story)) + "\n")
    return told


def _told(judged: Judged, story: CallStory) -> Iterator[str]:
    yield f"session {story.session_id}"
    yield from (f"WRONG  {violation}" for violation in judged.wrong)
    yield "\nwhat the caller said"
    for said in story.said:
        how = f"posted as {said.event_id}" if said.event_id else f"typed {said.times} times"
        yield f"  turn {said.turn:2}  {said.text}  ({how}, {'' if said.acknowledged else 'not '}acknowledged)"
    yield "\nhow long the caller waited"
    zero = story.waits[0].since if story.waits else 0.0
    for wait in story.waits:
        ended = "for ever" if wait.until is None else f"{wait.until - wait.since:.3f} s"
        yield f"  {wait.since - zero:8.3f}  {wait.what}: {ended}"
    yield "\nthe journal: when the chart took it, what it was, and what it did"
    for record in judged.history.journal:
        effects = ", ".join(_brief(msgspec.to_builtins(effect)) for effect in record.effects)
        yield f"  {record.at:.3f}  {record.position}  {record.event_type}  {record.before} → {record.after}  {effects}"
    yield "\nwhat the caller got, connection by connection"
    for got in story.got:
        yield f"  {got.at - zero:8.3f}  {got.connection}  {got.id:>4}  {got.data.decode()}"


def _brief(effect: dict[str, object]) -> str:
    shown = ("turn", "kind", "text", "request_id", "name", "reason", "trigger", "action", "is_final")
    fields = " ".join(f"{name}={effect[name]}" for name in shown if effect.get(name) not in (None, ""))
    return f"{effect['effect']}({fields})"
