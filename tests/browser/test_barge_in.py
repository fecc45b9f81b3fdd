"""Answers spoken over in real Chromium, its microphone a recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenPage, microphone_file
from tests.browser.test_talk_page import turns, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.real, pytest.mark.timeout(60)]


def frames_of(page: Page) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The messages that the page receives and sends over its socket from now on."""
    received: list[dict[str, object]] = []
    sent: list[dict[str, object]] = []

    def note(frames: list[dict[str, object]], frame: str | bytes) -> None:
        if isinstance(frame, str):
            frames.append(json.loads(frame))

    def watch(socket: object) -> None:
        socket.on("framereceived", lambda frame: note(received, frame))  # type: ignore[attr-defined]
        socket.on("framesent", lambda frame: note(sent, frame))  # type: ignore[attr-defined]

    page.on("websocket", watch)
    return received, sent


def actions(received: list[dict[str, object]], turn: int) -> list[str]:
    orders = [message["payload"] for message in received if message["type"] == "playout"]
    return [order["action"] for order in orders if isinstance(order, dict) and order["turn"] == turn]


def test_an_answer_survives_a_cough_and_is_stopped_by_a_voice(
    open_page: OpenPage, live_server: str, tmp_path: Path
) -> None:
    sounds = ("sounds/cough_twice.wav", 1.8, "ask_what_can_you_do.wav")
    page = open_page(live_server, voice=microphone_file(tmp_path / "microphone.wav", 1.5, *sounds))
    received, _ = frames_of(page)
    page.click("#talk")
    wait_until(page, lambda now: now.get("transport") == "webrtc", "talks")
    page.fill("#words", "Tell me about the five states.")
    page.press("#words", "Enter")
    wait_until(page, lambda now: now.get("turn") == 2 and now.get("state") == "SPEAKING", "the second answer")
    coughed, *rest = " ".join(actions(received, 1)).split(" resume ")
    assert coughed in ("duck", "duck pause")
    assert rest[-1].split()[0] == "duck"
    assert rest[-1].split()[-1] == "stop"
    first, second = turns(page, wait_until(page, lambda now: True, "now"))
    assert first["interrupted"] is True
    assert 0 < len(str(first["heard_text"])) < len(str(first["answer_text"]))
    assert str(second["user_text"]).lower().strip(" ?.") == "what can you do"


def test_a_browser_that_does_not_cancel_our_echo_says_so_to_the_person_and_to_the_server(
    open_page: OpenPage, live_server: str, spoken_question: Path
) -> None:
    page = open_page(live_server, voice=spoken_question)
    _, sent = frames_of(page)
    page.evaluate("() => { MediaStreamTrack.prototype.getSettings = () => ({ echoCancellation: false }); }")
    page.click("#talk")
    wait_until(page, lambda now: "echo" in str(now.get("notices")), "a notice")
    assert "few clear words" in page.inner_text("#notices")
    wait_until(page, lambda now: now.get("state") == "SPEAKING", "the question is answered all the same")
    told = [message["payload"] for message in sent if message.get("event_type") == "voice.webrtc.mic_opened"]
    assert told == [{"echo_cancellation": False}]
