"""How much of our speech counts as played, across connections."""

from __future__ import annotations

from app.gateway.confirmed import Confirmed
from statecharts.events import PlaybackDone, PlaybackProgress, PlaybackStarted


def told(confirmed: Confirmed, played_s: float, turn: int = 1) -> float | None:
    return confirmed.note(PlaybackProgress(turn=turn, played_s=played_s)).played_s


def test_the_latest_report_of_a_turn_counts() -> None:
    confirmed = Confirmed()
    assert confirmed.played_s(1) == 0.0
    confirmed.note(PlaybackStarted(turn=1, played_s=0.0))
    assert told(confirmed, 1.5) == 1.5
    assert confirmed.played_s(1) == 1.5
    assert confirmed.played_s(2) == 0.0


def test_a_report_without_seconds_stays_as_it_is() -> None:
    confirmed = Confirmed()
    told(confirmed, 1.5)
    done = PlaybackDone(turn=1)
    assert confirmed.note(done) is done
    assert confirmed.played_s(1) == 1.5


def test_a_client_that_comes_back_may_count_the_whole_turn() -> None:
    confirmed = Confirmed()
    told(confirmed, 2.0)
    confirmed.resume()
    confirmed.note(PlaybackStarted(turn=1, played_s=0.0))
    assert confirmed.played_s(1) == 2.0
    assert told(confirmed, 2.5) == 2.5


def test_a_client_that_comes_back_may_count_what_it_was_sent_since() -> None:
    confirmed = Confirmed()
    told(confirmed, 2.0)
    confirmed.resume()
    assert told(confirmed, 0.5) == 2.5
    assert told(confirmed, 2.2) == 4.2
    assert confirmed.played_s(1) == 4.2
    assert told(confirmed, 0.5, turn=2) == 0.5


def test_a_client_that_stayed_is_taken_at_its_word() -> None:
    confirmed = Confirmed()
    told(confirmed, 2.0)
    assert confirmed.note(PlaybackDone(turn=1, played_s=1.2)).played_s == 1.2
