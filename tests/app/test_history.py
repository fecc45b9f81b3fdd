"""The history checker finds nothing in calls that went well, and each thing that can go wrong."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import pytest

from adapters.bus.port import LogEntry
from app.folding import FOR_THE_GATEWAY, JournalRecord
from app.history.checking import Committed, History, Obeyed, check, check_commits, endings
from app.scenario.reading import read_scenario
from app.scenario.stage import log_scenario
from statecharts.effects import Drop, Effect, TurnEnded
from statecharts.events import RagAnswerReady, SttFinal

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.toml"))


@cache
def history_of(path: Path) -> History:
    """Return the history of a scenario's call, led by the real code."""
    log = log_scenario(read_scenario(path))
    told = {fact.position: fact.outcome for fact in log.facts if fact.outcome is not None}
    journal = [
        JournalRecord(
            position=fact.position, session_id=log.session_id, event_id=fact.event_id, event_type=fact.event_type,
            at=outcome.at, chart_version=log.chart_version, before=outcome.before, after=outcome.after,
            effects=msgspec.convert(outcome.effects, list[Effect]),
        )
        for fact in log.facts
        if (outcome := told.get(fact.position)) is not None
    ]  # fmt: skip
    entries = [LogEntry(position=fact.position, envelope=fact.envelope(log.session_id)) for fact in log.facts]
    gateway = next(fact.source for fact in log.facts if fact.event_type == "voice.webrtc.connected")
    obeyed = [
        Obeyed(gateway=gateway, call="1", epoch=1, position=record.position, effects=msgspec.to_builtins(asked))
        for record in journal
        if (asked := [effect for effect in record.effects if isinstance(effect, FOR_THE_GATEWAY)])
    ]
    return History(
        session_id=log.session_id, entries=entries, journal=journal,
        acknowledged=[fact.event_id for fact in log.facts], obeyed=obeyed, alive=frozenset({"1"}),
    )  # fmt: skip


def plain() -> History:
    """Return the history of a plain turn, to be broken."""
    return history_of(next(path for path in SCENARIOS if path.name.startswith("ax_typed")))


def changed(history: History, **changes: object) -> History:
    return msgspec.structs.replace(history, **changes)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_call_that_went_well_has_nothing_wrong(path: Path) -> None:
    history = changed(history_of(path), finished="run_until_s" not in path.read_text())
    assert [str(violation) for violation in check(history)] == []


def broken(history: History) -> set[str]:
    return {violation.rule for violation in check(history)}


def index_of(history: History, event_type: str) -> int:
    return next(number for number, record in enumerate(history.journal) if record.event_type == event_type)


def test_a_fact_that_was_never_folded_is_noticed() -> None:
    history = plain()
    history = changed(history, journal=history.journal[:-1])
    assert "no fact is lost" in broken(history)
    assert broken(changed(history, finished=False, obeyed=None)) == set()


def test_a_fact_that_was_acknowledged_and_is_gone_is_noticed() -> None:
    history = plain()
    history = changed(history, acknowledged=[*history.acknowledged, "gone"])
    assert broken(history) == {"no fact is lost"}


def test_a_fact_folded_twice_is_noticed() -> None:
    history = plain()
    number = index_of(history, SttFinal.event_type)
    history = changed(history, journal=[*history.journal[: number + 1], *history.journal[number:]])
    assert {"a fact is folded once", "no fact is acted on twice", "turns only grow"} <= broken(history)


def test_a_fact_dropped_as_a_copy_that_is_none_is_noticed() -> None:
    history = plain()
    number = index_of(history, SttFinal.event_type)
    record = history.journal[number]
    drop = Drop(record.event_id, record.event_type, "seen before")
    history = changed(
        history,
        journal=[*history.journal[:number], msgspec.structs.replace(record, after=record.before, effects=[drop])],
    )
    history = changed(history, finished=False, obeyed=None)
    assert broken(history) == {"no fact is lost"}


def test_a_state_that_no_edge_leads_to_is_noticed() -> None:
    history = plain()
    number = index_of(history, SttFinal.event_type)
    record = history.journal[number]
    history = changed(
        history, journal=[*history.journal[:number], msgspec.structs.replace(record, after="SPEAKING.streaming")]
    )
    history = changed(history, finished=False, obeyed=None)
    assert broken(history) == {"states are a path"}


def test_a_turn_that_ends_twice_or_never_is_noticed() -> None:
    history = plain()
    number = next(
        n for n, record in enumerate(history.journal) if any(isinstance(e, TurnEnded) for e in record.effects)
    )
    record = history.journal[number]
    ended = [effect for effect in record.effects if isinstance(effect, TurnEnded)]
    rest = [effect for effect in record.effects if not isinstance(effect, TurnEnded)]
    for effects in (rest, [*rest, *ended, *ended]):
        other = msgspec.structs.replace(record, effects=effects)
        history = changed(history, journal=[*history.journal[:number], other, *history.journal[number + 1 :]])
        assert broken(history) == {"every turn ends once"}


def test_typed_text_that_is_passed_over_is_noticed() -> None:
    history = plain()
    number = index_of(history, SttFinal.event_type)
    record = msgspec.structs.replace(history.journal[number], after=history.journal[number].before, effects=[])
    history = changed(history, journal=[*history.journal[:number], record])
    history = changed(history, finished=False, obeyed=None)
    assert broken(history) == {"typed text is a turn"}


def test_a_late_result_that_is_acted_on_is_noticed() -> None:
    history = plain()
    last = history.journal[-1]
    late = RagAnswerReady.event_type
    position = f"{last.position.split('-')[0]}-999"
    payload: dict[str, object] = {"text": "too late", "is_final": False, "request_id": "1.answer"}
    fact = next(iter(history.facts.values()))
    fact = msgspec.structs.replace(fact, event_type=late, payload=payload, event_id="late", turn=1)
    history = changed(history, entries=[*history.entries, LogEntry(position=position, envelope=fact)])
    history = changed(history, journal=[
        *history.journal,
        msgspec.structs.replace(last, position=position, event_id="late", event_type=late, before=last.after,
                                effects=[]),
    ])  # fmt: skip
    assert broken(history) == {"no late result is acted on"}


def test_a_request_left_for_ever_is_noticed() -> None:
    history = plain()
    kept = [n for n, record in enumerate(history.journal) if record.event_type != "voice.intent.detected"]
    history = changed(history, entries=[history.entries[n] for n in kept])
    history = changed(history, acknowledged=())
    assert "no request is left for ever" in broken(history)


def test_an_older_epoch_that_is_obeyed_is_noticed() -> None:
    history = plain()
    assert history.obeyed is not None
    history = changed(history, obeyed=[msgspec.structs.replace(history.obeyed[0], epoch=2), *history.obeyed[1:]])
    assert broken(history) == {"no older epoch is obeyed"}


@pytest.mark.parametrize("missed", [-1, 1], ids=["the last", "one"])
def test_a_command_that_its_gateway_never_got_is_noticed(missed: int) -> None:
    history = plain()
    assert history.obeyed is not None
    obeyed = list(history.obeyed)
    del obeyed[missed]
    assert broken(changed(history, obeyed=obeyed)) == {"clients miss nothing"}


def test_a_command_obeyed_twice_is_noticed() -> None:
    history = plain()
    assert history.obeyed is not None
    history = changed(history, obeyed=[*history.obeyed, history.obeyed[-1]])
    assert broken(history) == {"clients miss nothing"}


def test_two_owners_of_one_epoch_are_noticed() -> None:
    first = Committed(partition=0, owner="one", epoch=1, upto="1-0")
    assert check_commits([first, msgspec.structs.replace(first, epoch=2, owner="two", upto="2-0")]) == []
    again = msgspec.structs.replace(first, upto="2-0")
    assert [violation.rule for violation in check_commits([first, msgspec.structs.replace(again, owner="two")])] == [
        "one owner an epoch"
    ]
    newer = msgspec.structs.replace(first, epoch=2)
    assert [violation.rule for violation in check_commits([newer, again])] == ["epochs only grow"]
    assert [violation.rule for violation in check_commits([again, first])] == ["offsets only grow"]


def test_it_is_told_how_a_turn_ended() -> None:
    assert [(ending.turn, ending.kind) for ending in endings(plain())] == [(1, "answered")]
