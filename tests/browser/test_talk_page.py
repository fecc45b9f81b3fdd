"""The talk page in real Chromium, against the real server: spoken to, typed to, denied, and left alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenPage
from tests.browser.gate import Gate

pytestmark = [pytest.mark.browser, pytest.mark.real, pytest.mark.timeout(120)]

Status: TypeAlias = dict[str, object]

_AUDIBLE_S = 1.0
"""Least sound of an answer, in seconds; the page counts what comes out of its loudspeaker above -50 dBFS."""


def status(page: Page) -> Status:
    """What the page knows, in plain values."""
    found = page.evaluate("JSON.parse(JSON.stringify(window.voicechart ?? {}))")
    assert isinstance(found, dict)
    return found


def wait_until(page: Page, reached: Callable[[Status], bool], what: str, *, within_s: float = 30.0) -> Status:
    """Look until it is so. Playwright's own waiting evaluates strings in the page, which its CSP forbids."""
    deadline = time.monotonic() + within_s
    while not reached(now := status(page)):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}; the page says {now}"
        page.wait_for_timeout(25)
    return now


def lit(page: Page) -> list[str]:
    found = page.evaluate("[...document.querySelectorAll('#chart .lit')].map((part) => part.id)")
    assert isinstance(found, list)
    return found


def said(now: Status, who: str) -> str:
    transcript = now.get("transcript", [])
    assert isinstance(transcript, list)
    return " ".join(entry["text"] for entry in transcript if entry["who"] == who and not entry["partial"])


def turns(page: Page, now: Status) -> list[dict[str, object]]:
    found = page.evaluate("(id) => fetch(`/sessions/${id}/turns`).then((answer) => answer.json())", now["session"])
    assert isinstance(found, list)
    return found


def heard_s(now: Status) -> float:
    heard = now["heard"]
    assert isinstance(heard, dict)
    return float(heard["seconds"])


def is_answered(now: Status) -> bool:
    return now.get("state") == "LISTENING" and now.get("turn") == 1


def assert_answered_aloud(page: Page) -> None:
    """From the first sound of the answer to the caller's turn again."""
    wait_until(page, lambda now: now.get("state") == "SPEAKING", "SPEAKING")
    assert "s_SPEAKING" in lit(page)
    now = wait_until(page, is_answered, "the floor is the caller's again")
    assert "s_LISTENING" in lit(page)
    assert "s_SPEAKING" not in lit(page)
    assert heard_s(now) >= _AUDIBLE_S
    [turn] = turns(page, now)
    assert said(now, "assistant") == turn["answer_text"]
    assert turn["heard_text"] == turn["answer_text"], "the page reported less than it played"
    assert turn["interrupted"] is False


@pytest.mark.parametrize(("query", "transport"), [("", "webrtc"), ("?transport=ws", "websocket")])
def test_a_spoken_question_is_answered_aloud(
    open_page: OpenPage, live_server: str, spoken_question: Path, query: str, transport: str
) -> None:
    page = open_page(f"{live_server}/{query}", voice=spoken_question)
    page.click("#talk")
    wait_until(
        page, lambda now: now.get("talking") is True and now.get("transport") == transport, f"talks by {transport}"
    )
    page.wait_for_function("document.querySelector('#chart .lit') !== null")  # the drawing comes when it comes
    assert "s_LISTENING" in lit(page)
    assert_answered_aloud(page)
    assert "states" in said(status(page), "user").lower()


def test_where_webrtc_is_refused_the_socket_carries_the_voice(
    open_page: OpenPage, live_server: str, spoken_question: Path
) -> None:
    page = open_page(live_server, voice=spoken_question)
    page.route("**/offer", lambda route: route.abort())
    page.click("#talk")
    now = wait_until(page, lambda now: now.get("state") == "SPEAKING", "the question is heard over the socket")
    assert now["transport"] == "websocket"


def test_a_typed_question_is_answered_aloud_without_a_microphone(open_page: OpenPage, live_server: str) -> None:
    page = open_page(live_server)
    page.fill("#words", "What are your states?")
    page.press("#words", "Enter")
    assert_answered_aloud(page)
    now = status(page)
    assert said(now, "user") == "What are your states?"
    assert now["talking"] is False


def test_an_example_question_is_asked_by_a_click(open_page: OpenPage, live_server: str) -> None:
    page = open_page(live_server)
    page.click("#chips button:first-of-type")
    now = wait_until(page, lambda now: said(now, "assistant") != "", "an answer")
    assert said(now, "user") == "What can you do?"


def test_what_was_not_heard_of_an_interrupted_answer_is_struck(open_page: OpenPage, live_server: str) -> None:
    page = open_page(live_server)
    page.fill("#words", "Tell me about the five states.")
    page.press("#words", "Enter")
    wait_until(page, lambda now: heard_s(now) > 0.8, "the answer is heard")
    page.fill("#words", "What can you do?")
    page.press("#words", "Enter")
    wait_until(page, lambda now: page.locator(".interrupted s").count() > 0, "the rest is struck")
    [turn, *_] = turns(page, status(page))
    unheard = page.inner_text(".interrupted s")
    assert turn["interrupted"] is True
    assert turn["heard_text"] != ""
    assert str(turn["answer_text"]) == str(turn["heard_text"]) + unheard


def test_the_page_asks_nobody_but_its_own_server(open_page: OpenPage, live_server: str) -> None:
    page = open_page(live_server)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws://", "http://")))
    page.reload()
    page.fill("#words", "What can you do?")
    page.press("#words", "Enter")
    wait_until(page, lambda now: now.get("state") == "SPEAKING", "SPEAKING")
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith(live_server)] == []


def test_a_denied_microphone_is_said_and_typing_still_works(open_page: OpenPage, live_server: str) -> None:
    page = open_page(live_server, denied=True)
    page.click("#talk")
    wait_until(page, lambda now: "microphone" in str(now.get("notices")), "a notice")
    assert "microphone is blocked" in page.inner_text("#notices")
    page.fill("#words", "What can you do?")
    page.press("#words", "Enter")
    wait_until(page, lambda now: now.get("state") == "SPEAKING", "SPEAKING")


def test_a_missing_microphone_is_said(open_page: OpenPage, live_server: str) -> None:
    page = open_page(live_server)
    page.click("#talk")
    wait_until(page, lambda now: "microphone" in str(now.get("notices")), "a notice")
    assert "No microphone was found" in page.inner_text("#notices")


def test_a_server_that_was_gone_is_found_again_in_the_same_session(
    open_page: OpenPage, live_server: str, spoken_question: Path
) -> None:
    with Gate(live_server) as gate:
        page = open_page(gate.url, voice=spoken_question)
        page.click("#talk")
        before = wait_until(page, lambda now: now.get("transport") == "webrtc", "talks")
        gate.shut()
        wait_until(page, lambda now: now.get("link") == "waiting", "the page sees that the server is gone")
        assert "server is gone" in page.inner_text("#notices")
        gate.open()
        after = wait_until(page, lambda now: now.get("transport") == "webrtc", "talks again")
        assert after["session"] == before["session"]
        assert page.inner_text("#notices") == ""


def test_a_reload_finds_its_conversation_again(open_page: OpenPage, live_server: str) -> None:
    page = open_page(live_server)
    page.fill("#words", "What are your states?")
    page.press("#words", "Enter")
    before = wait_until(page, is_answered, "answered")
    page.reload()
    after = wait_until(page, lambda now: said(now, "assistant") != "", "the words are back")
    assert after["session"] == before["session"]
    assert said(after, "user") == said(before, "user")
    assert said(after, "assistant") == said(before, "assistant")


def test_hanging_up_ends_the_session_and_the_next_press_begins_another(open_page: OpenPage, live_server: str) -> None:
    page = open_page(live_server)
    page.fill("#words", "What can you do?")
    page.press("#words", "Enter")
    before = wait_until(page, lambda now: now.get("state") == "SPEAKING", "SPEAKING")
    page.click("#hang-up")
    ended = wait_until(page, lambda now: now.get("link") == "ended", "ended", within_s=5)
    assert ended["session"] is None
    page.fill("#words", "What are your states?")
    page.press("#words", "Enter")
    after = wait_until(page, lambda now: now.get("session") is not None, "a new session")
    assert after["session"] != before["session"]


def test_the_page_is_usable_by_keyboard_alone(open_page: OpenPage, live_server: str, spoken_question: Path) -> None:
    page = open_page(live_server, voice=spoken_question)
    page.keyboard.press("Space")
    wait_until(page, lambda now: now.get("talking") is True, "Space starts talking")
    assert page.inner_text("#talk-label") == "End call"
    assert page.is_hidden("#hang-up")  # one button for one thing
    page.keyboard.press("m")
    assert page.get_attribute("#mute", "aria-pressed") == "true"
    page.keyboard.press("Space")
    wait_until(page, lambda now: now.get("link") == "ended", "Space hangs up")
