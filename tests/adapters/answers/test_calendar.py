"""Which days a text speaks of without naming them."""

from __future__ import annotations

import pytest

from adapters.answers.calendar import calendar_terms
from adapters.answers.terms import stem


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("open from Tuesday to Thursday", "tuesday wednesday thursday"),
        ("Mon-Wed, 9 to 5", "monday tuesday wednesday"),
        ("Sat. – Mon.", "saturday sunday monday"),
        ("from November until January", "november december january"),
        ("between April and June", "april may june"),
        ("daily", "monday tuesday wednesday thursday friday saturday sunday"),
        ("at weekends", "saturday sunday"),
        ("on Saturday and Sunday", ""),
        ("You may to and fro", ""),
        ("from Monday to March", ""),
        ("a state-of-the-art hall", ""),
    ],
)
def test_ranges_of_days_and_months_are_filled(text: str, days: str) -> None:
    assert calendar_terms(text) == {stem(day) for day in days.split()}
