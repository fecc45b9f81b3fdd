"""A call frozen to a scenario shows, when that is run, what the call showed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.replay.call_log import BadLog, CallLog, decode_log
from app.scenario.of_call import scenario_of
from app.scenario.reading import parse_scenario, read_scenario
from app.scenario.stage import log_scenario, run_scenario
from app.scenario.writing import encode_scenario
from statecharts.phrases import Phrases
from statecharts.policy import Policy

TESTS = Path(__file__).parents[1]
RECORDINGS = sorted((TESTS / "recordings").glob("*.jsonl"))
SCENARIOS = sorted((TESTS / "scenarios").glob("*.toml"))
UNTOLD = Policy(), Phrases()
TOGETHER = "b7d_a_sound_at_the_tick_of_our_first_audio"
"""Two things of the same moment: which of them comes first is not in its log."""


def recorded(name: str) -> CallLog:
    path = TESTS / "recordings" / f"{name}.jsonl"
    return decode_log(path.read_bytes(), path.name)


def assert_shows_the_same(log: CallLog) -> None:
    frozen = scenario_of(log, UNTOLD, "")
    text = encode_scenario(frozen.scenario, frozen.remarks)
    read = parse_scenario(text, "the frozen call")
    assert read == frozen.scenario
    assert not run_scenario(read).failures


@pytest.mark.parametrize("path", [path for path in RECORDINGS if path.stem != "reconnect"], ids=lambda path: path.stem)
def test_a_recorded_call_becomes_a_scenario_that_shows_the_same(path: Path) -> None:
    assert_shows_the_same(decode_log(path.read_bytes(), path.name))


@pytest.mark.parametrize("path", [path for path in SCENARIOS if path.stem != TOGETHER], ids=lambda path: path.stem)
def test_the_call_of_any_scenario_becomes_a_scenario_that_shows_the_same(path: Path) -> None:
    assert_shows_the_same(log_scenario(read_scenario(path)))


def test_what_a_frozen_scenario_expects_can_fail() -> None:
    scenario = scenario_of(recorded("plain_turn"), UNTOLD, "").scenario
    slower = [msgspec.structs.replace(answer, voice_first_s=1.5) for answer in scenario.answers]
    failures = run_scenario(msgspec.structs.replace(scenario, answers=slower)).failures
    assert any("SPEAKING" in failure for failure in failures)


def test_the_models_are_as_fast_as_they_were_and_the_rules_are_those_of_the_call() -> None:
    scenario = scenario_of(recorded("barge_in"), UNTOLD, "What it shows.").scenario
    assert scenario.title == "What it shows."
    assert scenario.policy.speculation == "voice"
    first, second, _hang_up = scenario.caller
    assert first == msgspec.convert(
        {"voice": (0.358, 1.362), "text": "What are your states?", "final_after": 0.357, "interim": False,
         "detector": (0.064, 0.16)},
        type(first),
    )  # fmt: skip
    assert getattr(second, "text", "") == "How do I interrupt you?"
    assert scenario.answers[0].voice_first_s == pytest.approx(0.427, abs=0.001)
    assert scenario.answers[0].text.startswith("I have five states")
    assert scenario.expect.history is not None
    assert [(entry.role, entry.interrupted) for entry in scenario.expect.history] == [
        ("user", None), ("assistant", True), ("user", None), ("assistant", False),
    ]  # fmt: skip


def test_texts_are_written_so_that_they_are_read_again() -> None:
    scenario = scenario_of(recorded("typed_over_the_answer"), UNTOLD, 'A "title" with \\ and\na line, \x7f, ü').scenario
    assert parse_scenario(encode_scenario(scenario, ["a remark"]), "it") == scenario


def test_what_a_scenario_cannot_tell_is_said() -> None:
    with pytest.raises(BadLog, match="the client was lost, for which the format has no words"):
        scenario_of(recorded("reconnect"), UNTOLD, "")
    whole = recorded("plain_turn")
    speaking = next(
        number for number, fact in enumerate(whole.facts, 1) if fact.outcome and "SPEAKING" in fact.outcome.after
    )
    with pytest.raises(BadLog, match=r"still going on \(SPEAKING"):
        scenario_of(msgspec.structs.replace(whole, facts=whole.facts[:speaking]), UNTOLD, "")
    with pytest.raises(BadLog, match="nobody connected"):
        scenario_of(msgspec.structs.replace(whole, facts=whole.facts[:1]), UNTOLD, "")


def test_rules_that_the_format_does_not_name_are_remarked() -> None:
    log = recorded("plain_turn")
    first, *rest = log.facts
    assert first.outcome is not None
    assert first.outcome.rules is not None
    policy = {**first.outcome.rules.policy, "heard_wait_s": 2.5}
    rules = msgspec.structs.replace(first.outcome.rules, policy=policy)
    changed = msgspec.structs.replace(first, outcome=msgspec.structs.replace(first.outcome, rules=rules))
    remarks = scenario_of(msgspec.structs.replace(log, facts=[changed, *rest]), UNTOLD, "").remarks
    assert any("heard_wait_s was 2.5" in remark for remark in remarks)
