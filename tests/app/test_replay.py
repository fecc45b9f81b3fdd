"""A recorded call, taken through today's chart; and what is said when its log is not what it should be."""

from __future__ import annotations

import json
import uuid

import msgspec
import pytest

from adapters.bus.memory import MemoryBus
from app.replay.call_log import BadLog, CallLog, decode_log, encode_log, read_log
from app.replay.freezing import frozen, refrozen
from app.replay.refold import ChartFailed, compare
from app.rules import Rules
from statecharts.effects import Effect
from statecharts.events import Envelope, Event, SttFinal
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.stepping import RunningChart
from tests.app.harness import harness
from tests.app.led_call import SESSION, plain

UNTOLD = Policy(), Phrases()


def tampered(log: CallLog, number: int, **changes: object) -> CallLog:
    """The log, as if something else had been recorded of one fact."""
    facts = list(log.facts)
    outcome = facts[number].outcome
    assert outcome is not None
    facts[number] = msgspec.structs.replace(facts[number], outcome=msgspec.structs.replace(outcome, **changes))
    return msgspec.structs.replace(log, facts=facts)


def test_a_call_is_the_same_byte_for_byte_when_it_is_folded_again() -> None:
    found = compare(plain().log, UNTOLD)
    assert found.same
    assert found.compared == found.facts > 10
    assert not found.notes


def test_it_is_replayed_under_the_policy_that_it_was_led_by() -> None:
    assert compare(plain(Policy(end_of_turn_s=0.45)).log, UNTOLD).same


def test_a_log_that_does_not_tell_its_policy_is_replayed_under_the_one_given() -> None:
    log = tampered(plain(Policy(end_of_turn_s=0.45)).log, 0, rules=None)
    assert compare(log, (Policy(end_of_turn_s=0.45), Phrases())).same
    found = compare(log, UNTOLD)
    assert not found.same
    assert "today's settings" in found.notes[0]


def test_the_first_difference_is_told_with_what_led_to_it() -> None:
    log = plain().log
    found = compare(tampered(log, 3, after="LISTENING.quiet", effects=[{"effect": "Playout", "turn": 1}]), UNTOLD)
    assert (found.same, found.differing) == (False, 1)
    first = found.first_difference
    assert first is not None
    assert first.number == 4
    assert "stt.final" in first.event
    assert [line.split()[1] for line in first.leading_to_it] == [
        "webrtc.connected",
        "vad.speech_started",
        "vad.speech_stopped",
    ]
    assert (first.recorded.after, first.now.after) == ("LISTENING.quiet", "LISTENING.settling")
    assert '-{"effect":"Playout","turn":1}' in first.effects_diff
    assert any(line.startswith('+{"effect":"ShowTranscript"') for line in first.effects_diff)


def test_an_order_that_changed_is_a_difference() -> None:
    log = plain().log
    outcome = log.facts[0].outcome
    assert outcome is not None
    assert not compare(tampered(log, 0, effects=outcome.effects[::-1]), UNTOLD).same


def test_the_charts_that_took_part_are_named() -> None:
    log = msgspec.structs.replace(plain().log, chart_version="0")
    found = compare(tampered(log, 5, chart_version="0.5"), UNTOLD)
    assert found.chart_recorded == ["0", "0.5"]


def test_effects_of_another_version_are_compared_not_understood() -> None:
    found = compare(tampered(plain().log, 2, effects=[{"effect": "Whistle", "tune": 3}]), UNTOLD)
    assert found.first_difference is not None
    assert '-{"effect":"Whistle","tune":3}' in found.first_difference.effects_diff


def test_rules_of_another_version_are_named() -> None:
    log = plain().log
    told = log.facts[0].outcome
    assert told is not None
    assert told.rules is not None
    rules = Rules({**told.rules.policy, "patience": 3}, told.rules.phrases)
    assert "patience" in compare(tampered(log, 0, rules=rules), UNTOLD).notes[0]
    broken = Rules({**told.rules.policy, "end_of_turn_s": "long"}, told.rules.phrases)
    with pytest.raises(BadLog, match="end_of_turn_s"):
        compare(tampered(log, 0, rules=broken), UNTOLD)


def test_a_call_whose_beginning_is_gone_is_refused() -> None:
    log = plain().log
    with pytest.raises(BadLog, match=r"begins in LISTENING\.hearing.*gone"):
        compare(msgspec.structs.replace(log, facts=log.facts[2:]), UNTOLD)


def test_a_log_survives_its_file() -> None:
    data = encode_log(plain().log)
    log = decode_log(data, "call.jsonl")
    assert encode_log(log) == data
    assert len(log.facts) == len(plain().log.facts)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"hello", "line 1 cannot be read"),
        (b"\xff\xfe", "line 1 cannot be read"),
        (b"[]", "holds no event"),
        (b'[{"id":"1-0"}]', "cannot be read"),
        (b'{"voicechart_log":2,"session_id":"s","chart_version":"1"}', "format 2"),
        (b'{"voicechart_log":"x","session_id":"s","chart_version":"1"}', "line 1 cannot be read"),
        (b'[{"id":"1","event_type":"x","session_id":"a"},{"id":"2","event_type":"x","session_id":"b"}]', "2 sessions"),
        (b'{"id":"1-0","event_type":"voice.stt.finale","session_id":"a"}', "'voice.stt.finale' is unknown"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_said(data: bytes, said: str) -> None:
    with pytest.raises(BadLog, match=said) as error:
        decode_log(data, "call.jsonl")
    assert str(error.value).startswith("call.jsonl")


def test_a_broken_line_is_named() -> None:
    lines = encode_log(plain().log).splitlines()
    lines[4] = lines[4][:-10]
    with pytest.raises(BadLog, match=r"call\.jsonl, line 5 cannot be read.*repair the line"):
        decode_log(b"\n".join(lines), "call.jsonl")


def test_an_event_of_an_unknown_type_is_named_unless_it_was_refused_then() -> None:
    log = plain().log
    strange = msgspec.structs.replace(log.facts[3], event_type="voice.stt.sung")
    with pytest.raises(BadLog, match=r"line 5: the event type 'voice\.stt\.sung' is unknown"):
        decode_log(encode_log(msgspec.structs.replace(log, facts=[*log.facts[:3], strange])), "call.jsonl")
    refused = tampered(msgspec.structs.replace(log, facts=[*log.facts[:3], strange]), 3, effects=[{"effect": "Drop"}])
    assert len(decode_log(encode_log(refused), "call.jsonl").facts) == 4


def test_a_call_is_frozen_without_who_published_it_and_expects_what_was_recorded() -> None:
    log = plain().log
    named = msgspec.structs.replace(log, facts=[msgspec.structs.replace(fact, source="me") for fact in log.facts])
    kept = frozen(named, "A plain turn.")
    assert kept.title == "A plain turn."
    assert kept.facts == log.facts
    with pytest.raises(BadLog, match="tells of no fact"):
        frozen(msgspec.structs.replace(log, facts=[]), "")


def test_freezing_again_expects_what_the_chart_does_now_and_nothing_else_changes() -> None:
    log = plain().log
    old = msgspec.structs.replace(tampered(log, 3, effects=[]), chart_version="0")
    assert encode_log(refrozen(old, UNTOLD)) == encode_log(log)


def test_a_fact_on_which_todays_chart_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: RunningChart, event: Event) -> list[Effect]:
        raise ZeroDivisionError("no")

    log = plain().log
    monkeypatch.setattr(RunningChart, "step", broken)
    with pytest.raises(
        ChartFailed, match=r"fact 1 \(webrtc\.connected\): today's chart fails on it: ZeroDivisionError: no"
    ):
        compare(log, UNTOLD)
    unfolded = [msgspec.structs.replace(fact, outcome=None) for fact in log.facts]
    assert compare(msgspec.structs.replace(log, facts=unfolded), UNTOLD).compared == 0


async def test_the_log_of_a_session_is_read_from_the_bus_as_it_was_led() -> None:
    async with harness(Policy(end_of_turn_s=0.7)) as made:
        await made.emit(SttFinal(text="hello"))
        await made.state("THINKING")
        log = await read_log(made.bus, made.session_id, "live")
        assert log is not None
        assert compare(log, UNTOLD).same
        assert [fact.event_type for fact in log.facts][:2] == ["voice.webrtc.connected", "voice.stt.final"]
        assert encode_log(decode_log(encode_log(log), "live")) == encode_log(log)


async def test_facts_that_nobody_folded_are_told() -> None:
    bus = MemoryBus()
    started = Envelope(event_type="voice.session.started", session_id=SESSION, event_id="1", timestamp=1.0)
    await bus.publish(started)
    log = await read_log(bus, SESSION, "a call")
    assert log is not None
    found = compare(log, UNTOLD)
    assert (found.same, found.compared) == (True, 0)
    assert "1 facts have no recorded outcome" in found.notes[-1]
    assert await read_log(bus, str(uuid.uuid4()), "no call") is None


def test_what_people_see_of_events_is_compared_by_what_was_derived() -> None:
    log = plain().log
    items = []
    for fact in log.facts:
        head = {"event_type": fact.event_type, "event_id": fact.event_id, "timestamp": fact.timestamp}
        items.append(
            {"id": fact.position, "session_id": log.session_id, "turn": fact.turn, "payload": fact.payload} | head
        )
    nothing_derived = decode_log(json.dumps(items).encode(), "events.json")
    found = compare(nothing_derived, UNTOLD)
    assert (found.compared_by, found.same) == ("derived events", False)
    lines = b"\n".join(json.dumps(item).encode() for item in items)
    assert decode_log(lines, "events.json") == nothing_derived
