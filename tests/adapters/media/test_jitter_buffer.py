from __future__ import annotations

import random
from itertools import pairwise

from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.jitter_buffer import VoiceJitterBuffer

FRAME_MS = 20


def arrivals(order: list[int]) -> list[list[int]]:
    """Return what our buffer gives out after each arrival, one packet every 20 ms."""
    buffer = VoiceJitterBuffer[int]()
    return [buffer.push(number % 65536, number) for number in order]


def aiortc_arrivals(order: list[int]) -> list[list[int]]:
    """Return the same for aiortc's own buffer, with the settings it cannot be talked out of."""
    buffer, out = JitterBuffer(capacity=16, prefetch=4), []
    for number in order:
        packet = RtpPacket(payload_type=96, sequence_number=number % 65536, timestamp=number * 960)
        packet._data = b"x"  # type: ignore[attr-defined]  # aiortc's receiver sets it so
        _, frame = buffer.add(packet)
        out.append([] if frame is None else [frame.timestamp // 960])
    return out


def longest_stall_ms(out: list[list[int]]) -> int:
    """Return the longest time between two deliveries beyond the regular one."""
    times = [at for at, given_out in enumerate(out) if given_out]
    return (max(later - earlier for earlier, later in pairwise(times)) - 1) * FRAME_MS


def backlog(order: list[int], out: list[list[int]]) -> int:
    """Return how many packets are still inside after the last arrival."""
    return max(order) - max(number for given_out in out for number in given_out)


ONE_LOST = [number for number in range(200) if number != 50]
TWO_SWAPPED = [*range(50), 51, 50, *range(52, 200)]


def test_packets_in_order_pass_without_delay_even_where_the_number_wraps() -> None:
    assert arrivals(list(range(65_500, 65_600))) == [[number] for number in range(65_500, 65_600)]


def test_one_lost_packet_stalls_two_packets_and_loses_nothing_else() -> None:
    out = arrivals(ONE_LOST)
    assert [number for given_out in out for number in given_out] == ONE_LOST
    assert longest_stall_ms(out) <= 40
    assert backlog(ONE_LOST, out) == 0


def test_swapped_packets_are_put_right_without_backlog() -> None:
    out = arrivals(TWO_SWAPPED)
    assert [number for given_out in out for number in given_out] == list(range(200))
    assert backlog(TWO_SWAPPED, out) == 0


def test_aiortcs_own_buffer_is_still_worth_replacing() -> None:
    out = aiortc_arrivals(ONE_LOST)
    assert longest_stall_ms(out) >= 200
    assert backlog(ONE_LOST, out) >= 10
    assert backlog(TWO_SWAPPED, aiortc_arrivals(TWO_SWAPPED)) > 4


def test_a_burst_of_losses_leaves_no_backlog() -> None:
    order = [*range(50), *range(60, 200)]
    out = arrivals(order)
    assert [number for given_out in out for number in given_out] == order
    assert backlog(order, out) == 0


def test_a_stream_that_begins_anew_elsewhere_is_followed() -> None:
    assert arrivals([7, 8, 30_000, 30_001]) == [[7], [8], [30_000], [30_001]]


@given(st.integers(0, 65_535), st.floats(0.0, 0.3), st.integers(0, 3), st.randoms(use_true_random=False))
def test_whatever_the_network_does_the_order_is_right_and_at_most_one_packet_waits(
    first: int, loss: float, shift: int, rng: random.Random
) -> None:
    sent = [first + at for at in range(100)]
    order = sorted((n for n in sent if rng.random() >= loss), key=lambda n: n + rng.uniform(0, shift))
    order += rng.choices(order, k=5) if order else []
    buffer, delivered = VoiceJitterBuffer[int](), []
    for count, number in enumerate(order, start=1):
        delivered += buffer.push(number % 65536, number)
        late = len([one for one in set(order[:count]) if delivered and one > delivered[-1]])
        assert late <= 1
    assert delivered == sorted(set(delivered))
