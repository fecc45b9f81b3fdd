"""The caller's two loudspeakers, on a given clock."""

from __future__ import annotations

import numpy as np
import pytest

from app.caller.heard import DUCK_GAIN, Heard
from app.caller.messages import Playback
from app.caller.playout import ChunkPlayer
from app.caller.track_playout import RTP_RATE_HZ, TrackPlayer
from tests.app.caller_material import chunk, mark, order, pcm16


def ticks(player: ChunkPlayer, start: float, end: float) -> list[Playback]:
    return [report for i in range(round((end - start) / 0.02) + 1) for report in player.advance(start + i * 0.02)]


def test_chunks_that_arrive_in_time_join_without_a_gap() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 0.3), 10.0)
    player.take(chunk(1, 0.3, is_final=True), 10.1)
    reports = ticks(player, 10.1, 11.0)
    assert [r.event for r in reports if r.event != "playback_progress"] == ["playback_done"]
    sound, rate_hz = player.heard.render(10.0, 11.0)
    samples = np.frombuffer(sound, "<i2")
    assert rate_hz == 10_000
    assert (samples[:6000] == 10_000).all()
    assert not samples[6000:].any()


def test_what_was_played_to_the_end_is_reported_to_the_sample() -> None:
    player = ChunkPlayer()
    for i in range(7):
        player.take(chunk(1, 0.1237, rate_hz=22_050), 5.0 + i * 0.05)
    player.take(chunk(1, 0.0, is_final=True, rate_hz=22_050), 5.4)
    done = ticks(player, 5.4, 8.0)[-1]
    assert (done.event, done.turn, done.kind) == ("playback_done", 1, "answer")
    assert done.played_s == pytest.approx(7 * round(0.1237 * 22_050) / 22_050, abs=1e-12)
    assert player.hearings[0].ended == "played"


def test_playing_is_reported_when_it_begins_and_every_half_second() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 1.8, is_final=True), 0.0)
    reports = ticks(player, 0.0, 2.0)
    assert [r.event for r in reports] == ["playback_started"] + ["playback_progress"] * 3 + ["playback_done"]
    assert [r.played_s for r in reports] == pytest.approx([0.0, 0.5, 1.0, 1.5, 1.8], abs=0.021)


def test_an_answer_that_runs_dry_goes_on_when_more_arrives() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 0.2), 0.0)
    ticks(player, 0.0, 1.0)
    player.take(chunk(1, 0.2, is_final=True), 1.0)
    ticks(player, 1.0, 1.5)
    samples = np.frombuffer(player.heard.render(0.0, 1.5)[0], "<i2")
    assert samples[:2000].all()
    assert not samples[2000:10_000].any()
    assert samples[10_000:12_000].all()


def test_a_pause_keeps_the_place_and_a_resume_goes_on_there() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 1.0, is_final=True), 0.0)
    player.take(order("pause"), 0.4)
    assert ticks(player, 0.4, 1.4) == []
    assert player.hearings[0].played_s == pytest.approx(0.4)
    player.take(order("resume"), 1.4)
    assert ticks(player, 1.4, 2.1)[-1].played_s == pytest.approx(1.0)
    samples = np.frombuffer(player.heard.render(0.0, 2.1)[0], "<i2")
    assert not samples[4000:14_000].any()
    assert (samples[14_000:20_000] == 10_000).all()


def test_a_ducked_voice_plays_on_quietly_until_it_is_resumed() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 1.0, is_final=True), 0.0)
    player.take(order("duck"), 0.2)
    player.take(order("resume"), 0.6)
    ticks(player, 0.6, 1.1)
    samples = np.frombuffer(player.heard.render(0.0, 1.0)[0], "<i2")
    assert [samples[1000], samples[4000], samples[8000]] == [10_000, round(10_000 * DUCK_GAIN), 10_000]


def test_a_stop_throws_the_rest_away_and_reports_what_was_played() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 1.0), 0.0)
    (*_, done) = player.take(order("stop"), 0.3)
    assert (done.event, done.turn, done.kind) == ("playback_done", 1, "answer")
    assert done.played_s == pytest.approx(0.3)
    assert player.take(chunk(1, 0.5), 0.4) == []
    assert ticks(player, 0.4, 2.0) == []
    assert player.hearings[0].ended == "stopped"
    assert not np.frombuffer(player.heard.render(0.31, 2.0)[0], "<i2").any()


def test_a_paused_answer_that_is_stopped_reports_where_it_was_paused() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 1.0), 0.0)
    player.take(order("pause"), 0.3)
    assert player.take(order("stop"), 0.9)[-1].played_s == pytest.approx(0.3)


def test_a_new_turn_starts_at_full_gain() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 1.0), 0.0)
    player.take(order("duck"), 0.2)
    player.take(order("stop"), 0.3)
    player.take(chunk(2, 0.5, is_final=True), 0.5)
    done = ticks(player, 0.5, 1.1)[-1]
    assert (done.event, done.turn, done.kind) == ("playback_done", 2, "answer")
    assert done.played_s == pytest.approx(0.5)
    assert np.frombuffer(player.heard.render(0.0, 1.0)[0], "<i2")[7000] == 10_000


def test_a_filler_is_counted_apart_from_the_answer() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 0.3, is_final=True, kind="filler"), 0.0)
    player.take(chunk(1, 0.6, is_final=True), 0.1)
    done = [r for r in ticks(player, 0.1, 1.2) if r.event == "playback_done"]
    assert [r.kind for r in done] == ["filler", "answer"]
    assert [r.played_s for r in done] == pytest.approx([0.3, 0.6])


def test_after_a_filler_that_was_stopped_the_answer_of_its_turn_is_played() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 0.6, is_final=True, kind="filler"), 0.0)
    player.take(order("stop"), 0.2)
    player.take(chunk(1, 0.3, is_final=True, kind="filler"), 0.3)
    player.take(chunk(1, 0.5, is_final=True), 0.4)
    done = [report for report in ticks(player, 0.4, 1.2) if report.event == "playback_done"]
    assert [report.kind for report in done] == ["answer"]
    assert done[0].played_s == pytest.approx(0.5)


def test_what_was_heard_at_two_rates_becomes_one_recording() -> None:
    heard = Heard()
    heard.add(1.0, pcm16(0.5, 22_050), 22_050)
    heard.add(2.0, pcm16(0.5, 16_000), 16_000)
    sound, rate_hz = heard.render(0.5, 3.0)
    level = np.abs(np.frombuffer(sound, "<i2").astype(float))
    assert rate_hz == 22_050
    assert len(level) == round(2.5 * 22_050)
    loud = [level[int(at * rate_hz) : int((at + 0.3) * rate_hz)].max() > 10_000 for at in (0.1, 0.6, 1.1, 1.6, 2.1)]
    assert loud == [False, True, False, True, False]


PACKET = b"\x10\x27" * 960


def packets(player: TrackPlayer, first: int, count: int, start: float, rtp0: int = 0) -> list[Playback]:
    """Let `count` packets of 20 ms arrive in real time, from packet number `first` on."""
    reports: list[Playback] = []
    for i in range(count):
        now = start + i * 0.02
        player.hear((rtp0 + (first + i) * 960) % (1 << 32), PACKET, now)
        reports += player.advance(now)
    return reports


@pytest.mark.parametrize("rtp0", [0, 5_000, (1 << 32) - 20 * 960])
def test_a_track_is_measured_between_its_marks_even_where_the_clock_wraps(rtp0: int) -> None:
    player = TrackPlayer()
    packets(player, 0, 10, 0.0, rtp0)
    player.take(mark("start", rtp0 + 10 * 960), 0.2)
    player.take(mark("end", rtp0 + 60 * 960), 0.2)
    reports = packets(player, 10, 60, 0.2, rtp0)
    assert [r.event for r in reports] == ["playback_started", "playback_progress", "playback_done"]
    assert reports[-1].played_s is None  # all of it
    assert player.hearings[0].played_s == pytest.approx(1.0)
    assert player.hearings[0].first_at == pytest.approx(0.2)


def test_a_mark_that_comes_after_its_audio_still_tells_when_that_arrived() -> None:
    player = TrackPlayer()
    packets(player, 0, 30, 7.0)
    (started,) = player.take(mark("start", 20 * 960), 7.6)
    assert started.event == "playback_started"
    assert player.hearings[0].first_at == pytest.approx(7.4)


def test_what_lies_between_pause_and_resume_was_not_played() -> None:
    player = TrackPlayer()
    player.take(mark("start", 0), 0.0)
    packets(player, 0, 20, 0.0)
    player.take(mark("pause", 20 * 960), 0.4)
    packets(player, 20, 30, 0.4)
    assert player.hearings[0].played_s == pytest.approx(0.4)
    player.take(mark("resume", 50 * 960), 1.0)
    packets(player, 50, 10, 1.0)
    (*_, done) = player.take(order("stop"), 1.2)
    assert (done.event, done.turn, done.kind) == ("playback_done", 1, "answer")
    assert done.played_s == pytest.approx(0.6)


def test_after_a_stop_the_track_is_cut_until_the_next_turn_starts() -> None:
    player = TrackPlayer()
    player.take(mark("start", 0), 0.0)
    packets(player, 0, 10, 0.0)
    player.take(order("stop"), 0.2)
    packets(player, 10, 10, 0.2)
    player.take(mark("start", 20 * 960, turn=2), 0.4)
    packets(player, 20, 10, 0.4)
    samples = np.frombuffer(player.heard.render(0.0, 0.6)[0], "<i2")
    assert [bool(samples[int(at * RTP_RATE_HZ)]) for at in (0.1, 0.3, 0.5)] == [True, False, True]


def test_a_late_or_doubled_packet_is_not_heard_twice() -> None:
    player = TrackPlayer()
    packets(player, 0, 5, 0.0)
    player.hear(3 * 960, PACKET, 0.11)
    packets(player, 5, 5, 0.12)
    assert len(np.flatnonzero(np.frombuffer(player.heard.render(0.0, 1.0)[0], "<i2"))) == 10 * 960


def test_silence_inside_an_answer_is_a_gap_only_if_nobody_ordered_it() -> None:
    player = ChunkPlayer()
    player.take(chunk(1, 0.2), 10.0)
    ticks(player, 10.0, 10.5)
    player.take(chunk(1, 0.2), 10.5)
    player.take(order("pause"), 10.6)
    ticks(player, 10.6, 11.0)
    player.take(order("resume"), 11.0)
    ticks(player, 11.0, 11.3)
    player.take(chunk(1, 0.0, is_final=True), 11.5)
    (hearing,) = player.hearings
    assert hearing.gaps_s == [pytest.approx(0.3)]


def test_a_track_that_pauses_by_itself_has_a_gap() -> None:
    player = TrackPlayer()
    player.take(mark("start", 0), 0.0)
    packets(player, 0, 10, 0.0)
    player.take(mark("pause", 9_600), 0.2)
    packets(player, 10, 5, 0.2)
    player.take(mark("resume", 14_400), 0.3)
    packets(player, 15, 5, 0.3)
    player.take(order("pause"), 0.4)
    player.take(mark("pause", 19_200), 0.4)
    packets(player, 20, 5, 0.4)
    player.take(mark("resume", 24_000), 0.5)
    (hearing,) = player.hearings
    assert hearing.gaps_s == [pytest.approx(0.1)]
