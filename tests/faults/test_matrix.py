"""The page of faults is whole, and names nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.matrix import CANNOT, FAULTS, SHOWN_BY
from tests.faults.page import PAGE

ROWS = 41
_ROOT = Path(__file__).parents[2]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> dict[int, str]:
    """The rows of the page: what came of each fault."""
    cells = [line.strip("|").split(" | ") for line in PAGE.read_text().splitlines() if re.match(r"\| \d", line)]
    return {int(row[0]): row[-1] for row in cells}


def _without_their_tests() -> set[int]:
    """Rows all of whose tests are in files that this checkout does not have."""
    files = {number: {test.partition("::")[0] for test in tests} for number, tests in SHOWN_BY.items()}
    return {number for number, paths in files.items() if not any((_ROOT / path).exists() for path in paths)}


def test_every_fault_is_told_once() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, ROWS + 1))
    assert list(rows()) == list(range(1, ROWS + 1))


def test_each_was_brought_about_and_held_or_says_why_not() -> None:
    assert [one for told in rows().values() for one in told.split("<br>") if one.startswith("failed")] == []
    assert {number for number, told in rows().items() if told.startswith("not brought about")} <= CANNOT.keys()
    assert {number for number, told in rows().items() if told.startswith("not shown")} <= _without_their_tests()


@pytest.mark.parametrize("number", [fault.number for fault in FAULTS])
def test_the_tests_it_names_are_there(number: int) -> None:
    told = rows()[number]
    named = _TEST.findall(told)
    assert named or told.startswith(("not brought about", "not shown"))
    for path, name in named:
        assert re.search(rf"^(async )?def {name}\(", (_ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


def test_what_the_matrix_names_elsewhere_is_there() -> None:
    for names in SHOWN_BY.values():
        for test in names:
            path, name = test.partition("[")[0].split("::")
            if (_ROOT / path).exists():
                assert re.search(rf"^(async )?def {name}\(", (_ROOT / path).read_text(), re.MULTILINE), test
