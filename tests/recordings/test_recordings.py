"""Every call that lies here is led by today's chart as it was led when it was frozen.

After an intended change of the chart: `./run freeze --again` shows what changes and writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app.replay.call_log import CallLog, decode_log
from app.replay.refold import compare, refold
from app.replay.what_if import what_if
from app.session_record import derived_id
from statecharts.effects import StartTimer
from statecharts.events import TimerFired
from statecharts.phrases import Phrases
from statecharts.policy import Policy

FILES = sorted(Path(__file__).parent.glob("*.jsonl"))
UNTOLD = Policy(), Phrases()


def read(path: Path) -> CallLog:
    return decode_log(path.read_bytes(), path.name)


def timers_are_of_this_chart(log: CallLog) -> bool:
    """Whether every timer that fired then is one that today's chart has started, and when it did."""
    started: set[str] = set()
    for item in refold(log, UNTOLD):
        if item.fact.event_type == TimerFired.event_type and item.fact.event_id not in started:
            return False
        record = item.folded.record
        started |= {
            derived_id(log.session_id, effect.name, record.at + effect.delay_s)
            for effect in record.effects
            if isinstance(effect, StartTimer)
        }
    return True


def test_there_are_recordings_of_what_matters_most() -> None:
    assert {path.stem for path in FILES} >= {
        "plain_turn", "barge_in", "cough", "withdrawn", "hang_up_while_thinking", "reconnect",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_call_is_led_as_it_was(path: Path) -> None:
    found = compare(read(path), UNTOLD)
    first = found.first_difference
    assert found.same, f"differs at fact {first and first.number}: ./run replay tests/recordings/{path.name}"
    assert found.compared == found.facts


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_call_goes_no_other_way_on_the_virtual_clock(path: Path) -> None:
    log = read(path)
    if not timers_are_of_this_chart(log):
        pytest.skip("its timers ran under another chart; `python -m tests.recordings.record_calls` makes it anew")
    found = what_if(log, {"away_s": 61.0}, UNTOLD)
    assert found.departs_at_s is None, found.departs_because
    assert found.replayed == found.recorded


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_call_holds_no_more_than_it_needs(path: Path) -> None:
    data = path.read_bytes()
    assert len(data) < 64 * 1024
    assert b"user_id" not in data
    assert b"audio_base64" not in data
    assert read(path).title
