"""What one caller's ear makes of a microphone."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from app.gateway import ear
from app.gateway.ear import PRE_ROLL_S, Ear
from app.gateway.utterance import LONGEST_PIECE_S, PIECE_S
from app.gateway.voice_activity import ChunkedActivity
from statecharts.events import Event, SpeechStarted, SpeechStopped, SttFailed, SttFinal, SttPartial
from statecharts.policy import Policy
from tests.fakes import LoudnessDetector, QuietAlarm, ScriptedRecogniser, quiet, sound


class Listener:
    """An ear, and what it published."""

    def __init__(self, *texts: str, policy: Policy | None = None, takes_s: float = 0.0) -> None:
        self.recogniser = ScriptedRecogniser(texts or ("hello",), takes_s)
        self.events: list[Event] = []
        self.alarm = QuietAlarm()
        self.since: list[float] = []
        rules = policy or Policy(partial_every_s=99)
        activity = ChunkedActivity(LoudnessDetector, rules.settle_s)
        self.ear = Ear(activity, self.recogniser, rules, self._publish, self.alarm)

    def _publish(self, event: Event, since_end_s: float) -> None:
        self.events.append(event)
        self.since.append(since_end_s)

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    async def hear(self, *parts: bytes) -> None:
        for part in parts:
            for start in range(0, len(part), 640):
                self.ear.hear(part[start : start + 640])
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_voice_is_started_stopped_and_recognised() -> None:
    listener = Listener("hello there")
    await listener.hear(quiet(1.0), sound(0.8), quiet(0.5))
    assert listener.kinds() == ["SpeechStarted", "SpeechStopped", "SttFinal"]
    assert listener.alarm.voices == [True, False]
    final = listener.events[-1]
    assert isinstance(final, SttFinal)
    assert final.text == "hello there"


async def test_the_onset_and_the_end_are_told_in_the_microphones_own_time() -> None:
    listener = Listener()
    await listener.hear(quiet(1.0), sound(0.8), quiet(0.5))
    started, stopped = listener.events[0], listener.events[1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert abs(started.audio_s - 1.0) < 0.04
    assert abs(stopped.audio_s - 1.8) < 0.04
    assert 0.16 <= stopped.silence_s < 0.2


async def test_the_recogniser_gets_the_audio_from_before_the_onset_too() -> None:
    listener = Listener()
    await listener.hear(quiet(1.0), sound(0.8), quiet(0.5))
    seconds = len(listener.recogniser.heard[0]) / 2 / 16_000
    assert 0.8 + PRE_ROLL_S < seconds < 0.8 + PRE_ROLL_S + 0.3


async def test_one_chunk_of_noise_is_no_voice() -> None:
    listener = Listener()
    await listener.hear(quiet(1.0), sound(0.02), quiet(0.5))
    assert listener.events == []


async def test_both_parts_of_a_turn_with_a_pause_are_recognised_as_one() -> None:
    listener = Listener("first", "first and second")
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.3), sound(0.6), quiet(0.4))
    assert [event.text for event in listener.events if isinstance(event, SttFinal)] == ["first", "first and second"]
    assert len(listener.recogniser.heard[1]) > len(listener.recogniser.heard[0]) + len(sound(0.6))


async def test_a_recognition_that_a_new_voice_overtakes_is_not_published() -> None:
    listener = Listener("first", "first and second", takes_s=0.01)
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.2), sound(0.6), quiet(0.4))
    await asyncio.sleep(0.05)
    assert [event.text for event in listener.events if isinstance(event, SttFinal)] == ["first and second"]


async def test_words_are_recognised_in_a_pause_and_told_when_it_has_become_a_silence() -> None:
    listener = Listener("hello there")
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.11))
    assert listener.kinds() == ["SpeechStarted"]
    assert len(listener.recogniser.heard) == 1
    await listener.hear(quiet(0.2))
    assert [event.text for event in listener.events if isinstance(event, SttFinal)] == ["hello there"]
    assert len(listener.recogniser.heard) == 1


async def test_what_was_recognised_in_a_pause_is_forgotten_when_the_voice_goes_on() -> None:
    listener = Listener("first", "first and second", policy=Policy(partial_every_s=99))
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.11), sound(0.6), quiet(0.4))
    assert [event.text for event in listener.events if isinstance(event, SttFinal)] == ["first and second"]
    assert len(listener.recogniser.heard[1]) > len(listener.recogniser.heard[0]) + len(sound(0.6))


async def test_a_pause_whose_words_were_not_recognised_is_tried_again_as_silence() -> None:
    listener = Listener("hello")
    listener.recogniser.failures = 1
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.4))
    assert listener.kinds() == ["SpeechStarted", "SpeechStopped", "SttFinal"]


async def test_a_draft_is_told_as_partial_words_and_the_recogniser_is_asked_again() -> None:
    listener = Listener("how old", "how old is it", policy=Policy(recognise_ahead_s=0))
    listener.recogniser.drafts = 1
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.4))
    words = [event for event in listener.events if isinstance(event, SttPartial | SttFinal)]
    assert [(type(event).__name__, event.text) for event in words] == [
        ("SttPartial", "how old"), ("SttFinal", "how old is it"),
    ]  # fmt: skip
    assert listener.recogniser.heard[0] == listener.recogniser.heard[1]


async def test_a_new_utterance_begins_without_the_words_of_the_last() -> None:
    listener = Listener("one", "two")
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.4))
    listener.ear.begin_utterance()
    await listener.hear(quiet(2.0), sound(0.6), quiet(0.4))
    assert len(listener.recogniser.heard[-1]) / 32_000 < 0.6 + PRE_ROLL_S + 0.3


async def test_a_voice_that_is_on_when_an_utterance_ends_belongs_to_the_next() -> None:
    listener = Listener("one", "two")
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.4), sound(0.3))
    listener.ear.begin_utterance()
    await listener.hear(sound(0.3), quiet(0.4))
    assert 0.6 < len(listener.recogniser.heard[-1]) / 32_000 < 0.6 + PRE_ROLL_S + 0.3


async def test_words_of_an_utterance_that_is_over_are_told_late_only_if_they_are_wanted() -> None:
    for wanted in (True, False):
        listener = Listener("no", takes_s=0.01)
        await listener.hear(quiet(0.6), sound(0.6), quiet(0.4))
        listener.ear.begin_utterance(words_wanted=wanted)
        await asyncio.sleep(0.05)
        assert [event.text for event in listener.events if isinstance(event, SttFinal)] == ["no"] * wanted


async def test_what_was_heard_last_is_recognised_though_the_voice_did_not_end() -> None:
    listener = Listener("goodbye", takes_s=0.01)
    await listener.hear(quiet(0.6), sound(0.6))
    await listener.ear.finish(1.0)
    assert [event.text for event in listener.events if isinstance(event, SttFinal)] == ["goodbye"]


async def test_words_so_far_are_published_while_the_caller_speaks() -> None:
    listener = Listener("how old", "how old is the", "how old is the bridge", policy=Policy(partial_every_s=0.5))
    await listener.hear(quiet(0.6), sound(1.3), quiet(0.4))
    partials = [event.text for event in listener.events if isinstance(event, SttPartial)]
    assert partials == ["how old", "how old is the"]


def heard_in_a_row(listener: Listener) -> bytes:
    """Return the audio of all pieces of one utterance, and of what was recognised last, in a row."""
    return b"".join(piece._pcm for piece in listener.ear._utterance._pieces) + listener.recogniser.heard[-1]


async def test_a_long_utterance_goes_on_after_a_pause_as_a_new_piece() -> None:
    listener = Listener("once upon a time", "there was")
    await listener.hear(quiet(1.0), sound(PIECE_S), quiet(0.3), sound(1.0), quiet(0.3))
    texts = [event.text for event in listener.events if isinstance(event, SttFinal)]
    assert texts == ["once upon a time", "once upon a time there was"]
    assert 1.0 < len(listener.recogniser.heard[-1]) / 32_000 < 1.7
    spoken = quiet(PRE_ROLL_S) + sound(PIECE_S) + quiet(0.3) + sound(1.0)
    assert spoken in quiet(1.0) + heard_in_a_row(listener), "every sample once"


async def test_words_that_were_still_being_recognised_when_the_caller_went_on_are_a_piece_too() -> None:
    listener = Listener("once upon a time", "there was", takes_s=0.02)
    await listener.hear(quiet(0.6), sound(PIECE_S), quiet(0.3), sound(1.0), quiet(0.3))
    await asyncio.sleep(0.05)
    texts = [event.text for event in listener.events if isinstance(event, SttFinal)]
    assert texts == ["once upon a time there was"]
    assert len(listener.recogniser.heard) == 2


async def test_a_voice_without_a_pause_is_cut_where_it_is_quietest() -> None:
    listener = Listener("once upon", "a time")
    soft = np.frombuffer(sound(0.3), "<i2") // 8
    voice = sound(12.0) + soft.tobytes() + sound(6.0)
    await listener.hear(quiet(0.6), voice, quiet(0.3))
    (text,) = [event.text for event in listener.events if isinstance(event, SttFinal)]
    assert text == "once upon a time"
    piece, rest = listener.recogniser.heard
    assert len(piece) / 32_000 == pytest.approx(PRE_ROLL_S + 12.15, abs=0.1)
    assert voice in piece + rest, "every sample once"


async def test_the_words_of_a_long_voice_are_shown_while_it_lasts() -> None:
    listener = Listener("once upon", "a time there was", policy=Policy(partial_every_s=17.0))
    await listener.hear(quiet(0.6), sound(18.0))
    partials = [event.text for event in listener.events if isinstance(event, SttPartial)]
    assert partials == ["once upon a time there was"]


async def test_a_piece_that_failed_is_tried_again_with_the_last_words() -> None:
    for failures, last in ((1, SttFinal), (9, SttFailed)):
        listener = Listener("so it goes")
        listener.recogniser.failures = failures
        await listener.hear(quiet(0.6), sound(LONGEST_PIECE_S + 1.0), quiet(0.3))
        assert isinstance(listener.events[-1], last)
        texts = [event.text for event in listener.events if isinstance(event, SttFinal)]
        assert texts == ["so it goes so it goes"] * (last is SttFinal)


async def test_partial_words_take_half_of_the_time_at_most() -> None:
    listener = Listener("so it goes", policy=Policy(partial_every_s=0.2))
    listener.recogniser.told_s = 0.5
    await listener.hear(quiet(0.6), sound(6.0))
    assert len(listener.recogniser.heard) == pytest.approx(6.0 / 0.5, abs=2)


async def test_the_end_of_one_utterance_is_not_the_beginning_of_the_next() -> None:
    listener = Listener("one", "two")
    await listener.hear(quiet(0.6), sound(0.6), quiet(0.2))
    listener.ear.begin_utterance()
    await listener.hear(quiet(0.2), sound(0.6), quiet(0.3))
    first, second = listener.recogniser.heard
    assert quiet(0.6) + sound(0.6) + quiet(0.4) + sound(0.6) in quiet(0.5) + first + second


async def test_a_voice_that_ended_its_turn_by_lasting_is_not_heard_twice() -> None:
    listener = Listener("hum")
    await listener.hear(quiet(0.6), sound(3.0))
    listener.ear.begin_utterance(afresh=True)
    await listener.hear(sound(1.0), quiet(0.3))
    assert 1.0 < len(listener.recogniser.heard[-1]) / 32_000 < 1.3


async def test_a_microphone_that_stops_in_mid_voice_counts_as_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ear, "MIC_GAP_S", 0.3)
    listener = Listener("cut off")
    await listener.hear(quiet(0.6), sound(0.6))
    assert listener.kinds() == ["SpeechStarted"]
    await asyncio.sleep(0.4)
    assert listener.kinds() == ["SpeechStarted", "SpeechStopped", "SttFinal"]


async def test_words_that_come_after_their_sound_was_given_up_are_told_all_the_same() -> None:
    listener = Listener("three", takes_s=0.02)
    await listener.hear(quiet(0.6), sound(0.3), quiet(0.3))
    listener.ear.begin_utterance(words_wanted=True)
    await listener.hear(quiet(0.5))
    await asyncio.sleep(0.05)
    assert [event.text for event in listener.events if isinstance(event, SttFinal)] == ["three"]
    await listener.hear(sound(0.6), quiet(0.4))
    await asyncio.sleep(0.05)
    assert len(listener.recogniser.heard[-1]) / 32_000 < 0.6 + PRE_ROLL_S + 0.3


async def test_what_is_kept_of_a_quiet_microphone_is_bounded() -> None:
    listener = Listener()
    await listener.hear(quiet(30.0))
    assert sum(map(len, listener.ear._tape._chunks)) < len(quiet(1.0))


async def test_a_voice_over_ours_is_signed_before_it_is_believed_and_its_words_come_soon() -> None:
    listener = Listener("stop", policy=Policy(barge_in_speech_s=0.3))
    listener.alarm.over_ours = listener.alarm.wary = True
    await listener.hear(quiet(1.0), sound(0.04))
    assert (listener.alarm.signs > 0, listener.alarm.voices) == (True, [])
    await listener.hear(sound(0.5))
    assert listener.kinds() == ["SpeechStarted", "SttPartial"]


async def test_without_our_voice_nobody_looks_for_a_first_sign() -> None:
    listener = Listener()
    await listener.hear(quiet(1.0), sound(0.5), quiet(0.5))
    assert listener.alarm.signs == 0


async def test_the_silence_after_a_voice_is_no_sign_of_one() -> None:
    listener = Listener()
    listener.alarm.wary = True
    await listener.hear(quiet(0.5), sound(0.5))
    listener.alarm.wary = False
    await listener.hear(quiet(0.5))
    signs, listener.alarm.wary = listener.alarm.signs, True
    await listener.hear(quiet(0.5))
    assert listener.alarm.signs == signs
