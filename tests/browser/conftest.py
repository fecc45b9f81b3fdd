"""A real Chromium, fed a recorded voice as its microphone."""

from __future__ import annotations

import os
import shutil
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import av
import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

OpenPage: TypeAlias = Callable[..., Page]

_FLAGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
_FAKE_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
_MICROPHONE_HZ = 48_000
"""What Chromium plays a file as, when the file is its microphone."""

_BEFORE_S = 3.0
"""Silence before the voice: the page connects meanwhile (0.3 s when nothing else runs)."""

_AFTER_S = 30.0


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; without one the tests are skipped, in CI they fail."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    if not found and os.environ.get("VOICECHART_CI"):
        pytest.fail("no Chromium on PATH, and in CI the browser tests may not be skipped: apt-get install chromium")
    if not found:
        pytest.skip("no Chromium on PATH; install it to run the browser tests")
    return found


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    # No longer than a module: while it runs, its event loop keeps every asynchronous test from having one.
    with sync_playwright() as running:
        yield running


@pytest.fixture
def open_page(chromium: str, playwright: Playwright) -> Iterator[OpenPage]:
    """Opens a URL in a fresh browser: `voice` is its microphone; without one it has none; `denied`: it may not ask."""
    browsers: list[Browser] = []
    errors: list[str] = []

    def open_(url: str, *, voice: Path | None = None, denied: bool = False) -> Page:
        flags = [*_FLAGS]
        if voice is not None:
            flags += [*_FAKE_MICROPHONE, f"--use-file-for-fake-audio-capture={voice}%noloop"]
        elif denied:
            flags += ["--use-fake-device-for-media-stream", "--deny-permission-prompts"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        browsers.append(browser)
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_
    for browser in browsers:
        browser.close()
    assert errors == [], "the page threw"


def microphone_file(path: Path, *parts: str | float) -> Path:
    """Write what Chromium takes for a microphone: clips of `tests/speech`, and seconds of silence."""
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(_MICROPHONE_HZ)
        for part in (_BEFORE_S, *parts, _AFTER_S):
            silence = not isinstance(part, str)
            target.writeframes(bytes(2 * int(float(part) * _MICROPHONE_HZ)) if silence else _clip(str(part)))
    return path


def _clip(name: str) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_MICROPHONE_HZ)
    with av.open(str(Path(__file__).parents[1] / "speech" / name)) as source:
        frames = [out for frame in source.decode(audio=0) for out in resampler.resample(frame)]
    return b"".join(frame.to_ndarray().tobytes() for frame in [*frames, *resampler.resample(None)])


@pytest.fixture(scope="session")
def spoken_question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody asking "What are your states?"."""
    return microphone_file(tmp_path_factory.mktemp("microphone") / "question.wav", "ask_states.wav")
