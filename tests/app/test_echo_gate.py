"""What of a microphone passes where our own voice comes back in it."""

from __future__ import annotations

import numpy as np

from app.gateway.echo_gate import HOLD_S, LEARN_S, MEMORY_S, TAIL_S, EchoGate

FRAME_S = 0.02
ECHO, CALLER = 0.01, 0.1
"""How loud they are, of full scale: 20 dB apart."""


def noise(seconds: float, level: float) -> bytes:
    samples = np.random.default_rng(1).normal(0.0, level * 32767, round(seconds * 16_000))
    return samples.clip(-32767, 32767).astype("<i2").tobytes()


class Microphone:
    """A gate, and whether we speak."""

    def __init__(self, *, guarding: bool = True) -> None:
        self.speaking = True
        self.gate = EchoGate(lambda: self.speaking)
        self.gate.guard(guarding)

    def passes(self, seconds: float, level: float) -> float:
        """Take so much audio; return which share of it passes."""
        frames = [noise(FRAME_S, level) for _ in range(round(seconds / FRAME_S))]
        return sum(self.gate.let_pass(frame) == frame for frame in frames) / len(frames)


def test_where_the_client_cancels_our_echo_everything_passes() -> None:
    assert Microphone(guarding=False).passes(3.0, ECHO) == 1.0


def test_our_echo_never_passes_and_a_louder_voice_does_at_once() -> None:
    microphone = Microphone()
    assert microphone.passes(LEARN_S + 2.0, ECHO) == 0.0
    assert microphone.passes(0.5, CALLER) == 1.0


def test_the_soft_parts_of_a_loud_voice_pass_as_well() -> None:
    microphone = Microphone()
    microphone.passes(LEARN_S + 1.0, ECHO)
    microphone.passes(0.2, CALLER)
    assert microphone.passes(HOLD_S - 2 * FRAME_S, ECHO) == 1.0
    assert microphone.passes(1.0, ECHO) < 0.1


def test_nothing_passes_before_the_echo_is_known() -> None:
    assert Microphone().passes(LEARN_S, CALLER) == 0.0


def test_a_caller_who_was_taken_for_an_echo_is_heard_in_the_end() -> None:
    microphone = Microphone()
    microphone.passes(LEARN_S, CALLER)
    microphone.passes(MEMORY_S + FRAME_S, ECHO)
    assert microphone.passes(0.5, CALLER) == 1.0


def test_after_our_voice_has_died_away_everything_passes() -> None:
    microphone = Microphone()
    microphone.passes(LEARN_S + 1.0, ECHO)
    microphone.speaking = False
    assert microphone.passes(TAIL_S - 2 * FRAME_S, ECHO) == 0.0
    microphone.passes(4 * FRAME_S, ECHO)
    assert microphone.passes(1.0, ECHO) == 1.0


def test_what_does_not_pass_is_silence_of_the_same_length() -> None:
    gate = Microphone().gate
    frame = noise(FRAME_S, ECHO)
    assert gate.let_pass(frame) == bytes(len(frame))
