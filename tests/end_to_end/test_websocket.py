"""The WebSocket, from the outside, with the real models behind it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.end_to_end.client import Client, Message, call_server, payload, socket_url
from tests.speech import load

SILENCE = bytes(32_000)


async def answered(client: Client, turn: int) -> list[Message]:
    """Wait for the last chunk of a turn's answer; return its chunks."""
    await client.next(
        lambda message: (
            message["type"] == "tts_chunk" and payload(message)["turn"] == turn and bool(payload(message)["is_final"])
        )
    )
    return [payload(chunk) for chunk in client.of_type("tts_chunk") if payload(chunk)["turn"] == turn]


@pytest.fixture
def http(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=10.0) as client:
        yield client


async def test_an_unknown_session_is_created_and_told_first(live_server: str) -> None:
    async with call_server(live_server) as client:
        first = client.messages[0]
        assert first["type"] == "session"
        assert first["payload"] == {
            "session_id": client.session_id, "state": "LISTENING", "substate": "quiet", "turn": 0,
        }  # fmt: skip
        await client.type("hello")
        await client.state("THINKING")
        triggers = [payload(message)["trigger"] for message in client.of_type("orchestrator_state")]
        assert triggers == ["stt_final"]


async def test_a_typed_question_is_echoed_answered_and_spoken(live_server: str) -> None:
    async with call_server(live_server) as client:
        await client.type("what are your states")
        chunks = await answered(client, 1)
        echo = client.of_type("stt_final")[0]
        assert (echo["text"], echo["turn"], echo["origin"]) == ("what are your states", 1, "typed")
        sentences = [payload(message) for message in client.of_type("answer")]
        assert "listening" in " ".join(str(sentence["text"]) for sentence in sentences)
        assert [sentence["is_final"] for sentence in sentences].count(True) == 1
        assert all(sentence["kind"] == "answer" and sentence["turn"] == 1 for sentence in sentences)
        assert [chunk["seq"] for chunk in chunks] == list(range(len(chunks)))
        assert [chunk["is_final"] for chunk in chunks].count(True) == 1
        assert {chunk["format"] for chunk in chunks} == {"pcm_s16le"}
        assert client.audio_s(1) > 1.0
        await client.report("playback_started", turn=1, played_s=0)
        await client.report("playback_done", turn=1)
        last = await client.state("LISTENING")
        assert payload(last)["trigger"] == "playback_done"
        states = [payload(message)["state"] for message in client.of_type("orchestrator_state")]
        assert [state for number, state in enumerate(states) if not number or states[number - 1] != state] == [
            "THINKING",
            "SPEAKING",
            "LISTENING",
        ]


async def test_audio_comes_at_most_a_second_ahead_of_real_time(live_server: str) -> None:
    async with call_server(live_server) as client:
        await client.type("tell me about pace")
        loop = asyncio.get_running_loop()
        await client.next_type("tts_chunk")
        began = loop.time()
        while not any(payload(chunk)["is_final"] for chunk in client.of_type("tts_chunk")):
            await client.next_type("tts_chunk")
            # A little more than the second, for what the scheduler of a busy machine adds.
            assert client.audio_s(1) <= loop.time() - began + 1.25


async def test_a_client_that_never_reports_is_listened_to_again(live_server: str) -> None:
    async with call_server(live_server) as client:
        await client.type("hello")
        await answered(client, 1)
        await client.state("LISTENING")


async def test_a_spoken_question_is_understood_and_answered(live_server: str) -> None:
    async with call_server(live_server) as client:
        speaking = asyncio.create_task(client.speak(load("ask_states.wav") + SILENCE * 2))
        final = await client.next_type("stt_final")
        assert str(final["text"]).lower().strip(" ?.") == "what are your states"
        assert final["origin"] == "voice"
        assert 0 < float(str(final["confidence"])) <= 1
        await answered(client, 1)
        await speaking
        answer = " ".join(str(payload(message)["text"]) for message in client.of_type("answer"))
        assert "listening" in answer


async def test_speech_over_the_answer_ducks_stops_it_and_is_answered(live_server: str, http: httpx.Client) -> None:
    async with call_server(live_server) as client:
        await client.type("tell me about the five states")
        await client.next_type("tts_chunk")
        await client.report("playback_started", turn=1, played_s=0)
        await asyncio.sleep(1.5)
        speaking = asyncio.create_task(client.speak(load("ask_what_can_you_do.wav") + SILENCE * 2))
        stopped = await client.next(
            lambda message: message["type"] == "playout" and payload(message)["action"] == "stop"
        )
        assert payload(stopped)["turn"] == 1
        await client.report("playback_done", turn=1, played_s=2.0)
        final = await client.next_type("stt_final")
        assert str(final["text"]).lower().strip(" ?.") == "what can you do"
        assert final["turn"] == 2
        cut_at = client.messages.index(stopped)
        await answered(client, 2)
        await speaking
        later = [payload(message)["turn"] for message in client.messages[cut_at:] if message["type"] == "tts_chunk"]
        assert set(later) == {2}
        actions = [payload(message)["action"] for message in client.of_type("playout")]
        assert actions[0] == "duck"
        assert actions[-1] == "stop"
        turns = (await asyncio.to_thread(http.get, f"/sessions/{client.session_id}/turns")).json()
        assert turns[0]["interrupted"] is True
        assert turns[0]["answer_text"].startswith(turns[0]["heard_text"])
        assert 0 < len(turns[0]["heard_text"]) < len(turns[0]["answer_text"])


async def test_noise_over_the_answer_ducks_and_lets_it_go_on(live_server: str) -> None:
    async with call_server(live_server) as client:
        await client.type("tell me about the five states")
        await client.next_type("tts_chunk")
        await asyncio.sleep(0.7)
        await client.report("barge_in")
        await client.next(lambda message: message["type"] == "playout" and payload(message)["action"] == "resume")
        states = [payload(message)["state"] for message in client.of_type("orchestrator_state")]
        assert "INTERRUPT" in states


async def test_repeat_says_again_what_was_heard(live_server: str) -> None:
    async with call_server(live_server) as client:
        await client.type("what are your states")
        await answered(client, 1)
        await client.report("playback_done", turn=1)
        await client.state("LISTENING")
        await client.type("say that again")
        await answered(client, 2)
        said = {
            turn: " ".join(str(payload(m)["text"]) for m in client.of_type("answer") if payload(m)["turn"] == turn)
            for turn in (1, 2)
        }
        assert said[1].strip() == said[2].strip()


async def test_a_client_that_comes_back_hears_the_rest(live_server: str) -> None:
    async with call_server(live_server) as first:
        await first.type("tell me about the five states")
        await first.next_type("tts_chunk")
        await first.report("playback_progress", turn=1, played_s=0.5)
        await asyncio.sleep(0.3)
        session_id = first.session_id
    await asyncio.sleep(0.5)
    async with call_server(live_server, session_id) as again:
        assert payload(again.messages[0])["state"] == "SPEAKING"
        chunk = await again.next_type("tts_chunk")
        assert payload(chunk)["turn"] == 1
        assert int(str(payload(chunk)["seq"])) > 0
        await again.say(type="hangup")
        assert await again.closed() == 1000


async def test_a_client_that_vanishes_in_the_middle_of_an_answer_finds_its_session_again(live_server: str) -> None:
    for _ in range(3):
        async with call_server(live_server) as first:
            session_id = first.session_id
            await first.type("tell me about the five states")
            await first.next_type("tts_chunk")
            first.socket.transport.abort()
        async with call_server(live_server, session_id) as again:
            assert payload(again.messages[0])["turn"] == 1
            assert payload(await again.next_type("tts_chunk"))["turn"] == 1
            await again.say(type="hangup")


async def test_hanging_up_ends_the_session_and_closes_the_socket(live_server: str, http: httpx.Client) -> None:
    async with call_server(live_server) as client:
        await client.say(type="hangup")
        assert await client.closed() == 1000
    shown = await asyncio.to_thread(http.get, f"/sessions/{client.session_id}")
    assert shown.json()["state"] == "IDLE"
    events = await asyncio.to_thread(http.get, f"/sessions/{client.session_id}/events")
    types = [event["event_type"] for event in events.json()]
    assert "voice.session.ended" in types


@pytest.mark.parametrize("bad", ["", "nonsense", "{p01}", "1" * 40])
async def test_a_bad_session_id_fails_the_handshake(live_server: str, bad: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(socket_url(live_server, bad)):
            raise AssertionError("it was accepted")
    assert 400 <= refused.value.response.status_code < 500


BAD_MESSAGES = [
    "{", "[]", "null", '"hangup"', "{}", '{"type": "nothing"}', '{"type": 7}', '{"type": "stt_final"}',
    '{"type": "stt_final", "text": 7}', '{"type": "stt_final", "text": "  "}',
    '{"type": "stt_final", "text": "x", "confidence": 7}',
    '{"type": "webrtc_event"}', '{"type": "webrtc_event", "event_type": "voice.session.ended"}',
    '{"type": "webrtc_event", "event_type": "voice.webrtc.playback_done", "payload": {"played_s": "long"}}',
    '{"type": "webrtc_event", "event_type": "voice.webrtc.playback_done", "payload": {"played_s": -1}}',
    "[" * 60_000, '{"type":' * 8_000, '{"type": "stt_final", "text": "\\ud800"}',
]  # fmt: skip


async def test_a_bad_message_is_answered_with_an_error_and_the_call_goes_on(live_server: str) -> None:
    async with call_server(live_server) as client:
        for message in BAD_MESSAGES:
            await client.socket.send(message)
            error = await client.next_type("error")
            assert error["code"], message
            assert error["message"], message
        for audio in (b"", b"\x00", b"\x00" * 1001):
            await client.socket.send(audio)
            error = await client.next_type("error")
            assert error["code"] == "bad_audio"
        await client.type("hello")
        await client.state("THINKING")


async def test_extra_fields_and_a_clients_own_clock_are_let_through(live_server: str) -> None:
    async with call_server(live_server) as client:
        await client.say(
            type="webrtc_event", event_type="voice.webrtc.mic_muted", session_id="x", timestamp=1702300000123, extra=[1]
        )
        await client.say(type="stt_final", text="hello", confidence=0.9, colour="blue")
        await client.state("THINKING")
        assert not client.of_type("error")


async def test_a_message_over_64_kib_closes_this_connection_alone(live_server: str) -> None:
    async with call_server(live_server) as other, call_server(live_server) as client:
        await client.socket.send(json.dumps({"type": "stt_final", "text": "x" * 70_000}))
        assert await client.closed() == 1009
        await other.type("hello")
        await other.state("THINKING")


async def test_a_session_id_in_capitals_is_the_same_session(live_server: str, http: httpx.Client) -> None:
    async with call_server(live_server, str(uuid.uuid4()).upper()) as client:
        await client.type("hello")
        await answered(client, 1)
        shown = await asyncio.to_thread(http.get, f"/sessions/{client.session_id.lower()}")
        assert shown.json()["turn"] == 1
