"""The benchmarks of the models print what they promise, and JSON alone when asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from app.bench.stt import SttBench
from app.bench.tts import TtsBench
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
