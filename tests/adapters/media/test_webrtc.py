"""What only the WebRTC leg promises, with a real peer connection at both ends."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise

import pytest
from aiortc import RTCRtpReceiver, RTCSessionDescription
from aiortc.rtp import RtpPacket

from adapters.media import webrtc_liveness
from adapters.media.opus import silence_packet
from adapters.media.port import MediaLost, SpokenChunk
from adapters.media.webrtc_seam import assert_aiortc_unchanged
from tests.adapters.media.clients import WebRtcClient, eventually
from tests.adapters.media.signals import pitches, scale, tones

RTP_CLOCK = 1 << 32


def chunk(pcm: bytes, *, turn: int = 1, is_final: bool = True) -> SpokenChunk:
    return SpokenChunk(turn=turn, kind="answer", seq=0, pcm=pcm, rate_hz=22_050, text="", is_final=is_final)


def edges(client: WebRtcClient) -> list[object]:
    return [mark["edge"] for mark in client.marks()]


def rtp(client: WebRtcClient, edge: str) -> int:
    return next(int(str(mark["rtp"])) for mark in client.marks() if mark["edge"] == edge)


async def test_aiortc_still_has_the_parts_we_replace() -> None:
    assert_aiortc_unchanged()


async def test_a_changed_aiortc_is_named_at_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = RTCRtpReceiver.__init__

    def changed(self: RTCRtpReceiver, *args: object) -> None:
        stock(self, *args)  # type: ignore[arg-type]  # handed through
        del self._RTCRtpReceiver__jitter_buffer  # type: ignore[attr-defined]  # the private part in question

    monkeypatch.setattr(RTCRtpReceiver, "__init__", changed)
    with pytest.raises(RuntimeError, match=r"aiortc has changed: .*jitter_buffer should be a JitterBuffer"):
        assert_aiortc_unchanged()


async def test_lost_packets_are_silence_and_delay_nothing(webrtc: WebRtcClient) -> None:
    receiver = webrtc.leg._peer.getReceivers()[0]
    take, arrived = receiver._handle_rtp_packet, 0

    async def lossy(packet: RtpPacket, arrival_time_ms: int) -> None:
        nonlocal arrived
        arrived += 1
        if packet.sequence_number % 12:
            await take(packet, arrival_time_ms)

    heard = bytearray()

    async def listen() -> None:
        async for pcm in webrtc.leg.microphone():
            heard.extend(pcm)

    listening = asyncio.create_task(listen())
    await eventually(lambda: len(heard) > 0)
    already_s = len(heard) / 2 / 16_000
    receiver._handle_rtp_packet = lossy  # type: ignore[method-assign]  # the bad network is here
    webrtc.speak(tones(scale(10), 16_000))
    await eventually(lambda: arrived >= 60)
    # Two packets may be held back and one be in the decoder.
    assert len(heard) / 2 / 16_000 - already_s == pytest.approx(arrived * 0.02, abs=0.07)
    assert pitches(bytes(heard), 16_000) == scale(10)
    await webrtc.leg.close()
    await listening


async def test_between_the_marks_of_a_turn_lies_all_its_audio_and_nothing_else(webrtc: WebRtcClient) -> None:
    await webrtc.leg.play(chunk(tones(scale(6), 22_050)))
    await eventually(lambda: edges(webrtc) == ["start", "end"])
    await eventually(lambda: rtp(webrtc, "end") in webrtc.wire.timestamps())
    between = webrtc.wire.decoded(rtp(webrtc, "start"), rtp(webrtc, "end"))
    assert pitches(between, 48_000) == scale(6)
    assert len(between) / 2 / 48_000 == pytest.approx(0.6, abs=0.03)
    assert webrtc.leg.played_s(1, "answer") == pytest.approx(0.6, abs=0.001)
    spoken = [packet.timestamp for packet in webrtc.wire.packets if packet.payload != silence_packet()]
    assert (spoken[0], (spoken[-1] + 960) % RTP_CLOCK) == (rtp(webrtc, "start"), rtp(webrtc, "end"))


async def test_packets_leave_every_20_ms_with_unbroken_timestamps(webrtc: WebRtcClient) -> None:
    await webrtc.leg.play(chunk(tones(scale(3), 22_050)))
    await eventually(lambda: len(webrtc.wire.packets) > 25)
    steps = {(later - earlier) % RTP_CLOCK for earlier, later in pairwise(webrtc.wire.timestamps())}
    assert steps == {960}


async def test_a_pause_is_silent_and_resumes_at_the_cut_sample(webrtc: WebRtcClient) -> None:
    await webrtc.leg.play(chunk(tones(scale(8), 22_050)))
    await eventually(lambda: webrtc.leg.played_s(1, "answer") > 0.3)
    await webrtc.leg.playout("pause", 1)
    held_s, played_s = webrtc.leg.buffered_s(), webrtc.leg.played_s(1, "answer")
    await eventually(lambda: "pause" in edges(webrtc))
    since = len(webrtc.wire.packets)
    await eventually(lambda: len(webrtc.wire.packets) > since + 10)
    assert (webrtc.leg.buffered_s(), webrtc.leg.played_s(1, "answer")) == (held_s, played_s)
    await webrtc.leg.playout("resume", 1)
    await eventually(lambda: "end" in edges(webrtc) and rtp(webrtc, "end") in webrtc.wire.timestamps())
    assert edges(webrtc) == ["start", "pause", "resume", "end"]
    before = webrtc.wire.decoded(rtp(webrtc, "start"), rtp(webrtc, "pause"))
    pause = webrtc.wire.decoded(rtp(webrtc, "pause") + 960, rtp(webrtc, "resume"))
    after = webrtc.wire.decoded(rtp(webrtc, "resume"), rtp(webrtc, "end"))
    assert len(before) / 2 / 48_000 == pytest.approx(played_s, abs=0.001)
    assert pitches(pause, 48_000) == []
    assert pitches(before + after, 48_000) == scale(8)


async def test_a_stop_throws_the_rest_away_and_the_next_turn_is_heard(webrtc: WebRtcClient) -> None:
    await webrtc.leg.play(chunk(tones(scale(8), 22_050), is_final=False))
    await eventually(lambda: webrtc.leg.played_s(1, "answer") > 0.1)
    await webrtc.leg.playout("stop", 1)
    played_s = webrtc.leg.played_s(1, "answer")
    assert webrtc.leg.buffered_s() == 0.0
    await webrtc.leg.play(chunk(tones([2400, 2550], 22_050), turn=2))
    await eventually(lambda: "end" in edges(webrtc) and rtp(webrtc, "end") in webrtc.wire.timestamps())
    heard = pitches(webrtc.wire.decoded(), 48_000)
    assert heard[-2:] == [2400, 2550]
    assert len(heard) <= played_s / 0.1 + 4
    assert scale(8)[-1] not in heard


async def test_control_messages_wait_until_the_channel_opens_and_then_flow_both_ways() -> None:
    client = WebRtcClient()
    for number in range(70):
        await client.leg.send({"type": "note", "number": number})
    await client.call()
    assert client.ctl is not None
    client.ctl.send('{"type":"hangup"}')
    await eventually(lambda: client.received_texts == ['{"type":"hangup"}'])
    await eventually(lambda: len(client.over_ctl) == 64)
    assert client.over_ctl[0] == {"type": "note", "number": 0}
    assert client.ready == [True]
    await client.close()


async def test_binary_and_oversized_messages_are_answered_with_an_error(webrtc: WebRtcClient) -> None:
    assert webrtc.ctl is not None
    webrtc.ctl.send(b"\0\1")
    webrtc.ctl.send("x" * 65_536)
    assert webrtc.peer.sctp is not None
    webrtc.peer.sctp._remote_max_message_size = 0  # our answer's limit, which a rude client does not keep
    webrtc.ctl.send("x" * 65_537)
    await eventually(lambda: len(webrtc.over_ctl) == 2)
    answers = [dict(one) for one in webrtc.over_ctl if isinstance(one, dict)]
    assert [(one["type"], one["code"]) for one in answers] == [
        ("error", "binary_message"),
        ("error", "message_too_large"),
    ]
    assert [len(text) for text in webrtc.received_texts] == [65_536]
    assert webrtc.lost == []


async def test_a_client_that_floods_the_control_channel_is_let_go(webrtc: WebRtcClient) -> None:
    assert webrtc.ctl is not None
    for _ in range(500):
        webrtc.ctl.send("{}")
    await eventually(lambda: webrtc.lost != [])
    assert webrtc.lost == ["the client sends more than 60 control messages a second"]
    assert len(webrtc.received_texts) < 200


async def test_channels_of_other_names_are_ignored(webrtc: WebRtcClient) -> None:
    other = webrtc.peer.createDataChannel("other")
    await eventually(lambda: other.readyState == "open")
    other.send("hello")
    assert webrtc.ctl is not None
    webrtc.ctl.send("after")
    await eventually(lambda: webrtc.received_texts == ["after"])


async def test_without_a_data_section_media_makes_the_peer_ready() -> None:
    client = WebRtcClient(with_data=False)
    await client.call()
    assert client.ready == [True]
    await client.close()


async def test_a_client_that_hangs_up_is_noticed_at_once_and_once(webrtc: WebRtcClient) -> None:
    await webrtc.peer.close()
    await eventually(lambda: webrtc.lost != [], within_s=1.0)
    await webrtc.leg.close()
    assert len(webrtc.lost) == 1
    with pytest.raises(MediaLost):
        await webrtc.leg.play(chunk(tones([440], 22_050)))


def unplug(client: WebRtcClient) -> None:
    """Let the client's packets reach nobody any more, as if its machine had died."""
    connection = client.peer.getSenders()[0].transport.transport.iceGatherer._connection
    for protocol in connection._protocols:
        protocol.transport.sendto = _unsent  # type: ignore[method-assign, assignment]  # the cable is cut here


async def test_a_client_that_vanishes_is_noticed_by_its_silence(
    webrtc: WebRtcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc_liveness, "SILENCE_S", 1.5)
    unplug(webrtc)
    await eventually(lambda: webrtc.lost != [])
    assert webrtc.lost == ["nothing was heard from the client for 1.5 s"]


async def test_a_client_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc_liveness, "CONNECT_S", 1.0)
    client = WebRtcClient()
    await client.leg.answer(await client.offer(), "offer")
    await eventually(lambda: client.lost == ["nothing was heard from the client for 1 s"])
    await client.close()


async def test_a_client_whose_certificate_is_not_the_offered_one_is_refused() -> None:
    client = WebRtcClient()
    lines = (await client.offer()).splitlines()
    lines = [line[:-2] + ("00" if line[-2:] != "00" else "11") if "a=fingerprint" in line else line for line in lines]
    sdp, type_ = await client.leg.answer("\r\n".join(lines) + "\r\n", "offer")
    await client.peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=type_))
    await eventually(lambda: client.lost == ["the peer connection is failed"])
    assert client.ready == []
    await client.close()


async def test_silence_is_borne_while_a_websocket_tells_that_the_client_is_there(
    webrtc: WebRtcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc_liveness, "SILENCE_S", 0.5)
    webrtc.leg.external_liveness = True
    unplug(webrtc)
    await asyncio.sleep(1.5)
    assert webrtc.lost == []


async def test_a_muted_client_without_microphone_is_not_taken_for_dead(
    webrtc: WebRtcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc_liveness, "SILENCE_S", 1.5)
    for sender in webrtc.peer.getSenders():
        await sender.stop()
    for receiver in webrtc.peer.getReceivers():
        # No receiver reports either: what is left is the answer to our heartbeat.
        receiver._send_rtcp = _nothing  # type: ignore[method-assign]  # the client's RTCP is to fall silent
    await asyncio.sleep(3.0)
    assert webrtc.lost == []


def _unsent(*datagram: object) -> None:
    return


async def _nothing(packet: object) -> None:
    return


async def test_a_closed_peer_leaves_no_task_and_no_thread() -> None:
    client = WebRtcClient()
    await client.call()
    await client.close()
    await asyncio.sleep(0)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert [task.get_coro().__qualname__ for task in others] == []  # type: ignore[union-attr]
    assert [thread.name for thread in threading.enumerate() if "decoder" in thread.name] == []
