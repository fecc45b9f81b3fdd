"""`diagram coverage`: what recorded calls and test runs took, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from app.cli.diagram import command
from diagrams.coverage import CoverageFile
from diagrams.extract import conversation_model

RECORDINGS = Path(__file__).parents[1] / "recordings"
CONNECTED = "IDLE → LISTENING.quiet: connected"
DOOR_LOCK = "examples.door_lock:DoorLock"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["coverage", *arguments])


def _file(folder: Path, taken: dict[str, int], chart: str = "ConversationChart") -> str:
    path = folder / f"{chart}.json"
    path.write_bytes(msgspec.json.encode(CoverageFile(chart=chart, taken=taken)))
    return str(path)


def test_recorded_calls_are_folded_again_and_their_edges_counted() -> None:
    done = _run(str(RECORDINGS / "plain_turn.jsonl"), "--format", "json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["source"] == "1 call"
    assert report["taken"][CONNECTED] == 1
    assert any(edge.startswith("LISTENING.settling → THINKING.working") for edge in report["taken"])
    assert len(report["taken"]) + len(report["never"]) == len(conversation_model().edges)
    assert not any("INTERRUPT.ducked" in edge for edge in report["taken"])


def test_all_calls_of_a_folder_and_test_runs_count_together(tmp_path: Path) -> None:
    alone = json.loads(_run(str(RECORDINGS), "--format", "json").stdout)
    run = _file(tmp_path, {CONNECTED: 100})
    together = json.loads(_run(str(RECORDINGS), run, run, "--format", "json").stdout)
    assert together["taken"][CONNECTED] == alone["taken"][CONNECTED] + 200
    assert together["source"] == alone["source"] + " and 2 test runs"
    assert any("INTERRUPT.ducked" in edge for edge in alone["taken"])


def test_the_never_taken_edges_are_listed_and_drawn(tmp_path: Path) -> None:
    run = _file(tmp_path, {CONNECTED: 3})
    table = _run(run)
    assert "- `LISTENING.quiet → IDLE.away: away`" in table.stdout
    out = tmp_path / "covered.svg"
    done = _run(run, "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "never taken: LISTENING.quiet → IDLE.away: away" in done.stderr
    assert "stroke-dasharray" in out.read_text()


def test_a_chart_of_ones_own_is_covered_by_what_its_tests_wrote(tmp_path: Path) -> None:
    run = _file(tmp_path, {"UNLOCKED.shut → LOCKED.ready: relock": 2}, "DoorLock")
    report = json.loads(_run(run, "--chart", DOOR_LOCK, "--format", "json").stdout)
    assert report["unknown"] == []
    assert len(report["never"]) == report["edges"] - 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.jsonl", '{"voicechart_log": 1, "session_id"', "broken.jsonl, line 1"),
        ("half.json", '{"voicechart_coverage": 1, "chart": ', "half.json cannot be read"),
        ("other.json", '{"voicechart_coverage": 1, "chart": "Lift", "taken": {}}', "tells of Lift"),
        ("empty.jsonl", "", "is empty"),
    ],
)
def test_a_file_that_is_no_log_is_bad_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path would be broken over two lines
    Path(name).write_text(content)
    done = _run(name, "--out", "out.svg")
    assert done.exit_code == 2
    assert said in " ".join(word for word in done.output.split() if word != "│")
    assert not Path("out.svg").exists()


def test_calls_do_not_cover_another_chart() -> None:
    done = _run(str(RECORDINGS / "plain_turn.jsonl"), "--chart", DOOR_LOCK)
    assert done.exit_code == 2
    assert "not of DoorLock" in " ".join(word for word in done.output.split() if word != "│")


def test_something_that_is_neither_file_nor_session_is_bad_use() -> None:
    done = _run("nowhere")
    assert done.exit_code == 2
    assert "neither a file nor a session" in " ".join(word for word in done.output.split() if word != "│")
