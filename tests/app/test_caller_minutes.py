"""What a call is judged by: honest numbers, and when it is over."""

from __future__ import annotations

import json
import math

import pytest

from app.bench.turn import figures
from app.caller.link import is_loopback
from app.caller.messages import BadMessage, Hangup, Playback, TypedText, decode, encode
from app.caller.minutes import LATE_TURN_S, SETTLE_S, Minutes
from app.caller.playout import ChunkPlayer
from app.caller.report import percentile
from app.caller.wav import MIC_RATE_HZ, Speech
from tests.app.caller_material import chunk, final, message, sentence, state


def minutes_of(player: ChunkPlayer, *, end_s: float = 1.0, duration_s: float = 2.0) -> Minutes:
    minutes = Minutes("id", "ws", player, Speech(bytes(round(duration_s * MIC_RATE_HZ) * 2), end_s))
    minutes.note(message("session", {"session_id": "id", "state": "LISTENING", "turn": 0}), 99.9)
    minutes.started_at = 100.0
    return minutes


def one_turn(player: ChunkPlayer, minutes: Minutes, turn: int, at: float, kind: str = "answer") -> None:
    minutes.note(final(f"words {turn}", turn), at)
    minutes.note(state("THINKING", turn), at + 0.1)
    minutes.note(sentence("It opened", turn, kind=kind), at + 0.2)
    minutes.note(sentence("in 1883.", turn, is_final=True, kind=kind), at + 0.2)
    minutes.note(state("SPEAKING", turn), at + 0.3)
    player.take(chunk(turn, 0.5, is_final=True, kind=kind), at + 0.3)
    player.advance(at + 0.8)
    minutes.note(state("LISTENING", turn), at + 0.8)


def test_latencies_run_from_the_true_end_of_the_speech() -> None:
    player = ChunkPlayer()
    minutes = minutes_of(player)
    one_turn(player, minutes, 1, 101.4)
    report = minutes.report("")
    assert report.latencies == pytest.approx(
        {"final_text": 0.4, "end_of_turn": 0.5, "first_answer": 0.6, "first_audio": 0.7, "playback_started": 0.7}
    )
    assert report.states == [(0.0, "LISTENING"), (1.5, "THINKING"), (1.7, "SPEAKING"), (2.2, "LISTENING")]
    assert (report.transcript, report.answer, report.kind) == ("words 1", "It opened in 1883.", "answer")
    assert (report.audio_s, report.heard_s) == (0.5, 0.5)


def test_a_call_is_over_when_the_answer_was_played_and_the_server_listens() -> None:
    player = ChunkPlayer()
    minutes = minutes_of(player)
    assert not minutes.is_over(150.0, math.inf)
    one_turn(player, minutes, 1, 101.4)
    assert minutes.is_over(102.3, math.inf)
    assert minutes.is_answered()


def test_a_server_that_never_says_it_listens_again_is_not_waited_for() -> None:
    player = ChunkPlayer()
    minutes = minutes_of(player)
    one_turn(player, minutes, 1, 101.4)
    minutes.note(state("SPEAKING", 1), 102.2)
    assert not minutes.is_over(102.3, math.inf)
    assert minutes.is_over(102.3 + SETTLE_S + 0.01, math.inf)


def test_a_turn_answered_before_the_speech_was_over_leaves_time_for_the_rest() -> None:
    player = ChunkPlayer()
    minutes = minutes_of(player, end_s=1.9)
    one_turn(player, minutes, 1, 100.5)
    assert not minutes.is_over(102.1, math.inf)
    one_turn(player, minutes, 2, 102.3)
    assert minutes.is_over(103.2, math.inf)
    assert minutes.report("").transcript == "words 1 words 2"


def test_an_early_turn_with_nothing_after_it_ends_the_call_all_the_same() -> None:
    player = ChunkPlayer()
    minutes = minutes_of(player, end_s=1.9)
    one_turn(player, minutes, 1, 100.5)
    assert minutes.is_over(102.0 + LATE_TURN_S, math.inf)


def test_a_withdrawn_turn_is_neither_transcript_nor_answer() -> None:
    player = ChunkPlayer()
    minutes = minutes_of(player)
    minutes.note(final("how old", 1), 100.5)
    minutes.note(state("THINKING", 1), 100.6)
    minutes.note(sentence("I am new.", 1, is_final=True), 100.6)
    minutes.note(message("withdrawn", {"turn": 1}), 100.7)
    assert not minutes.is_over(120.0, math.inf)
    one_turn(player, minutes, 2, 101.4)
    report = minutes.report("")
    assert (report.transcript, report.answer) == ("words 2", "It opened in 1883.")


def test_an_apology_is_no_answer() -> None:
    player = ChunkPlayer()
    minutes = minutes_of(player)
    one_turn(player, minutes, 1, 101.4, kind="apology")
    assert minutes.is_over(102.3, math.inf)
    assert not minutes.is_answered()
    assert "only apologised" in minutes.apology()


def test_a_caller_waits_from_the_end_of_the_recording_or_from_the_last_sound() -> None:
    player = ChunkPlayer()
    minutes = minutes_of(player)
    assert minutes.waiting_since(150.0) == 102.0
    assert "nothing was understood" in minutes.missing(20)
    minutes.note(state("THINKING", 1), 101.5)
    assert "turn 1 was taken" in minutes.missing(20)
    player.take(chunk(1, 0.5), 110.0)
    player.advance(110.4)
    assert minutes.waiting_since(110.4) == 110.4
    assert minutes.waiting_since(150.0) == 110.4
    assert "broke off" in minutes.missing(20)


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(v) for v in range(1, 21)]
    assert [percentile(values, share) for share in (0.05, 0.5, 0.95, 1.0)] == [1.0, 10.0, 19.0, 20.0]
    assert percentile([7.0], 0.95) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_figures_keep_the_order_of_a_call_and_count_only_what_was_reached() -> None:
    table = figures([{"first_audio": 0.6, "end_of_turn": 0.4}, {"end_of_turn": 0.2}])
    assert list(table) == ["end_of_turn", "first_audio"]
    assert (table["end_of_turn"].n, table["end_of_turn"].median, table["end_of_turn"].p95) == (2, 0.3, 0.4)
    assert table["first_audio"].n == 1


def test_a_type_this_client_does_not_know_is_passed_over() -> None:
    assert decode('{"type":"mic","payload":{"gate":"open"}}') is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"type":"answer"}', '{"type":"tts_chunk","payload":{"turn":1}}'])
def test_a_message_that_breaks_the_contract_is_named(text: str) -> None:
    with pytest.raises(BadMessage, match="does not fit the contract"):
        decode(text)


def test_a_client_speaks_as_the_contract_says() -> None:
    assert json.loads(encode(Hangup())) == {"type": "hangup"}
    assert json.loads(encode(TypedText("hi")))["type"] == "stt_final"
    assert json.loads(encode(Playback("playback_done", 3, "answer"))) == {
        "type": "webrtc_event",
        "event_type": "voice.webrtc.playback_done",
        "payload": {"turn": 3, "kind": "answer"},
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("https://voice.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, *, expected: bool) -> None:
    assert is_loopback(url) is expected
