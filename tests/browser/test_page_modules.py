"""The page's own arithmetic, run where it runs: in the browser."""

from __future__ import annotations

import pytest

from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]

_RESAMPLE = """async ([from, to, tone]) => {
  const { Resampler } = await import("/static/resample.js");
  const resampler = new Resampler(from, to);
  const input = Float32Array.from({ length: from }, (_, at) => Math.sin((2 * Math.PI * tone * at) / from));
  const output = [];
  for (let at = 0; at < from; at += 441) output.push(...resampler.push(input.subarray(at, at + 441)));
  output.push(...resampler.flush());
  let [error, signal] = [0, 0];
  for (let at = 1000; at < to - 1000; at++) {
    const wanted = tone < Math.min(from, to) / 2 ? Math.sin((2 * Math.PI * tone * at) / to) : 0;
    error += (output[at] - wanted) ** 2;
    signal += 0.5;
  }
  return [output.length, 10 * Math.log10(signal / error)];
}"""

_REPORTS = """async (script) => {
  const { PlaybackReports } = await import("/static/reports.js");
  sessionStorage.clear();
  const sent = [];
  const reports = new PlaybackReports((event, { turn, kind, played_s }) => sent.push([event, turn, kind, played_s]));
  for (const [name, ...given] of script) reports[name](...given);
  return sent;
}"""


@pytest.mark.parametrize(
    ("rate_hz", "wanted_hz", "tone_hz", "least_db"),
    [(22_050, 48_000, 1000, 60), (24_000, 44_100, 3000, 60), (48_000, 16_000, 1000, 60), (48_000, 16_000, 10_000, 60)],
)
def test_resampling_keeps_a_tone_and_drops_one_that_would_fold_back(
    open_page: OpenPage, live_server: str, rate_hz: int, wanted_hz: int, tone_hz: int, least_db: float
) -> None:
    length, signal_to_error_db = open_page(live_server).evaluate(_RESAMPLE, [rate_hz, wanted_hz, tone_hz])
    assert abs(length - wanted_hz) <= 1
    assert signal_to_error_db >= least_db


def test_progress_is_told_each_half_second_and_the_end_exactly(open_page: OpenPage, live_server: str) -> None:
    played = [["position", "webrtc", 1, "answer", at / 50] for at in range(1, 60)]
    sent = open_page(live_server).evaluate(_REPORTS, [*played, ["finished", "webrtc", 1, "answer", 1.2]])
    assert sent == [
        ["playback_started", 1, "answer", 0.02],
        ["playback_progress", 1, "answer", 0.52],
        ["playback_progress", 1, "answer", 1.02],
        ["playback_done", 1, "answer", 1.2],
    ]


def test_after_a_broken_line_a_turn_is_counted_on_from_its_last_report(open_page: OpenPage, live_server: str) -> None:
    script = [
        ["position", "webrtc", 3, "answer", 0.7],
        ["position", "webrtc", 3, "answer", 0.9],
        ["lineLost"],
        ["finished", "webrtc", 3, "answer", 1.0],
    ]
    sent = open_page(live_server).evaluate(_REPORTS, script)
    assert sent == [["playback_started", 3, "answer", 0.7], ["playback_done", 3, "answer", 1.7]]


def test_an_answer_that_moves_from_the_socket_to_webrtc_is_counted_whole(open_page: OpenPage, live_server: str) -> None:
    script = [
        ["position", "websocket", 2, "answer", 0.8],
        ["position", "webrtc", 2, "answer", 0.4],
        ["finished", "webrtc", 2, "answer", 1.5],
    ]
    sent = open_page(live_server).evaluate(_REPORTS, script)
    assert sent[-1] == ["playback_done", 2, "answer", 2.3]


def test_a_turn_that_was_stopped_before_its_first_sound_is_reported_unheard(
    open_page: OpenPage, live_server: str
) -> None:
    assert open_page(live_server).evaluate(_REPORTS, [["cut", 4]]) == [["playback_done", 4, "answer", 0]]
