"""The benchmarks of the models print what they promise, and JSON alone when asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from app.bench.sequential import WAYS
from app.bench.stages import STEPS
from app.bench.stt import SttBench
from app.bench.tts import TtsBench
from app.bench.turn import TurnBench
from tests.speech import FOLDER

ROOT = Path(__file__).parents[2]
ONE_CLIP = "file,transcript\nask_states.wav,what are your states\n"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "bench", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    (tmp_path / "manifest.csv").write_text(ONE_CLIP)
    (tmp_path / "ask_states.wav").write_bytes((FOLDER / "ask_states.wav").read_bytes())
    return tmp_path


def test_recognition_is_measured_in_both_ways_side_by_side(clips: Path) -> None:
    result = bench("stt", "--clips", str(clips), "--repeat", "2", "--callers", "1,2", "--json")
    assert result.returncode == 0, result.stderr
    found = msgspec.json.decode(result.stdout, type=SttBench)
    assert found.error_rates == {"fast": 0.0, "full": 0.0}
    assert {(one.recogniser, one.took.n) for one in found.lengths} == {("fast", 2), ("full", 2)}
    assert [(one.callers, one.took.n) for one in found.crowds] == [(1, 2), (1, 2), (2, 4), (2, 4)]
    fast, full = (one.took.median for one in found.lengths)
    assert 0 < fast < full


def test_synthesis_is_measured_alone_and_for_several_callers() -> None:
    result = bench("tts", "--voice", "espeak", "--repeat", "2", "--answers", "1", "--callers", "2", "--json")
    assert result.returncode == 0, result.stderr
    found = msgspec.json.decode(result.stdout, type=TtsBench)
    assert [one.chars for one in found.alone] == sorted({one.chars for one in found.alone})
    assert {one.first_audio.n for one in found.alone} == {2}
    assert [(one.callers, one.first_audio.n) for one in found.together] == [(2, 2)]
    assert all(0 < one.first_audio.median < 1 for one in found.alone)


def test_a_turn_is_measured_for_callers_at_once_and_drawn(live_server: str, tmp_path: Path) -> None:
    clip, picture, kept = str(FOLDER / "ask_states.wav"), tmp_path / "turn.svg", tmp_path / "turn.json"
    result = bench(
        "turn", clip, "--url", live_server, "--callers", "2", "--transport", "ws", "--json",
        "--picture", str(picture), "--keep", str(kept),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = msgspec.json.decode(result.stdout, type=TurnBench)
    assert (found.callers, len(found.calls)) == (2, 2)
    assert {call.caller_number for call in found.calls} == {1, 2}
    for call in found.calls:
        assert call.answered
        assert not call.early
        assert list(call.steps) == list(STEPS)
        assert call.steps["detector"][0] == 0.0 < call.steps["detector"][1] < 0.3
        # The server's own zero is where its detector heard the voice end.
        late_s = call.caller["audio_sent"] - call.steps["detector"][1]
        assert call.server["first_audio"] == pytest.approx(late_s, abs=0.002)
        assert call.caller["audio_sent"] <= call.caller["first_audio"]
    assert found.caller["ws"]["audio_sent"].n == 2
    assert picture.read_text().startswith("<svg")
    again = bench("turn", "--from", str(kept))
    assert again.returncode == 0, again.stderr
    assert "2 callers at once: 2 of 2 calls answered" in again.stdout
    assert "first audio sent by the server" in again.stdout


def test_what_each_step_saves_is_printed(tmp_path: Path) -> None:
    result = bench("turn", str(FOLDER / "ask_states.wav"), "--sequential", "--answer-delay", "0.3")
    assert result.returncode == 0, result.stderr
    saved = [line for line in result.stdout.splitlines() if "%" in line]
    assert len(saved) == len(WAYS)  # all but the first, and the sum
    assert "every sentence slowed by 0.3 s" in result.stdout
    delayed = bench("turn", str(FOLDER / "ask_states.wav"), "--answer-delay", "0.3")
    assert (delayed.returncode, "add it" in delayed.stderr) == (2, True)


def test_a_document_is_measured_again_where_it_says_so(tmp_path: Path) -> None:
    document = tmp_path / "figures.md"
    words = f"stt --clips {tmp_path} --repeat 1 --callers 1"
    (tmp_path / "manifest.csv").write_text(ONE_CLIP)
    (tmp_path / "ask_states.wav").write_bytes((FOLDER / "ask_states.wav").read_bytes())
    document.write_text(
        f"Before.\n\n<!-- measured: {words} -->\nold\n<!-- end -->\n\nBetween.\n\n"
        "<!-- measured: endpointing CLIPS -->\nkept\n<!-- end -->\n"
    )
    result = bench("again", str(document))
    assert result.returncode == 0, result.stderr
    text = document.read_text()
    assert text.startswith(f"Before.\n\n<!-- measured: {words} -->\n\n```console\n$ ./run bench {words}\n")
    assert "word errors" in text
    assert "old" not in text
    assert text.endswith("Between.\n\n<!-- measured: endpointing CLIPS -->\nkept\n<!-- end -->\n")
    assert bench("again", str(document), "--only", "tts").returncode == 2


def test_tables_have_p50_p95_and_n(clips: Path) -> None:
    result = bench("stt", "--clips", str(clips), "--repeat", "1", "--callers", "1")
    assert result.returncode == 0, result.stderr
    for word in ("word errors", "p50", "p95", " n ", "fast", "full", "cores"):
        assert word in result.stdout
    with pytest.raises(json.JSONDecodeError):
        json.loads(result.stdout)


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    result = bench("stt", "--clips", str(tmp_path))
    assert result.returncode == 1
    assert "manifest.csv" in result.stderr
    for wrong in (["tts", "--callers", "0"], ["stt", "--callers", "many"], ["stt", "--clips", "/nowhere"]):
        assert bench(*wrong).returncode == 2


def test_the_log_is_measured_on_one_server_and_on_a_cluster() -> None:
    common = ("--events", "2000", "--rate", "500", "--seconds", "0.5")
    alone = json.loads(bench("bus", *common, "--json").stdout)
    assert alone["partitions"] == 16
    assert alone["flat_out"]["events_per_s"] > 0
    assert [(one["rate_hz"], one["on_disk"]) for one in alone["offered"]] == [(500.0, True), (500.0, False)]
    assert all(0 < one["committed_p50_ms"] <= one["committed_p99_ms"] for one in alone["offered"])
    assert all(one["client_us"] > 0 and one["server_us"] > 0 for one in (alone["flat_out"], *alone["offered"]))
    assert alone["peers"][0]["name"] == "the guide's loop"
    assert len(alone["peers"]) == (1 if alone["without"] else 2)
    told = bench("bus", *common, "--cluster")
    assert told.returncode == 0
    assert "three nodes of its own, 64 partitions" in told.stdout
    assert "know no cluster" in told.stderr
    assert bench("bus", "--cluster", "--bus", "redis://127.0.0.1:1").returncode == 2
