"""What holds whatever happens, in whatever order."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from statecharts.effects import CancelSpeech, Drop, EndSession, Playout, SetMicGate, Speak, StateChanged, TurnEnded
from statecharts.events import Connected, Event, SessionEnded
from statecharts.stepping import Snapshot
from statecharts.timers import DEADLINES
from tests.charts.driver import Drive
from tests.properties.strategies import STEPS

Steps = list[tuple[float, Event]]


@given(STEPS)
def test_only_the_current_turn_is_ever_spoken(steps: Steps) -> None:
    drive = Drive()
    drive.take(Connected())
    for after_s, event in steps:
        for effect in drive.take(event, after_s=after_s):
            if isinstance(effect, Speak):
                assert effect.turn == drive.chart.context.turn


@given(STEPS)
def test_a_caller_who_waits_long_enough_always_has_the_floor_again(steps: Steps) -> None:
    drive = Drive()
    drive.take(Connected())
    for after_s, event in steps:
        drive.take(event, after_s=after_s)
        if drive.chart.state != "IDLE":
            running = set(drive.timers)
            waited_for = {"resume_wait"} if drive.chart.context.detached else set(DEADLINES[drive.path])
            assert running & waited_for, f"{drive.path} waits for nothing: {running}"
    drive.wait(600.0)
    assert drive.path in ("LISTENING.quiet", "IDLE.away", "IDLE.ended", "IDLE.new")


@given(STEPS, st.integers(0, 40))
def test_a_restored_conversation_goes_on_as_if_it_had_never_stopped(steps: Steps, cut: int) -> None:
    whole, first = Drive(), Drive()
    for after_s, event in steps[:cut]:
        assert whole.take(event, after_s=after_s) == first.take(event, after_s=after_s)
    stored = msgspec.json.decode(msgspec.json.encode(first.chart.snapshot()), type=Snapshot)
    second = Drive(snapshot=stored)
    second.now = first.now
    for after_s, event in steps[cut:]:
        assert whole.take(event, after_s=after_s) == second.take(event, after_s=after_s)
    assert msgspec.json.encode(whole.chart.snapshot()) == msgspec.json.encode(second.chart.snapshot())


@given(STEPS)
def test_an_event_either_leads_somewhere_or_is_dropped_with_a_reason(steps: Steps) -> None:
    drive = Drive()
    for after_s, event in steps:
        before = drive.path
        effects = drive.take(event, after_s=after_s)
        drops = [effect for effect in effects if isinstance(effect, Drop)]
        assert len(drops) <= 1
        if drops:
            assert effects == drops
            assert drops[0].reason
        for change in (effect for effect in effects if isinstance(effect, StateChanged)):
            assert (change.old_state, before) == (before.split(".")[0], before) or len(effects) > 1


@given(STEPS)
def test_every_turn_ends_once(steps: Steps) -> None:
    drive = Drive()
    drive.take(Connected())
    for after_s, event in steps:
        drive.take(event, after_s=after_s)
    drive.take(SessionEnded(reason="hangup"))
    ended = [effect.turn for effect in drive.effects if isinstance(effect, TurnEnded) and effect.turn]
    assert sorted(ended) == list(range(1, drive.chart.context.turn + 1))


@given(STEPS)
def test_after_a_hang_up_nothing_runs_and_nothing_is_said(steps: Steps) -> None:
    drive = Drive()
    drive.take(Connected())
    for after_s, event in steps:
        drive.take(event, after_s=after_s)
    was_over = drive.path == "IDLE.ended"
    effects = drive.take(SessionEnded(reason="hangup"))
    assert drive.path == "IDLE.ended"
    assert not drive.timers
    assert was_over or any(isinstance(effect, EndSession) for effect in effects)
    assert not any(isinstance(effect, Speak) for effect in effects)


@given(STEPS)
def test_heard_text_is_a_prefix_of_the_answer(steps: Steps) -> None:
    drive = Drive()
    drive.take(Connected())
    for after_s, event in steps:
        drive.take(event, after_s=after_s)
    drive.wait(600.0)
    for effect in drive.effects:
        if isinstance(effect, TurnEnded):
            assert effect.answer_text.startswith(effect.heard_text)
            assert not (effect.withdrawn and effect.interrupted)


@given(STEPS)
def test_the_mic_gate_agrees_with_the_state(steps: Steps) -> None:
    drive = Drive()
    gate = "closed"
    for after_s, event in steps:
        drive.take(event, after_s=after_s)
        gates = [effect.gate for effect in drive.effects if isinstance(effect, SetMicGate)]
        gate = gates[-1] if gates else gate
        is_open = drive.chart.state in ("LISTENING", "THINKING", "INTERRUPT") and drive.chart.substate != "filling"
        assert (gate == "open") == is_open


@given(STEPS)
def test_once_an_answer_is_stopped_it_is_never_resumed(steps: Steps) -> None:
    drive = Drive()
    stopped: set[int] = set()
    for after_s, event in steps:
        for effect in drive.take(event, after_s=after_s):
            if isinstance(effect, Playout):
                assert effect.action == "stop" or effect.turn not in stopped
                if effect.action == "stop":
                    stopped.add(effect.turn)
            if isinstance(effect, CancelSpeech) and effect.reason == "the caller speaks":
                stopped.add(effect.turn)
