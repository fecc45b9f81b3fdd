"""What the turn's benchmark says of a call: where its time went, what counts, and the picture of it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from app.bench.clips import BadClips, read_speech
from app.bench.figures import Machine
from app.bench.picture import NothingToDraw, draw_turn
from app.bench.stages import STEPS, Steps, steps_of
from app.bench.turn import TurnBench, TurnCall, figures
from app.caller.link import Transport
from app.caller.wav import write_wav
from app.replay.call_log import CallLog, decode_log
from statecharts.policy import Policy
from tests.app.caller_material import pcm16
from tests.speech import FOLDER

RECORDINGS = Path(__file__).parents[1] / "recordings"
DOCS = Path(__file__).parents[2] / "docs"


def recorded(name: str) -> CallLog:
    return decode_log((RECORDINGS / f"{name}.jsonl").read_bytes(), name)


def at(log: CallLog, event_type: str, turn: int = 0) -> float:
    return next(f.timestamp for f in log.facts if f.event_type == event_type and turn in (0, f.turn))


def test_the_steps_of_a_turn_follow_one_another_from_the_true_end_to_the_ear() -> None:
    log = recorded("plain_turn")
    sent = at(log, "voice.tts.chunk_ready")
    true_end = at(log, "voice.vad.speech_stopped") - 0.25
    steps = steps_of(log, true_end, sent - true_end + 0.004)
    assert list(steps) == list(STEPS)
    assert steps["detector"] == pytest.approx((0.0, 0.09), abs=0.001)
    assert steps["silence"] == pytest.approx((steps["detector"][1], 0.25), abs=0.001)
    assert steps["end_of_turn"][0] == steps["silence"][1]
    assert steps["recogniser"][0] == pytest.approx(steps["silence"][0] + Policy().recognise_ahead_s, abs=0.001)
    assert steps["intent"][0] == steps["retrieval"][0] == steps["recogniser"][1]
    assert steps["voice"][1] == steps["delivery"][0] == pytest.approx(sent - true_end, abs=0.001)
    assert steps["delivery"][1] - steps["delivery"][0] == pytest.approx(0.004, abs=0.001)


def test_a_turn_that_was_taken_back_is_not_the_one_that_is_told() -> None:
    log = recorded("withdrawn")
    second = [f.timestamp for f in log.facts if f.event_type == "voice.stt.final"][1]
    assert steps_of(log, second, 1.0)["retrieval"][0] == pytest.approx(0.0, abs=0.001)


def test_a_call_without_a_turn_has_no_steps() -> None:
    log = recorded("plain_turn")
    assert steps_of(msgspec.structs.replace(log, facts=log.facts[:2]), 0.0, 1.0) == {}


def test_where_speech_ends_is_told_by_the_manifest_where_levels_cannot_tell(tmp_path: Path) -> None:
    assert read_speech(FOLDER / "gc_quit.wav").end_s == 1.86
    assert read_speech(FOLDER / "ask_states.wav").end_s == pytest.approx(1.25, abs=0.011)
    clip = tmp_path / "one.wav"
    write_wav(clip, pcm16(0.4, 16_000), 16_000)
    by_level = read_speech(clip).end_s
    for row, end_s in (("one.wav,0.1", 0.1), ("one.wav,", by_level), ("other.wav,0.1", by_level)):
        (tmp_path / "manifest.csv").write_text(f"file,end_s\n{row}\n")
        assert read_speech(clip).end_s == end_s
    (tmp_path / "manifest.csv").write_text("file,end_s\none.wav,soon\n")
    with pytest.raises(BadClips, match=r"end_s of one.wav is 'soon'"):
        read_speech(clip)
    (tmp_path / "manifest.csv").write_text("name\none.wav\n")
    with pytest.raises(BadClips, match="one must be called file"):
        read_speech(clip)


STEPS_OF_A_CALL: Steps = {
    "detector": (0.0, 0.09), "silence": (0.09, 0.25), "recogniser": (0.25, 0.35), "end_of_turn": (0.25, 0.354),
    "intent": (0.35, 0.352), "retrieval": (0.35, 0.353), "voice": (0.354, 0.41), "delivery": (0.41, 0.411),
}  # fmt: skip


def measured(*calls: TurnCall, transport: Transport = "ws") -> TurnBench:
    machine = Machine(cores=2, system="Linux", python="3.11", load_before=0.1)
    told = {transport: figures([call.caller for call in calls])}
    return TurnBench(url="", machine=machine, calls=list(calls), caller=told, server={transport: {}})


def a_call(shift_s: float = 0.0, *, early: bool = False, steps: Steps | None = None) -> TurnCall:
    told = STEPS_OF_A_CALL if steps is None else steps
    moved = {name: (begin, end + shift_s) for name, (begin, end) in told.items()}
    return TurnCall(
        transport="ws", clip="a", answered=True, early=early, problem="", transcript="",
        caller={"audio_sent": 0.41 + shift_s, "first_audio": 0.411 + shift_s}, server={}, steps=moved,
    )  # fmt: skip


def test_the_picture_shows_every_step_and_the_median_beside_the_goal() -> None:
    svg = draw_turn(measured(a_call(), a_call(0.02), a_call(0.2)))
    assert all(f">{meaning}</text>" in svg for meaning in STEPS.values())
    assert ">first audio sent: 430</text>" in svg
    assert ">goal: 350</text>" in svg
    assert ">120 ms</text>" in svg  # the recogniser's, in the call of the middle
    assert "prefers-color-scheme: dark" in svg
    assert draw_turn(measured(a_call(), a_call(0.02), a_call(0.2))) == svg


def test_an_answer_before_the_speech_was_over_is_not_drawn() -> None:
    with_early = draw_turn(measured(a_call(), a_call(-3.0, early=True)))
    assert ">first audio sent: 410</text>" in with_early


def test_a_picture_of_nothing_is_refused() -> None:
    with pytest.raises(NothingToDraw, match="tells where its time went"):
        draw_turn(measured(a_call(steps={})))
    with pytest.raises(NothingToDraw, match="over webrtc"):
        draw_turn(measured(a_call()), "webrtc")


def test_the_committed_picture_is_that_of_the_committed_figures() -> None:
    result = msgspec.json.decode((DOCS / "turn.json").read_bytes(), type=TurnBench)
    assert (DOCS / "turn.svg").read_text() == draw_turn(result)
    text = (DOCS / "benchmarks.md").read_text()
    first = result.caller["ws"]["audio_sent"]
    row = re.search(r"first audio sent by the server +│ +(\d+) │ ([\d.]+) │ ([\d.]+)", text)
    if row is None:
        pytest.skip("docs/benchmarks.md quotes no measurement yet: ./run bench again")
    assert (int(row[1]), row[2], row[3]) == (first.n, f"{first.median:.3f}", f"{first.p95:.3f}")
