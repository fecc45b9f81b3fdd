"""What is stored of a session."""

from __future__ import annotations

from app.session_record import REMEMBERED_IDS, SessionRecord


def test_the_latest_event_ids_are_remembered_and_no_others() -> None:
    record = SessionRecord(session_id="s")
    names = [f"event-{number}" for number in range(REMEMBERED_IDS + 10)]
    assert not any(record.is_copy(name) for name in names)
    assert all(record.is_copy(name) for name in names[-REMEMBERED_IDS:])
    assert not record.is_copy(names[0])
    assert not record.is_copy("")
    assert not record.is_copy("")


def test_what_is_remembered_survives_being_stored() -> None:
    record = SessionRecord(session_id="s")
    record.is_copy("one")
    assert SessionRecord.decode(record.encode()).is_copy("one")


def test_where_one_digest_ends_and_the_next_begins_is_no_event() -> None:
    record = SessionRecord(session_id="s")
    record.is_copy("one")
    record.is_copy("two")
    marks = record.seen_marks
    assert len(marks) == 12
    straddling = SessionRecord(session_id="s", seen_marks=marks[3:] + marks[:3])
    assert not straddling.is_copy("two")
