"""Scenario files are read to the letter, run on virtual time, and judged."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path

import pytest

from app.cli.frame import main
from app.scenario.reading import BadScenario, parse_scenario
from app.scenario.stage import run_scenario
from app.scenario.virtual_time import NothingLeft, run

SPOKEN = "[[caller]]\nvoice = [0.5, 2.5]\n"
EXAMPLES = Path(__file__).parents[1] / "scenarios"


def test_an_hour_on_the_virtual_clock_takes_no_time() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        await asyncio.sleep(3600.0)
        return loop.time() - began_at

    began_at = time.monotonic()
    assert run(wait()) == pytest.approx(3600.0, abs=1e-6)
    assert time.monotonic() - began_at < 10.0


def test_waiting_for_what_cannot_happen_is_an_error_and_not_for_ever() -> None:
    with pytest.raises(NothingLeft):
        run(asyncio.Event().wait())


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("title = 1", 1, "title: expected text, got a whole number; found 1"),
        ("\ncolour = 1", 2, "colour: unknown key; known are title, source, tolerance_s"),
        ("[policy]\nend_of_turn = 1", 2, "policy.end_of_turn: unknown key; known are adaptive_end_of_turn"),
        ("[policy]\nspeculation = 'on'", 2, "policy.speculation: expected one of off, text, voice; found 'on'"),
        ("[policy]\naway_s = -1", 2, "policy.away_s: expected a number >= 0.0; found -1"),
        ("[policy]\naway_s = nan", 2, "policy.away_s: expected a number >= 0.0; found nan"),
        ("[speaker]\npausable = 'no'", 2, "speaker.pausable: expected true or false, got text; found 'no'"),
        ("[[caller]]\n\n[[caller]]\nat = 1", 1, "caller[0]: expected exactly one of the keys voice, types"),
        (SPOKEN + "[[caller]]\nat = 1", 3, "caller[1]: expected exactly one of the keys voice, types, hangs_up, keys"),
        (SPOKEN + "final_after = '1'", 3, "caller[0].final_after: expected a number, got text; found '1'"),
        (SPOKEN + SPOKEN, 4, "caller[1].voice: expected a start after the voice before it ends, at 2.5"),
        ("[[caller]]\nvoice = [2, 1]", 2, "caller[0].voice: expected an end after the start, found [2.0, 1.0]"),
        ("[[caller]]\nvoice = [2]", 2, "caller[0].voice: expected a list of length 2, got 1; found [2]"),
        ("[[caller]]\nat = 1\nkeys = '1x'", 3, "caller[0].keys: expected text matching regex"),
        ("[[caller]]\ntypes = 'hello'", 1, "caller[0]: object missing required field `at`"),
        ("[[answers]]\n[[answers]]\nvoice = 3", 3, "answers[1].voice: unknown key; known are text, first_s"),
        ("[expect]\nstates = [[0.0, 'LISTEN']]", 2, "expect.states[0][1]: expected one of IDLE, LISTENING"),
        ("[expect]\nhistory = [{ who = 'user' }]", 2, "expect.history[0].who: unknown key; known are role, text"),
        ("title = ", 1, "expected TOML"),
    ],
)
def test_a_wrong_file_is_told_by_line_key_and_what_is_allowed(text: str, line: int, told: str) -> None:
    with pytest.raises(BadScenario, match=re.escape(f"x.toml, line {line}: {told}")):
        parse_scenario(text, "x.toml")


def test_what_a_file_leaves_out_is_as_the_format_shows_it() -> None:
    scenario = parse_scenario("", "x.toml")
    assert (scenario.tolerance_s, scenario.run_until_s) == (0.1, 0.0)
    policy = scenario.policy.to_policy(pausable=True)
    assert (policy.end_of_turn_s, policy.barge_in_speech_s, policy.false_interruption_s) == (0.5, 0.5, 2.0)
    assert (policy.withdraw_s, policy.away_s, policy.filler_after_s) == (0.0, 15.0, 0.0)


def test_a_run_ends_when_only_the_away_timer_is_left() -> None:
    outcome = run_scenario(parse_scenario(SPOKEN + "[[answers]]\nvoice_s = 2.0", "x.toml"))
    assert outcome.states == [(0.0, "LISTENING"), (3.0, "THINKING"), (3.5, "SPEAKING"), (5.5, "LISTENING")]
    until = run_scenario(parse_scenario(f"run_until_s = 21\n{SPOKEN}[[answers]]\nvoice_s = 2.0", "x.toml"))
    assert until.states[-1] == (20.5, "IDLE")
    cut = run_scenario(parse_scenario(f"run_until_s = 4.5\n{SPOKEN}[[answers]]\nvoice_s = 2.0", "x.toml"))
    assert cut.audible == [(3.5, 4.5)]


def test_all_that_is_not_as_expected_is_told() -> None:
    expect = """
        [expect]
        states = [[0.0, "LISTENING"], [3.0, "THINKING"], [3.8, "SPEAKING"], [5.5, "LISTENING"]]
        audible = [[3.5, 5.0]]
        history = [{ role = "user", text = "What?" }, { role = "assistant", interrupted = true }]
        never = ["SPEAKING"]
        turns = 3
    """
    outcome = run_scenario(parse_scenario(f"{SPOKEN}[[answers]]\nvoice_s = 2.0\n{expect}", "x.toml"))
    assert not outcome.passed
    assert outcome.failures == [
        "states, number 3: expected SPEAKING at 3.8, seen at 3.5",
        "audible: expected 3.5 to 5; seen 3.5 to 5.5",
        "history, number 1: expected text 'What?', seen 'Tell me a story.'",
        "history, number 2: expected interrupted True, seen False",
        "never: SPEAKING occurs, in LISTENING at 0, THINKING at 3, SPEAKING at 3.5, LISTENING at 5.5",
        "turns: expected 3, seen 1",
    ]


def test_the_same_file_gives_the_same_outcome() -> None:
    scenario = parse_scenario(SPOKEN + "[[caller]]\nvoice = [5.0, 6.0]\ntext = 'Stop!'\n[[answers]]", "x.toml")
    assert run_scenario(scenario) == run_scenario(scenario)


def command(monkeypatch: pytest.MonkeyPatch, *args: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["voicechart", "scenario", *map(str, args)])
    return main()


def test_one_file_is_one_object_and_several_are_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [EXAMPLES / "a1_plain_turn.toml", EXAMPLES / "c1_cough_resumes.toml"]
    assert command(monkeypatch, files[0], "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["title", "passed", "failures", "states", "audible", "history", "dropped", "turns"]
    assert told["history"][0] == {"role": "user", "text": "Hello, how are you?", "interrupted": False}
    assert command(monkeypatch, *files, "--json") == 0
    assert [json.loads(line)["turns"] for line in capsys.readouterr().out.splitlines()] == [1, 1]


def test_what_does_not_hold_is_exit_1_and_a_wrong_file_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fails, wrong = tmp_path / "fails.toml", tmp_path / "wrong.toml"
    fails.write_text(f"{SPOKEN}[expect]\nturns = 5\n")
    wrong.write_text("tilte = 'a'\n")
    assert command(monkeypatch, fails) == 1
    assert "turns: expected 5, seen 1" in capsys.readouterr().out
    assert command(monkeypatch, fails, wrong, tmp_path / "none.toml", "--json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{wrong}, line 1: tilte: unknown key" in told.err
    assert "none.toml: expected a TOML file that can be read" in told.err
