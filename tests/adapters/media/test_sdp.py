from __future__ import annotations

import asyncio
import random
import time

import pytest

from adapters.media.port import BadOffer
from adapters.media.webrtc import WebRtcPeer
from tests.adapters.media.clients import WebRtcClient


async def _ignore(message: dict[str, object]) -> None:
    return


def peer() -> WebRtcPeer:
    return WebRtcPeer(
        on_message=lambda text: None, on_closed=lambda reason: None, on_ready=lambda: None, send_control=_ignore
    )


async def good_offer() -> str:
    client = WebRtcClient()
    try:
        return await client.offer()
    finally:
        await client.close()


async def refusal(sdp: str, type_: str = "offer") -> str:
    with pytest.raises(BadOffer) as refused:
        await peer().answer(sdp, type_)
    return str(refused.value)


@pytest.mark.parametrize(
    ("sdp", "sentence"),
    [
        ("", "must begin with 'v=0'"),
        ("\0" * 100, "must begin with 'v=0'"),
        ("hello", "must begin with 'v=0'"),
        ("\ud800", "must begin with 'v=0'"),
        ("v=0\r\n", "exactly one audio section"),
        ("v=0\r\na=group:BUNDLE 0 1\r\nm=audio 9 X 0\r\na=mid:1\r\n", "BUNDLE group does not match"),
        ("v=0\r\nm=audio", "no 'a=fingerprint' line"),
        ("v=0\r\nm=audio\r\na=fingerprint:sha-256 AA", "cannot be answered"),
        ("v=0\r\n" + "m=audio 9 X 0\r\n" * 200, "200 media sections"),
        ("v=0\r\nm=audio 9 X 0\r\nm=video 9 X 0\r\n", "voice only"),
        ("v=0\r\nm=audio 9 X 0\r\n" + "a=ssrc:1 cname:x\r\n" * 300, "300 ssrc lines"),
        ("v=0\r\nm=audio 9 X 0\r\n" + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 51, "51 candidates"),
        ("v=0\r\n" + "a=x\r\n" * 20_000, "at most 16384"),
    ],
)
async def test_a_useless_offer_is_refused_with_a_sentence(sdp: str, sentence: str) -> None:
    assert sentence in await refusal(sdp)


async def test_an_answer_is_no_offer() -> None:
    assert "must be 'offer'" in await refusal(await good_offer(), "answer")


async def test_an_offer_without_opus_is_refused() -> None:
    lines = (await good_offer()).replace("opus/48000/2", "other/48000/2").splitlines()
    lines = [line.replace("RTP/SAVPF 96 9 0 8", "RTP/SAVPF 96") for line in lines]
    assert "cannot be answered" in await refusal("\r\n".join(lines) + "\r\n")


async def test_an_offer_at_the_limits_does_not_hold_up_the_loop() -> None:
    sdp = await good_offer() + "a=ssrc:1 cname:x\r\n" * 20 + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 30
    answering = peer()
    began = time.process_time()
    await answering.answer(sdp, "offer")
    assert time.process_time() - began < 0.5
    await answering.close()


async def test_a_mangled_offer_is_answered_or_refused_but_never_breaks_anything() -> None:
    unhandled: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unhandled.append(context))
    offer, rng = await good_offer(), random.Random(7)
    for _ in range(100):
        lines = offer.splitlines()
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(lines))
            line = lines[at]
            cut = rng.randrange(len(line) + 1)
            lines[at] = rng.choice(
                ["", line[:cut], line[cut:], line + line, line[:cut] + rng.choice(" :/=-1\0é") + line[cut:]]
            )
        answering = peer()
        try:
            await answering.answer("\r\n".join(lines) + "\r\n", "offer")
        except BadOffer:
            continue
        finally:
            await answering.close()
    assert unhandled == []
