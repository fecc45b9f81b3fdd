"""The drawings in real Chromium, with whatever fonts this machine has: nothing runs into anything, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from diagrams.coverage import Coverage
from diagrams.extract import conversation_model
from diagrams.load import model_of
from diagrams.render import draw
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

_OVERLAPS = """() => {
  const texts = [...document.querySelectorAll("svg text")].map((text) => {
    const box = text.getBoundingClientRect();
    return { said: text.textContent.trim(), left: box.left, right: box.right, top: box.top, bottom: box.bottom };
  }).filter((text) => text.said);
  const found = [];
  for (const [number, one] of texts.entries()) {
    for (const other of texts.slice(number + 1)) {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      // Boxes of letters are higher than the letters: lines below each other share some of it.
      const height = Math.min(one.bottom - one.top, other.bottom - other.top);
      if (across > 1.5 && down > height * 0.45) found.push(`${one.said} | ${other.said}`);
    }
  }
  return { count: texts.length, found };
}"""

_BEYOND = """() => {
  const sheet = document.querySelector("svg").getBoundingClientRect();
  return [...document.querySelectorAll("svg text, svg path")].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.left < sheet.left - 1 || box.right > sheet.right + 1 || box.bottom > sheet.bottom + 1;
  }).map((part) => part.textContent || part.parentElement.id);
}"""

_COLOURS = """() => [...document.querySelectorAll("svg text")].map((text) => getComputedStyle(text).fill)"""


def _drawing(name: str) -> bytes:
    conversation = conversation_model()
    if name == "coverage":
        taken = {str(edge): 7**number % 1009 for number, edge in enumerate(conversation.edges) if number % 4}
        return draw(conversation, "svg", overlay=Coverage(model=conversation, taken=taken, source="A test").overlay())
    model = conversation if name.startswith("conversation") else model_of("examples.door_lock:DoorLock")
    return draw(model, "svg", "overview" if name.endswith("overview") else "full")


def _opened(open_page: OpenPage, folder: Path, drawing: bytes, ground: str) -> Page:
    file = folder / "drawing.html"
    file.write_bytes(
        b"<!doctype html><meta charset=utf-8><body style='margin:0;background:%s'>" % ground.encode() + drawing
    )
    page = open_page(file.as_uri())
    page.set_viewport_size({"width": 2200, "height": 1500})
    return page


@pytest.mark.parametrize(
    "name", ["conversation", "conversation, overview", "coverage", "door lock", "door lock, overview"]
)
def test_no_text_runs_into_another_or_out_of_the_picture(open_page: OpenPage, tmp_path: Path, name: str) -> None:
    page = _opened(open_page, tmp_path, _drawing(name), "white")
    found: dict[str, Any] = page.evaluate(_OVERLAPS)
    assert found["count"] > 10
    assert found["found"] == []
    assert page.evaluate(_BEYOND) == []


@pytest.mark.parametrize("name", ["conversation", "conversation, overview"])
def test_in_the_dark_every_letter_is_light(open_page: OpenPage, tmp_path: Path, name: str) -> None:
    page = _opened(open_page, tmp_path, _drawing(name), "#0f1115")
    page.emulate_media(color_scheme="light")
    light = page.evaluate(_COLOURS)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(_COLOURS)
    assert len(light) == len(dark) > 10
    for before, after in zip(light, dark, strict=True):
        assert _brightness(after) > 110, after
        assert _brightness(after) > _brightness(before)


def _brightness(colour: str) -> float:
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return 0.299 * red + 0.587 * green + 0.114 * blue
